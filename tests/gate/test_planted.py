"""Each planted regression is caught by the rule that is there for it; non-regressions pass."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from gating import leave, measure

from bench.gate.verdict import Outcome, Verdict


def rules(verdict: Verdict) -> set[tuple[str, str]]:
    """Return (codec, rule) of everything that offends."""
    return {(finding.codec, finding.rule_name) for finding in verdict.offending}


def at(frame: pd.DataFrame, codec: str, quality: float | None = None, image: str = "") -> pd.Series:
    mask = frame["codec"] == codec
    if quality is not None:
        mask &= frame["quality"] == quality
    return mask & (frame["image"] == image) if image else mask


def test_the_same_run_passes(gate, clean):
    verdict = gate(clean)
    assert verdict.exit_code == 0
    assert verdict.outcome is Outcome.PASS
    assert {f.rule_name for f in verdict.findings} == {
        "failures", "bd_rate.psnr", "worst_image.psnr", "drop.psnr"
    }  # fmt: skip


def test_quality_74_passed_off_as_75_is_a_drop_at_75(gate, clean, crops):
    others = clean[~at(clean, "jpeg", 75)]
    forged = [measure("jpeg", 75, name, pixels, 74) for name, pixels in crops.items()]
    verdict = gate(pd.concat([others, pd.DataFrame(forged)]))
    assert verdict.exit_code == 1
    assert rules(verdict) == {("jpeg", "drop.psnr")}
    (finding,) = verdict.offending
    assert finding.setting == 75
    before = clean[at(clean, "jpeg", 75)]["psnr"].mean()
    assert finding.change == pytest.approx(before - pd.DataFrame(forged)["psnr"].mean(), abs=1e-6)


def test_one_image_3_percent_larger_is_its_worst_image(gate, clean):
    frame = clean.copy()
    mask = at(frame, "jpeg", image="crop13.png")
    frame[["bytes", "bpp"]] = frame[["bytes", "bpp"]].astype(float)
    frame.loc[mask, "bytes"] = (frame.loc[mask, "bytes"] * 1.03).round()
    frame.loc[mask, "bpp"] = 8 * frame.loc[mask, "bytes"] / (192 * 160)
    verdict = gate(frame, "bd_rate.psnr=2")
    assert rules(verdict) == {("jpeg", "worst_image.psnr")}
    (finding,) = verdict.offending
    assert finding.image == "crop13.png"
    assert finding.change == pytest.approx(3, abs=0.02)


def test_one_image_3_percent_larger_at_one_setting_is_seen_by_its_bytes(gate, clean):
    frame = clean.copy()
    mask = at(frame, "webp", 60, "crop01.png")
    frame.loc[mask, "bytes"] = (frame.loc[mask, "bytes"] * 1.03).round().astype(int)
    verdict = gate(frame, "image_bytes=1")
    assert rules(verdict) == {("webp", "image_bytes")}
    assert verdict.offending[0].setting == 60
    assert verdict.offending[0].image == "crop01.png"


def test_a_fiftieth_of_a_decibel_less_at_one_setting_is_a_drop(gate, clean):
    frame = clean.copy()
    frame.loc[at(frame, "webp", 40), "psnr"] -= 0.02
    verdict = gate(frame)
    assert rules(verdict) == {("webp", "drop.psnr")}
    assert verdict.offending[0].change == pytest.approx(0.02, abs=1e-6)
    assert verdict.offending[0].setting == 40
    assert "webp at 40: psnr worse by 0.02" in verdict.offending[0].message


def test_a_drop_within_the_limit_passes(gate, clean):
    frame = clean.copy()
    frame.loc[at(frame, "webp", 40), "psnr"] -= 0.009
    assert gate(frame).exit_code == 0


def test_every_image_1_percent_larger_is_bd_rate_with_its_interval(gate, clean):
    frame = clean.copy()
    mask = at(frame, "jpeg")
    frame["bytes"] = frame["bytes"].astype(float)
    frame.loc[mask, "bytes"] = (frame.loc[mask, "bytes"] * 1.01).round()
    verdict = gate(frame, "worst_image.psnr=2")
    assert rules(verdict) == {("jpeg", "bd_rate.psnr")}
    (finding,) = verdict.offending
    # More rate by a factor at equal quality is that factor in BD-rate, by its definition.
    assert finding.change == pytest.approx(1, abs=0.02)
    low, high = finding.interval
    assert low <= finding.change <= high
    assert high - low < 0.05


def test_a_missing_codec_is_undecidable(gate, clean):
    verdict = gate(clean[clean["codec"] == "jpeg"])
    assert verdict.exit_code == 2
    assert rules(verdict) == {("webp", "codec")}


def test_a_missing_setting_is_undecidable(gate, clean):
    verdict = gate(clean[~at(clean, "webp", 60)])
    assert verdict.exit_code == 2
    assert rules(verdict) == {("webp", "cells")}
    assert "settings 60" in verdict.offending[0].message


def test_another_version_of_a_metric_is_undecidable(gate, clean):
    verdict = gate(clean, metrics={"psnr": "psnr/2", "ssim": "ssim/1"})
    assert verdict.exit_code == 2
    assert rules(verdict) == {("", "metric.psnr")}
    assert "psnr/1 in the baseline, psnr/2 in the run" in verdict.offending[0].message


def test_another_version_of_a_metric_that_no_rule_needs_is_none_of_the_gates_business(gate, clean):
    assert gate(clean, metrics={"psnr": "psnr/1", "ssim": "ssim/2"}).exit_code == 0


def test_a_metric_that_was_not_measured_is_undecidable(gate, clean):
    verdict = gate(clean.drop(columns="psnr"), metrics={"ssim": "ssim/1"})
    assert verdict.exit_code == 2
    assert rules(verdict) == {("", "metric.psnr")}


def test_a_run_without_a_cell_is_undecidable(gate, clean):
    verdict = gate(clean.iloc[:0])
    assert verdict.exit_code == 2
    assert rules(verdict) == {("", "run")}


def test_another_data_set_is_undecidable(gate, clean):
    frame = clean.copy()
    frame["image_sha256"] = [f"{i % 4:064}" for i in range(len(frame))]
    frame["dataset"] = "other"
    verdict = gate(frame)
    assert verdict.exit_code == 2
    assert rules(verdict) == {("", "data")}
    assert "none of its 4 images" in verdict.offending[0].message


def test_one_image_with_other_pixels_is_undecidable(gate, clean):
    frame = clean.copy()
    frame.loc[frame["image"] == "crop05.png", "image_sha256"] = "f" * 64
    verdict = gate(frame)
    assert verdict.exit_code == 2
    assert rules(verdict) == {("", "data")}
    assert "crop05.png" in verdict.offending[0].message
    assert "their pixels are others" in verdict.offending[0].message


def test_nan_in_a_metric_is_undecidable_and_no_pass(gate, clean):
    frame = clean.copy()
    frame.loc[at(frame, "jpeg", 60, "crop23.png"), "psnr"] = math.nan
    verdict = gate(frame)
    assert verdict.exit_code == 2
    assert ("jpeg", "value.psnr") in rules(verdict)
    value = next(f for f in verdict.offending if f.rule == "value")
    assert (value.setting, value.image) == (60, "crop23.png")


def test_nan_everywhere_is_undecidable(gate, clean):
    frame = clean.copy()
    frame["psnr"] = math.nan
    verdict = gate(frame, "bd_rate.psnr=off", "worst_image.psnr=off")
    assert verdict.exit_code == 2


def test_a_failed_cell_is_a_regression(gate, clean):
    frame = clean.copy()
    mask = at(frame, "jpeg", 60, "crop23.png")
    frame[["bytes", "width"]] = frame[["bytes", "width"]].astype("Int64")
    frame.loc[mask, ["bytes", "bpp", "psnr", "ssim"]] = [pd.NA, np.nan, np.nan, np.nan]
    frame.loc[mask, ["status", "error"]] = ["failed", "decode: out of luck"]
    verdict = gate(frame)
    assert verdict.exit_code == 1
    assert rules(verdict) == {("jpeg", "failures")}
    assert "out of luck" in verdict.offending[0].message
    assert gate(frame, "failures=1").exit_code == 0


def test_a_codec_that_fails_everywhere_is_a_regression(gate, clean):
    frame = clean.copy()
    mask = at(frame, "jpeg")
    frame["bytes"] = frame["bytes"].astype("Int64")
    frame.loc[mask, ["bytes", "bpp", "psnr", "ssim"]] = [pd.NA, np.nan, np.nan, np.nan]
    frame.loc[mask, ["status", "error"]] = ["failed", "broken"]
    verdict = gate(frame)
    assert verdict.exit_code == 1
    assert rules(verdict) == {("jpeg", "failures")}


def test_a_changed_byte_of_an_exact_codec_is_a_regression_that_names_the_library(gate, clean):
    frame = clean.copy()
    frame.loc[at(frame, "jpeg", 60, "crop01.png"), "bitstream_sha256"] = "a" * 64
    newer = {"pillow": "13.0.0"}
    codecs = {
        name: {"id": name, "bytes_depend_on_processor": name != "jpeg",
               "identity": {"libraries": newer, "machine": "x86_64"}}
        for name in ("jpeg", "webp")
    }  # fmt: skip
    verdict = gate(frame, "exact=true", codecs=codecs)
    assert rules(verdict) == {("jpeg", "exact")}
    message = verdict.offending[0].message
    assert "1 of 20 bitstreams changed, the first at 60 on crop01.png" in message
    assert "pillow changed: 12.0.0 → 13.0.0" in message
    # The version alone is reported and decides nothing.
    same = gate(clean, "exact=true", codecs=codecs)
    assert same.exit_code == 0
    assert "jpeg: libraries pillow changed: 12.0.0 → 13.0.0" in same.notes


def test_bytes_of_a_codec_whose_card_does_not_vouch_for_them_can_not_be_gated_by_name(gate, clean):
    verdict = gate(clean, "webp:exact=true")
    assert verdict.exit_code == 2
    assert rules(verdict) == {("webp", "exact")}
    assert gate(clean, "w*:exact=true").exit_code == 0


def test_a_rule_for_a_codec_that_is_not_there_guards_nothing_and_is_undecidable(gate, clean):
    verdict = gate(clean, "wepb:bytes=1")
    assert verdict.exit_code == 2
    assert rules(verdict) == {("", "rule")}


def test_a_gate_with_every_rule_off_is_undecidable(gate, clean):
    off = ["bd_rate.psnr=off", "worst_image.psnr=off", "drop.psnr=off", "failures=off"]
    assert gate(clean, *off).exit_code == 2


def test_a_regression_counts_though_something_else_is_undecidable(gate, clean):
    frame = clean[clean["codec"] == "jpeg"].copy()
    frame.loc[at(frame, "jpeg", 40), "psnr"] -= 0.5
    verdict = gate(frame)
    assert verdict.exit_code == 1
    assert ("webp", "codec") in rules(verdict)


def test_a_rise_of_a_metric_of_which_less_is_better_is_a_loss(clean, tmp_path):
    from bench.gate.baseline import write_baseline
    from bench.gate.check import check
    from bench.gate.record import baseline_of
    from bench.gate.rules import parse_options

    frame = clean.rename(columns={"ssim": "lpips"})
    frame["lpips"] = 1 - frame["lpips"]
    metrics = {"metrics": {"psnr": "psnr/1", "lpips": "lpips/1"}}
    file = tmp_path / "lpips.json"
    write_baseline(baseline_of(leave(tmp_path / "was", frame, **metrics)), file)
    limit = [parse_options(["drop.lpips=0.002"])]
    for step, code in ((0.003, 1), (-0.003, 0)):
        changed = frame.copy()
        changed.loc[at(changed, "jpeg", 60), "lpips"] += step
        folder = leave(tmp_path / f"now{code}", changed, **metrics)
        assert check(folder, file, limit).exit_code == code


def test_lossless_stays_lossless_and_a_loss_is_seen(clean, tmp_path):
    from bench.gate.baseline import read_baseline, write_baseline
    from bench.gate.check import check
    from bench.gate.record import baseline_of
    from bench.gate.rules import parse_options

    frame = clean.copy()
    frame["psnr"] = math.inf
    file = tmp_path / "lossless.json"
    write_baseline(baseline_of(leave(tmp_path / "was", frame)), file)
    assert read_baseline(file).cells[0].values[0] == math.inf
    limits = [parse_options(["bd_rate.psnr=off", "worst_image.psnr=off", "bytes=0"])]
    assert check(tmp_path / "was", file, limits).exit_code == 0
    frame.loc[at(frame, "jpeg", 90, "crop01.png"), "psnr"] = 60.0
    assert check(leave(tmp_path / "now", frame), file, limits).exit_code == 1
    # Without a curve there is no BD-rate: the default rules say so rather than pass.
    assert check(tmp_path / "was", file).exit_code == 2


def test_other_order_more_workers_another_machine_and_other_names_pass(gate, clean):
    shuffled = clean.sample(frac=1, random_state=3).reset_index(drop=True)
    shuffled["image"] = shuffled["image"].str.replace("crop", "again")
    machine = {"processor": "B", "architecture": "aarch64", "cores": 64}
    verdict = gate(shuffled, "exact=true", "bytes=0", machine=machine, jobs=16)
    assert verdict.exit_code == 0
    assert "another machine: A in the baseline, B now" in verdict.notes


def test_noise_in_single_times_passes(gate, clean):
    frame = clean.copy()
    noise = np.random.default_rng(1).lognormal(0, 0.5, (len(frame), 2))
    frame[["encode_s", "decode_s"]] *= noise
    assert gate(frame).exit_code == 0


def test_more_codecs_and_images_than_the_baseline_has_pass_and_are_told(gate, clean, crops):
    extra = clean[at(clean, "jpeg")].assign(codec="new")
    other = clean[clean["image"] == "crop01.png"].assign(image="x.png", image_sha256="e" * 64)
    verdict = gate(pd.concat([clean, extra, other]))
    assert verdict.exit_code == 0
    assert "not in the baseline, so not gated: new" in verdict.notes
    assert "1 image of the run is not in the baseline, so not gated" in verdict.notes


def test_a_better_codec_is_told_and_passes(gate, clean):
    frame = clean.copy()
    mask = at(frame, "jpeg")
    frame["bytes"] = frame["bytes"].astype(float)
    frame.loc[mask, "bytes"] = (frame.loc[mask, "bytes"] * 0.97).round()
    verdict = gate(frame)
    assert verdict.exit_code == 0
    assert verdict.outcome is Outcome.BETTER
    best = [f for f in verdict.findings if f.outcome is Outcome.BETTER]
    assert {f.rule_name for f in best} == {"bd_rate.psnr", "worst_image.psnr"}

"""The rules on time: a slower codec is seen through noise, noise alone is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gating import leave

from bench.gate.baseline import write_baseline
from bench.gate.check import check
from bench.gate.record import baseline_of
from bench.gate.rules import parse_options
from bench.gate.verdict import Outcome, Verdict

REPEATS = 8
TIMING = {"repeats": REPEATS, "warmup": 1, "threads": 1}


def timed(
    folder: Path, clean: pd.DataFrame, seed: int, *, slower: float = 1, machine: float = 1,
    repeats: int = REPEATS, only: int | None = None,
) -> Path:  # fmt: skip
    """Leave a run of the timing mode: jpeg is the yardstick, mine is made of webp's rows, and its
    decoding takes `slower` times as long (at the setting `only`). In each round the machine runs at
    a pace of its own, each time has noise of its own, and now and then one is far out.
    """
    noise = np.random.default_rng(seed)
    names = {"jpeg": "jpeg", "webp": "mine"}
    frame = clean[clean["codec"].isin(names)].copy()
    frame["codec"] = frame["codec"].map(names)
    rows = []
    for image, cells in frame.groupby("image"):
        for repeat in range(1, repeats + 1):
            pace = machine * noise.lognormal(0, 0.15)
            for codec, quality in zip(cells["codec"], cells["quality"], strict=True):
                base = 0.004 if codec == "mine" else 0.002
                late = slower if codec == "mine" and only in (None, quality) else 1
                encode, decode = noise.lognormal(0, 0.05, 2) + (noise.random(2) < 0.05)
                rows.append(
                    (codec, quality, image, repeat, 3 * base * pace * encode,
                     base * pace * decode * late)
                )  # fmt: skip
    columns = ["codec", "quality", "image", "repeat", "encode_s", "decode_s"]
    leave(folder, frame, timing=TIMING)
    pd.DataFrame(rows, columns=columns).to_csv(folder / "times.csv", index=False)
    return folder


LIMITS = ["mine:decode_ratio=1.1", "mine:encode_ratio=1.1", "mine:yardstick=jpeg"]


@pytest.fixture
def judge(clean, tmp_path):
    """Judges a timed run: ``judge(seed=…, slower=…)`` against a baseline of seed 0."""
    file = tmp_path / "timed.json"
    write_baseline(baseline_of(timed(tmp_path / "was", clean, 0)), file)

    def judge(*extra: str, seed: int = 1, **planted: float) -> Verdict:
        run = timed(tmp_path / "now", clean, seed, **planted)
        return check(run, file, [parse_options([*LIMITS, *extra])])

    return judge


def test_decoding_slowed_by_30_percent_is_caught_and_named(judge):
    verdict = judge(slower=1.3)
    assert verdict.exit_code == 1
    assert {(f.codec, f.rule) for f in verdict.offending} == {("mine", "decode_ratio")}
    assert {f.setting for f in verdict.offending} == {20, 40, 60, 75, 90}
    assert all(f.p < 0.001 and f.change > 1.1 for f in verdict.offending)
    assert "after correction for 20 cells" in verdict.offending[0].message


def test_decoding_slowed_at_one_setting_is_caught_there_and_nowhere_else(judge):
    # Four cells of forty: eight repeats are few for that, so more false alarms are allowed.
    verdict = judge("mine:alpha=0.01", slower=1.5, only=60)
    assert {(f.rule, f.setting) for f in verdict.offending} == {("decode_ratio", 60)}


@pytest.mark.parametrize("seed", range(2, 12))
def test_noise_is_no_alarm(judge, seed):
    verdict = judge(seed=seed)
    assert verdict.outcome is Outcome.PASS
    assert {f.rule for f in verdict.findings} >= {"encode_ratio", "decode_ratio"}


def test_a_machine_of_half_the_speed_is_no_alarm_and_hides_none(judge):
    assert judge(machine=2).exit_code == 0
    assert judge(machine=2, slower=1.3).exit_code == 1


def test_a_rise_must_exceed_the_ratio_and_the_milliseconds(judge):
    # 30 % of 4 ms are 1.2 ms.
    assert judge("mine:decode_ms=0.5", slower=1.3).exit_code == 1
    assert judge("mine:decode_ms=5", slower=1.3).exit_code == 0


def test_milliseconds_alone_are_a_limit(judge):
    verdict = judge("mine:decode_ratio=off", "mine:decode_ms=0.3", slower=1.3)
    assert {f.rule for f in verdict.offending} == {"decode_ms"}
    assert verdict.offending[0].unit == "ms"


def test_too_few_repeats_are_undecidable(judge):
    verdict = judge(repeats=5)
    assert verdict.exit_code == 2
    assert "5 repeats are too few" in verdict.offending[0].message


def test_a_run_outside_the_timing_mode_is_undecidable(clean, baseline, run):
    verdict = check(run, baseline, [parse_options(["decode_ratio=1.1", "yardstick=jpeg"])])
    assert verdict.exit_code == 2
    assert {f.rule for f in verdict.offending} == {"times"}
    assert "bench run --timing" in verdict.offending[0].message


def test_a_baseline_without_times_is_undecidable_for_a_yardstick(clean, baseline, tmp_path):
    run = leave(tmp_path / "now", clean, timing=TIMING)
    times = [
        (codec, quality, image, repeat, 0.01, 0.01)
        for codec, quality, image in zip(
            clean["codec"], clean["quality"], clean["image"], strict=True
        )
        for repeat in range(REPEATS)
    ]
    columns = ["codec", "quality", "image", "repeat", "encode_s", "decode_s"]
    pd.DataFrame(times, columns=columns).to_csv(run / "times.csv", index=False)
    verdict = check(run, baseline, [parse_options(["decode_ratio=1.1", "yardstick=jpeg"])])
    assert verdict.exit_code == 2
    assert "the baseline holds no times" in verdict.offending[0].message
    # The previous build in the same run needs none.
    rules = ["webp:decode_ratio=1.1", "webp:predecessor=jpeg"]
    assert check(run, baseline, [parse_options(rules)]).exit_code == 0


def test_a_yardstick_that_is_not_in_the_run_is_undecidable(judge):
    verdict = judge("mine:yardstick=gauge")
    assert verdict.exit_code == 2
    assert "no times of gauge" in verdict.offending[0].message


def test_the_correction_is_that_of_benjamini_and_hochberg_on_mann_whitney():
    """One cell of eight repeats, all slower: 1/C(16,8), by counting; two cells double it."""
    from bench.gate.rules import limits_for
    from bench.gate.speed import Sample, p_values

    limits = limits_for("x", [parse_options(["decode_ratio=1", "yardstick=y"])])
    slow = Sample("decode", 1, "a", np.arange(9.0, 17), np.arange(1.0, 9))
    same = Sample("decode", 1, "b", np.arange(1.0, 9), np.arange(9.0, 17))
    assert p_values([slow], limits)[0] == pytest.approx(1 / 12870)
    assert p_values([slow, same], limits) == pytest.approx([2 / 12870, 1])
    assert p_values([slow, slow], limits) == pytest.approx([1 / 12870, 1 / 12870])

"""`bench.run` from the outside: what a run leaves behind and what it survives."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

import bench
from bench import registry
from bench.engine.folder import RunFolder
from bench.errors import BenchError, RunError, SchemaError, UsageError
from bench.registry import read_file


def only(planted: Path, *names: str) -> list:
    """Return the cards of some of the planted codecs."""
    return [card for card in read_file(planted) if card.name in names]


def run(codecs, crops, tmp_path, **options):
    """Run with PSNR alone unless told otherwise, into a folder of the test's."""
    options = {"metrics": "psnr", "out": tmp_path / "run", "jobs": 2} | options
    return bench.run(codecs, crops, **options)


def test_a_run_measures_every_codec_at_every_setting_on_every_image(planted, crops, tmp_path):
    finished = run([*only(planted, "works"), "jpeg"], crops, tmp_path, quality={"jpeg": [10, 90]})
    results = pd.read_csv(tmp_path / "run" / "results.csv")
    assert len(results) == 6 * (3 + 2)
    assert set(results["status"]) == {"ok"}
    assert list(results["codec"].unique()) == ["works", "jpeg"]
    assert finished.info["cells"] == {
        "total": 30, "cached": 0, "scored": 0, "measured": 30, "failed": 0,
    }  # fmt: skip


def test_rate_and_psnr_are_those_of_the_bitstream(crops, tmp_path):
    finished = run("jpeg", crops, tmp_path, quality=[40])
    row = finished.results[finished.results["image"] == "crop13.png"].iloc[0]
    original = np.asarray(Image.open(crops / "crop13.png"))
    from io import BytesIO

    file = BytesIO()
    card = registry.codecs().get("jpeg")
    Image.fromarray(original).save(file, "JPEG", quality=40, **card.options["save"])
    assert row["bytes"] == len(file.getvalue())
    assert row["bpp"] == pytest.approx(8 * len(file.getvalue()) / (96 * 64), abs=0)
    decoded = np.asarray(Image.open(file))
    oracle = peak_signal_noise_ratio(original, decoded, data_range=255)
    assert row["psnr"] == pytest.approx(oracle, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "failing", "reason"),
    [
        ("raises", 6, "ZeroDivisionError: no such luck"),
        ("exits", 18, "SystemExit: had enough"),
        ("hangs", 6, "took longer than 2 s"),
        ("crashes", 6, "SIGSEGV"),
        ("vanishes", 18, "exit code 7"),
        ("shrinks", 18, "96×63 pixels for an image of 96×64"),
        ("returns-text", 18, "must return bytes, not str"),
        ("returns-nothing", 18, "no bytes"),
        ("draws", 18, "read-only"),
    ],
)
def test_a_codec_that_breaks_is_recorded_and_the_rest_finishes(
    name, failing, reason, planted, crops, tmp_path
):
    finished = run(only(planted, name, "works"), crops, tmp_path)
    results = finished.results
    failed = results[results["status"] == "failed"]
    assert set(failed["codec"]) == {name}
    assert len(failed) == failing == finished.failed
    assert failed["error"].str.contains(reason, regex=False).all()
    assert failed["bpp"].isna().all()
    assert failed["psnr"].isna().all()
    assert len(results) == 36


def test_a_codec_that_prints_rubbish_does_not_disturb_the_run(planted, crops, tmp_path):
    assert run(only(planted, "prints"), crops, tmp_path).failed == 0


def test_a_failed_cell_is_tried_again_the_next_time(planted, crops, tmp_path):
    assert run(only(planted, "raises"), crops, tmp_path).info["cells"]["measured"] == 12
    again = run(only(planted, "raises"), crops, tmp_path).info["cells"]
    assert (again["cached"], again["measured"], again["failed"]) == (12, 0, 6)


def test_a_second_run_takes_everything_from_the_cache(planted, crops, tmp_path, monkeypatch):
    monkeypatch.setenv("COUNT_FILE", str(tmp_path / "encoded"))
    first = run(only(planted, "works"), crops, tmp_path)
    encoded = (tmp_path / "encoded").read_text()
    second = run(only(planted, "works"), crops, tmp_path, out=tmp_path / "again")
    assert (tmp_path / "encoded").read_text() == encoded
    assert second.info["cells"]["cached"] == 18
    text = [(tmp_path / name / "results.csv").read_text() for name in ("run", "again")]
    assert text[0] == text[1]
    pd.testing.assert_frame_equal(first.results, second.results)


def test_without_the_cache_everything_is_measured_afresh(planted, crops, tmp_path):
    run(only(planted, "works"), crops, tmp_path)
    afresh = run(only(planted, "works"), crops, tmp_path, cache=False)
    assert afresh.info["cells"]["measured"] == 18
    assert not (tmp_path / "run" / ".store").exists()


def test_a_metric_added_later_is_computed_from_the_kept_bitstreams(
    planted, crops, tmp_path, monkeypatch
):
    monkeypatch.setenv("COUNT_FILE", str(tmp_path / "encoded"))
    cards = only(planted, "works")
    run(cards, crops, tmp_path)
    before = (tmp_path / "encoded").read_text()
    later = run(cards, crops, tmp_path, metrics="psnr,ssim", out=tmp_path / "later")
    assert later.info["cells"]["scored"] == 18
    assert (tmp_path / "encoded").read_text() == before
    direct = run(cards, crops, tmp_path, metrics="psnr,ssim", out=tmp_path / "d", cache=False)
    times = ["encode_s", "decode_s"]
    pd.testing.assert_frame_equal(
        later.results.drop(columns=times), direct.results.drop(columns=times)
    )


def test_a_lost_or_damaged_bitstream_is_made_again(planted, crops, tmp_path):
    cards = only(planted, "works")
    run(cards, crops, tmp_path)
    from bench import paths

    blobs = [p for p in (paths.cache_dir() / "blobs").rglob("*") if p.is_file()]
    blobs[0].unlink()
    blobs[1].write_bytes(blobs[1].read_bytes()[:-1])
    later = run(cards, crops, tmp_path, metrics="psnr,ssim", out=tmp_path / "later")
    assert later.info["cells"]["scored"] == 16
    assert later.info["cells"]["measured"] == 2
    assert later.results[["psnr", "ssim"]].notna().all(axis=None)


def test_workers_and_their_number_do_not_change_a_row(planted, crops, tmp_path):
    frames = [
        run([*only(planted, "works"), "jpeg", "webp"], crops, tmp_path, jobs=jobs, cache=False,
            out=tmp_path / str(jobs), metrics="psnr,ssim").results
        for jobs in (0, 1, 3)
    ]  # fmt: skip
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(
            frame.drop(columns=["encode_s", "decode_s"]),
            frames[0].drop(columns=["encode_s", "decode_s"]),
        )


def test_an_image_that_cannot_be_read_fails_alone(planted, crops, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    whole = (crops / "crop01.png").read_bytes()
    (folder / "a.png").write_bytes(whole)
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    finished = run(only(planted, "works"), folder, tmp_path)
    failed = finished.results[finished.results["status"] == "failed"]
    assert set(failed["image"]) == {"cut.png"}
    assert finished.failed == 3
    assert failed["error"].str.contains("cut.png").all()


def test_identical_pixels_under_two_names_are_measured_once(planted, crops, tmp_path):
    folder = tmp_path / "twins"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes((crops / "crop05.png").read_bytes())
    run(only(planted, "works"), folder, tmp_path, images=1)
    both = run(only(planted, "works"), folder, tmp_path, out=tmp_path / "both")
    assert both.info["cells"]["cached"] == 6


def test_a_lossless_setting_has_infinite_psnr_in_the_file(planted, crops, tmp_path):
    card = only(planted, "works")[0]
    ladder = card.quality.model_copy(update={"ladder": (8,), "range": (1, 8)})
    run([card.model_copy(update={"quality": ladder})], crops, tmp_path)
    text = (tmp_path / "run" / "results.csv").read_text()
    assert ",inf," in text
    assert math.isinf(pd.read_csv(tmp_path / "run" / "results.csv")["psnr"].iloc[0])


def test_a_folder_of_another_plan_is_refused(planted, crops, tmp_path):
    run(only(planted, "works"), crops, tmp_path)
    with pytest.raises(RunError, match="another plan"):
        run(only(planted, "works"), crops, tmp_path, quality=[2])
    with pytest.raises(RunError, match="no run"):
        run(only(planted, "works"), crops, tmp_path, out=crops)


def test_a_folder_in_use_is_refused(planted, crops, tmp_path):
    run(only(planted, "works"), crops, tmp_path)
    from filelock import FileLock

    with FileLock(tmp_path / "run" / ".lock"), pytest.raises(RunError, match="another run"):
        run(only(planted, "works"), crops, tmp_path)


def test_a_run_of_another_schema_is_refused(planted, crops, tmp_path):
    run(only(planted, "works"), crops, tmp_path)
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps(info | {"schema": 99}))
    with pytest.raises(SchemaError, match="99"):
        RunFolder(tmp_path / "run").info()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": [101]}, "outside"),
        ({"quality": [50.5]}, "whole number"),
        ({"quality": {"webp": [50]}}, "no codec of this run"),
        ({"jobs": -1}, "negative"),
        ({"repeats": 0}, "at least once"),
        ({"repeats": 2, "jobs": 4}, "one worker"),
        ({"threads": 2}, "timing mode"),
        ({"timeout": 0}, "positive"),
        ({"metrics": "pnsr"}, "did you mean psnr"),
        ({"codecs": "jpg"}, "did you mean jpeg"),
        ({"out": "/proc/nothing"}, "can't write"),
    ],
)
def test_a_wrong_request_is_refused_before_any_work(options, message, crops, tmp_path):
    codecs = options.pop("codecs", "jpeg")
    with pytest.raises(BenchError, match=message):
        run(codecs, crops, tmp_path, **options)
    assert not (tmp_path / "run").exists()


def test_the_timing_mode_leaves_a_row_per_repeat_and_reads_no_cache(planted, crops, tmp_path):
    cards = only(planted, "works", "raises")
    run(cards, crops, tmp_path, images=2)
    timed = run(cards, crops, tmp_path, images=2, repeats=3, jobs=1, out=tmp_path / "timed")
    times = pd.read_csv(tmp_path / "timed" / "times.csv")
    assert len(times) == 2 * (3 + 2) * 3
    assert (times[["encode_s", "decode_s"]] > 0).all(axis=None)
    cells = times.groupby(["codec", "quality", "image"])["encode_s"].median()
    rows = timed.results.set_index(["codec", "quality", "image"])["encode_s"].dropna()
    pd.testing.assert_series_equal(rows.sort_index(), cells.sort_index())
    assert timed.info["timing"] == {"repeats": 3, "warmup": 1, "threads": 1}
    assert timed.info["cells"]["measured"] == 10
    assert timed.failed == 2


def test_timing_in_two_processes_is_refused_by_name():
    with pytest.raises(UsageError, match="one worker"):
        bench.run("jpeg", "kodak", repeats=2, jobs=2)

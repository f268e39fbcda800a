"""CompressAI's JSON: its own published files are read, what is no such file is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.foreign import import_file, imported, imported_curve, read_foreign
from bench.errors import UnknownNameError, UsageError

GOOD = {
    "name": "Their Codec v2",
    "results": {"bpp": [0.4, 0.1, 0.2, 0.8], "psnr": [34, 28, 31, 37]},
}


def _write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_all_of_their_published_files_are_read(shared: Path) -> None:
    files = sorted((shared / "published" / "compressai").rglob("*.json"))
    assert len(files) == 60
    for file in files:
        results = json.loads(file.read_text())["results"]
        curve = read_foreign(file)
        np.testing.assert_array_equal(curve.rate, results["bpp"])
        if "psnr-rgb" in results:
            np.testing.assert_array_equal(curve.values["psnr"], results["psnr-rgb"])
        if "ms-ssim-rgb" in results:
            np.testing.assert_array_equal(curve.values["ms-ssim"], results["ms-ssim-rgb"])
        elif "ms-ssim-db-rgb" in results:
            decibels = curve.curve("ms-ssim").scaled
            np.testing.assert_allclose(decibels, sorted(results["ms-ssim-db-rgb"]))


def test_the_older_names_of_metrics_are_known(tmp_path: Path) -> None:
    curve = read_foreign(_write(tmp_path / "a.json", GOOD)).curve("psnr")
    assert (curve.codec, curve.origin) == ("Their Codec v2", "imported")
    assert list(curve.rate) == [0.1, 0.2, 0.4, 0.8]
    assert list(curve.quality) == [28, 31, 34, 37]
    assert curve.note == "the file does not say which images it is over"


def test_a_curve_without_the_metric_says_what_it_has(tmp_path: Path) -> None:
    curve = read_foreign(_write(tmp_path / "a.json", GOOD))
    with pytest.raises(UsageError, match="Their Codec v2 has no ms-ssim; it has: psnr"):
        curve.curve("ms-ssim")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([1, 2], "an object was expected"),
        ({"results": {"psnr": [1]}}, "results.bpp is missing"),
        ({"results": {"bpp": "0.1", "psnr": [1]}}, "results.bpp: a list of numbers"),
        ({"results": {"bpp": [0.1, True], "psnr": [1, 2]}}, "results.bpp: a list of numbers"),
        ({"results": {"bpp": [0.1, -1], "psnr": [1, 2]}}, "numbers above 0"),
        ({"results": {"bpp": [], "psnr": []}}, "results.bpp: a list of numbers"),
        ({"results": {"bpp": [0.1, 0.2], "psnr": [1]}}, "2 numbers were expected, as for bpp"),
        ({"results": {"bpp": [0.1, 0.2], "psnr": [1, None]}}, "results.psnr: a list of numbers"),
        ({"results": {"bpp": [0.1, 0.2], "psnr": [1, float("nan")]}}, "without gaps"),
        ({"results": {"bpp": [0.1, 0.2], "vmaf": [1, 2]}}, "no metric that is known here"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_foreign(_write(tmp_path / "bad.json", document))


def test_a_file_that_is_missing_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no .*none\.json"):
        read_foreign(tmp_path / "none.json")
    (tmp_path / "cut.json").write_text('{"results": {')
    with pytest.raises(UsageError, match="is no JSON"):
        read_foreign(tmp_path / "cut.json")


def test_an_imported_curve_is_kept_under_a_plain_name(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.json", GOOD)
    assert import_file(file) == "their-codec-v2"
    assert import_file(file) == "their-codec-v2"
    file.unlink()
    assert list(imported()) == ["their-codec-v2"]
    curve = imported_curve("imported:their-codec-v2", "psnr")
    assert (curve.codec, len(curve.rate)) == ("imported:their-codec-v2", 4)


def test_another_curve_does_not_take_a_name_unasked(tmp_path: Path) -> None:
    import_file(_write(tmp_path / "a.json", GOOD), "mine")
    other = _write(tmp_path / "b.json", {**GOOD, "name": "other"})
    with pytest.raises(UsageError, match="imported:mine is another curve"):
        import_file(other, "mine")
    assert import_file(other, "mine", replace=True) == "mine"
    assert read_foreign(imported()["mine"]).name == "other"


@pytest.mark.parametrize("name", ["../x", "A b", ".hidden", "a/b"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name"):
        import_file(_write(tmp_path / "a.json", GOOD), name)


def test_an_unknown_imported_curve_is_refused(tmp_path: Path) -> None:
    import_file(_write(tmp_path / "a.json", GOOD), "mine")
    with pytest.raises(UnknownNameError, match="no imported curve is called 'mein'; did you mean"):
        imported_curve("mein", "psnr")

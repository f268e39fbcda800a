"""Reading a run: what is there is checked, what can't be vouched for is refused by name."""

from __future__ import annotations

import json
import math
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from bench.analysis.results import read_results, results_of
from bench.errors import RunError, SchemaError, UsageError


def _edit(folder: Path, old: str, new: str, count: int = 1) -> None:
    file = folder / "results.csv"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, count))


def test_what_was_written_comes_back_to_the_last_digit(
    run_folder: Path, measured_cells: pd.DataFrame
) -> None:
    results = read_results(run_folder)
    pd.testing.assert_frame_equal(results.frame, measured_cells, check_exact=True)
    assert results.metrics == ("psnr", "ssim")
    assert (results.codecs, results.datasets, results.name) == (
        ("jpeg", "webp"),
        ("crops",),
        "small",
    )


def test_the_file_itself_can_be_named(run_folder: Path) -> None:
    assert len(read_results(run_folder / "results.csv").frame) == 60


def test_infinite_values_and_names_that_look_like_missing_ones_are_kept(run_folder: Path) -> None:
    first = read_results(run_folder).frame["psnr"].iloc[0]
    _edit(run_folder, repr(float(first)), "inf")
    _edit(run_folder, "kodim01.png", "NA", count=1000)
    frame = read_results(run_folder).frame
    assert frame["psnr"].iloc[0] == math.inf
    assert "NA" in set(frame["image"])


def test_a_metric_is_called_as_run_json_calls_it(run_folder: Path) -> None:
    text = (run_folder / "results.csv").read_text()
    (run_folder / "results.csv").write_text(text.replace("ssim", "my_own_score", 1))
    assert read_results(run_folder).metrics == ("psnr", "my-own-score")
    (run_folder / "run.json").write_text('{"schema": 1, "metrics": {"my_own-score": "1"}}')
    assert read_results(run_folder).metrics == ("psnr", "my_own-score")


def test_a_file_without_a_row_is_a_run_that_measured_nothing(run_folder: Path) -> None:
    file = run_folder / "results.csv"
    file.write_text(file.read_text().splitlines()[0] + "\n")
    results = read_results(run_folder)
    assert (len(results.frame), results.codecs) == (0, ())
    assert results.metrics == ("psnr", "ssim")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"codec,quality\njpeg", "is cut"),
        (b"codec,quality\njpeg,5\n", "no results.csv of bench: the columns codec_id, dataset"),
        (b'codec,"quality\njpeg,5\n', "is no CSV file"),
        (b"\xff\xfecodec\nx\n", "no CSV file in UTF-8"),
    ],
)
def test_a_file_that_no_run_left_behind_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "results.csv").write_bytes(content)
    with pytest.raises(RunError, match=message):
        read_results(tmp_path)


def test_a_folder_without_results_says_how_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no .*results\.csv; .* `bench run --out DIR`"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",ok,", ",o", "line 2, column status: 'o' is neither ok nor failed"),
        (",ok,", ",fine,", "line 2, column status: 'fine' is neither ok nor failed"),
        (
            ",5.0,crops,",
            ",five,crops,",
            "line 2, column quality: 'five'",
        ),
    ],
)
def test_a_damaged_row_is_named_by_its_line(
    run_folder: Path, old: str, new: str, message: str
) -> None:
    _edit(run_folder, old, new)
    with pytest.raises(RunError, match=message):
        read_results(run_folder)


def test_bytes_that_are_no_text_are_refused(run_folder: Path) -> None:
    file = run_folder / "results.csv"
    file.write_bytes(file.read_bytes().replace(b"kodim03", b"kod\xffim03"))
    with pytest.raises(RunError, match="is no CSV file in UTF-8"):
        read_results(run_folder)


def test_a_cell_that_occurs_twice_is_refused(run_folder: Path) -> None:
    file = run_folder / "results.csv"
    file.write_text(file.read_text() + file.read_text().splitlines()[3] + "\n")
    with pytest.raises(RunError, match=r"line 62: jpeg at 5 on kodim03.png occurs twice"):
        read_results(run_folder)


def test_a_cell_that_worked_without_bytes_is_refused(
    measured_cells: pd.DataFrame, tmp_path: Path
) -> None:
    cells = measured_cells.assign(bpp=measured_cells["bpp"].where(measured_cells.index != 7, 0.0))
    cells.to_csv(tmp_path / "results.csv", index=False)
    with pytest.raises(RunError, match="line 9: a cell that is ok has no bpp above 0"):
        read_results(tmp_path)


def test_a_file_that_lost_whole_rows_is_noticed(run_folder: Path) -> None:
    file, info = run_folder / "results.csv", run_folder / "run.json"
    described = json.loads(info.read_text())
    info.write_text(
        json.dumps({**described, "results_sha256": sha256(file.read_bytes()).hexdigest()})
    )
    assert len(read_results(run_folder).frame) == 60
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(RunError, match=r"is not the file that run\.json was written with"):
        read_results(run_folder)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('{"schema": 2}', SchemaError, "schema 2 is not read by this version"),
        ('{"schema": 1', RunError, "is no JSON"),
        ("[]", RunError, "is no run.json of bench"),
        ('{"schema": 1, "metrics": ["psnr"]}', RunError, "metrics: a mapping"),
    ],
)
def test_a_run_json_of_another_kind_is_refused(
    run_folder: Path, text: str, error: type[Exception], message: str
) -> None:
    (run_folder / "run.json").write_text(text)
    with pytest.raises(error, match=message):
        read_results(run_folder)


def test_one_data_set_of_several_can_be_taken(measured_cells: pd.DataFrame) -> None:
    other = measured_cells.assign(dataset="others")
    results = results_of(pd.concat([measured_cells, other], ignore_index=True))
    assert results.datasets == ("crops", "others")
    assert set(results.only("others").frame["dataset"]) == {"others"}
    with pytest.raises(UsageError, match="holds no data set 'third'; it holds: crops, others"):
        results.only("third")

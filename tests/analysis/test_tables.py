"""The tables of a run."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.analysis.compare import Comparer
from bench.analysis.curves import image_curves, rd_curves
from bench.analysis.results import Results, results_of
from bench.analysis.tables import (
    COLUMNS,
    bd_table,
    default_anchor,
    point_table,
    write_bd_csv,
)
from bench.errors import UnknownNameError, UsageError


@pytest.fixture
def results(measured_cells: pd.DataFrame) -> Results:
    return results_of(measured_cells.copy())


def test_there_is_a_row_for_every_metric_and_codec_but_the_anchor(results: Results) -> None:
    table = bd_table(results)
    assert tuple(table.columns) == COLUMNS
    assert list(zip(table["metric"], table["codec"], table["anchor"], strict=True)) == [
        ("psnr", "webp", "jpeg"),
        ("ssim", "webp", "jpeg"),
    ]
    curves = image_curves(results, "psnr")
    comparison = Comparer(curves["jpeg"]).compare(curves["webp"])
    row = table.iloc[0]
    assert row["bd_rate"] == comparison.bd.bd_rate
    assert (row["ci_low"], row["ci_high"]) == comparison.interval
    assert (row["range_low"], row["range_high"]) == comparison.bd.range
    assert (row["image_n"], row["n_images"], row["n_points"]) == (5, 5, 6)


def test_the_anchor_can_be_chosen_and_the_metrics(results: Results) -> None:
    table = bd_table(results, anchor="webp", metrics=["psnr"])
    there = bd_table(results, metrics=["psnr"])["bd_rate"].iloc[0]
    assert list(table["codec"]) == ["jpeg"]
    assert (1 + table["bd_rate"].iloc[0] / 100) * (1 + there / 100) == pytest.approx(1)


def test_jpeg_is_the_anchor_where_present_else_the_first_codec() -> None:
    assert default_anchor(["webp", "jpeg"]) == "jpeg"
    assert default_anchor(["webp", "avif"]) == "webp"
    assert default_anchor([]) == ""


def test_an_unknown_anchor_or_metric_is_refused(results: Results) -> None:
    with pytest.raises(UnknownNameError, match=r"no codec of this run is called 'jpg'; .* jpeg"):
        bd_table(results, anchor="jpg")
    with pytest.raises(UsageError, match="lpips was not measured"):
        bd_table(results, metrics=["lpips"])


def test_a_metric_of_a_plug_in_that_is_gone_is_warned_about(
    measured_cells: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    results = results_of(measured_cells.rename(columns={"ssim": "their_score"}))
    with caplog.at_level(logging.WARNING, "bench"):
        table = bd_table(results)
    assert set(table["metric"]) == {"psnr"}
    assert "the metric their-score is left out" in caplog.text


def test_runs_of_one_codec_or_none_give_an_empty_table(measured_cells: pd.DataFrame) -> None:
    alone = measured_cells[measured_cells["codec"] == "jpeg"].reset_index(drop=True)
    for cells in (alone, measured_cells.iloc[:0]):
        table = bd_table(results_of(cells))
        assert (len(table), tuple(table.columns)) == (0, COLUMNS)


def test_a_codec_that_failed_is_in_the_table_with_its_reason(measured_cells: pd.DataFrame) -> None:
    cells = measured_cells.copy()
    failed = cells["codec"] == "webp"
    cells.loc[failed, ["bpp", "psnr", "ssim"]] = np.nan
    cells.loc[failed, "status"] = "failed"
    row = bd_table(results_of(cells)).iloc[0]
    assert np.isnan(row["bd_rate"])
    assert row["reason"].startswith("webp: without 5 of 5 images")


def test_every_data_set_has_rows_of_its_own(measured_cells: pd.DataFrame) -> None:
    other = measured_cells[measured_cells["codec"] == "webp"].assign(dataset="webp only")
    third = measured_cells.assign(dataset="third")
    table = bd_table(results_of(pd.concat([measured_cells, other, third], ignore_index=True)))
    assert list(table["dataset"].unique()) == ["crops", "third"]
    assert table["bd_rate"].iloc[0] == table["bd_rate"].iloc[2]


def test_the_file_is_the_same_whenever_it_is_written(results: Results, tmp_path: Path) -> None:
    write_bd_csv(bd_table(results), tmp_path / "a.csv")
    write_bd_csv(bd_table(results), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    back = pd.read_csv(tmp_path / "a.csv")
    assert back["bd_rate"].to_numpy() == pytest.approx(bd_table(results)["bd_rate"], rel=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_the_points_are_those_of_the_curves(results: Results, measured_cells: pd.DataFrame) -> None:
    points = point_table(results)
    jpeg = points[points["codec"] == "jpeg"]
    curve = rd_curves(results, "psnr")[0]
    assert jpeg["psnr"].to_numpy() == pytest.approx(curve.quality)
    assert jpeg["bpp"].to_numpy() == pytest.approx(curve.rate)
    cells = measured_cells[(measured_cells["codec"] == "jpeg") & (measured_cells["quality"] == 5)]
    assert jpeg["decode_s"].iloc[0] == pytest.approx(cells["decode_s"].mean())
    assert set(points["n_images"]) == {5}


def test_all_columns_of_the_points_are_over_the_same_images(measured_cells: pd.DataFrame) -> None:
    cells = measured_cells.copy()
    cells.loc[cells["image"] == "kodim01.png", "ssim"] = np.nan
    points = point_table(results_of(cells))
    rest = cells[(cells["image"] != "kodim01.png") & (cells["codec"] == "webp")]
    webp = points[points["codec"] == "webp"]
    assert webp["psnr"].to_numpy() == pytest.approx(rest.groupby("quality")["psnr"].mean())
    assert set(points["n_images"]) == {4}


def test_a_metric_that_is_nowhere_defined_does_not_empty_the_points(
    measured_cells: pd.DataFrame,
) -> None:
    points = point_table(results_of(measured_cells.assign(ssim=np.nan)))
    assert "ssim" not in points
    assert len(points) == 12

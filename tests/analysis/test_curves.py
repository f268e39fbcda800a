"""Curves over a data set are means over the same images at every point."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from bench.analysis.curves import CellIndex, image_curves, rd_curves
from bench.analysis.results import Results, results_of
from bench.errors import UsageError


@pytest.fixture
def results(measured_cells: pd.DataFrame) -> Results:
    return results_of(measured_cells.copy())


def _failed(cells: pd.DataFrame, codec: str, quality: float, image: str = "") -> Results:
    """Return the results with a cell (or a setting on every image) that failed."""
    cells = cells.copy()
    where = (cells["codec"] == codec) & (cells["quality"] == quality)
    if image:
        where &= cells["image"] == image
    cells.loc[where, ["bytes", "bpp", "encode_s", "decode_s", "psnr", "ssim"]] = np.nan
    cells.loc[where, ["status", "error"]] = ["failed", "exit code 1"]
    return results_of(cells)


def test_a_point_is_the_mean_over_images_of_rate_and_quality(
    results: Results, measured_cells: pd.DataFrame
) -> None:
    jpeg, webp = rd_curves(results, "psnr")
    assert (jpeg.codec, webp.codec, jpeg.n_images) == ("jpeg", "webp", 5)
    cells = measured_cells[(measured_cells["codec"] == "jpeg") & (measured_cells["quality"] == 50)]
    point = list(jpeg.settings).index(50)
    assert jpeg.rate[point] == pytest.approx(sum(cells["bpp"]) / 5)
    assert jpeg.quality[point] == pytest.approx(sum(cells["psnr"]) / 5)
    assert (np.diff(jpeg.rate) > 0).all()
    assert jpeg.note == ""


def test_the_other_convention_is_the_psnr_of_the_mean_squared_error(
    results: Results, measured_cells: pd.DataFrame
) -> None:
    jpeg, _ = rd_curves(results, "psnr", convention="mse")
    cells = measured_cells[(measured_cells["codec"] == "jpeg") & (measured_cells["quality"] == 15)]
    errors = [255**2 / 10 ** (psnr / 10) for psnr in cells["psnr"]]
    expected = 10 * math.log10(255**2 / (sum(errors) / 5))
    assert jpeg.quality[list(jpeg.settings).index(15)] == pytest.approx(expected)
    with pytest.raises(UsageError, match="mean squared error says nothing about ssim"):
        rd_curves(results, "ssim", convention="mse")


def test_the_rows_order_does_not_matter(results: Results, measured_cells: pd.DataFrame) -> None:
    shuffled = measured_cells.sample(frac=1, random_state=1).reset_index(drop=True)
    other = {curve.codec: curve for curve in rd_curves(results_of(shuffled), "psnr")}
    for curve in rd_curves(results, "psnr"):
        np.testing.assert_array_equal(curve.quality, other[curve.codec].quality)


def test_an_image_that_failed_once_is_left_out_of_every_point(measured_cells: pd.DataFrame) -> None:
    jpeg, webp = rd_curves(_failed(measured_cells, "jpeg", 5, "kodim02.png"), "psnr")
    rest = measured_cells[
        (measured_cells["codec"] == "jpeg") & (measured_cells["image"] != "kodim02.png")
    ]
    expected = rest.groupby("quality")["psnr"].mean()
    assert jpeg.quality == pytest.approx([expected[setting] for setting in jpeg.settings])
    assert (jpeg.n_images, webp.n_images) == (4, 5)
    assert jpeg.note == "without 1 of 5 images (kodim02.png): a cell of theirs failed or is missing"


def test_where_a_cell_failed_the_metric_is_not_to_blame(measured_cells: pd.DataFrame) -> None:
    small = measured_cells["image"] == "kodim02.png"
    na = np.where(small, "psnr: the image is too small", "")
    cells = measured_cells.assign(psnr=measured_cells["psnr"].mask(small), na=na)
    mine = small & (cells["codec"] == "jpeg")
    cells.loc[mine, ["status", "na", "error"]] = ["failed", "", "crashed"]
    jpeg, webp = rd_curves(results_of(cells), "psnr")
    assert jpeg.note == "without 1 of 5 images (kodim02.png): a cell of theirs failed or is missing"
    assert webp.note == "without 1 of 5 images (kodim02.png): psnr: the image is too small"


def test_a_setting_that_failed_everywhere_is_no_point(measured_cells: pd.DataFrame) -> None:
    jpeg, _ = rd_curves(_failed(measured_cells, "jpeg", 90), "psnr")
    assert (list(jpeg.settings), jpeg.n_images) == ([5, 15, 30, 50, 75], 5)
    assert jpeg.note == "without the setting 90, which failed on every image"


def test_a_codec_of_which_nothing_worked_has_a_curve_that_says_so(
    measured_cells: pd.DataFrame,
) -> None:
    cells = measured_cells.copy()
    failed = cells["codec"] == "webp"
    cells.loc[failed, ["bpp", "psnr", "ssim"]] = np.nan
    cells.loc[failed, "status"] = "failed"
    _, webp = rd_curves(results_of(cells), "psnr")
    assert webp.n_images == 0
    assert np.isnan(webp.rate).all()
    assert "without 5 of 5 images" in webp.note


def test_why_a_metric_is_undefined_on_an_image_is_told(measured_cells: pd.DataFrame) -> None:
    cells = measured_cells.copy()
    small = cells["image"] == "kodim04.png"
    cells["ms_ssim"] = cells["ssim"].where(~small)
    cells["na"] = np.where(small, "psnr_y: other; ms_ssim: short side 120 px, needs 161", "")
    jpeg, _ = rd_curves(results_of(cells), "ms-ssim")
    assert jpeg.n_images == 4
    assert jpeg.note == (
        "without 1 of 5 images (kodim04.png): ms-ssim: short side 120 px, needs 161"
    )
    assert rd_curves(results_of(cells), "psnr")[0].n_images == 5


def test_a_cell_that_was_not_reached_counts_like_one_that_failed(
    measured_cells: pd.DataFrame,
) -> None:
    stopped = results_of(measured_cells.iloc[:-2].reset_index(drop=True))
    assert [curve.n_images for curve in rd_curves(stopped, "psnr")] == [5, 3]


def test_the_curve_of_one_image_is_its_cells(
    results: Results, measured_cells: pd.DataFrame
) -> None:
    curve = image_curves(results, "psnr")["webp"].of_image("kodim03.png")
    cells = measured_cells[
        (measured_cells["codec"] == "webp") & (measured_cells["image"] == "kodim03.png")
    ].sort_values("bpp")
    np.testing.assert_array_equal(curve.rate, cells["bpp"])
    np.testing.assert_array_equal(curve.quality, cells["psnr"])
    with pytest.raises(UsageError, match="holds no image 'other'"):
        image_curves(results, "psnr")["webp"].of_image("other")


def test_data_sets_are_kept_apart(measured_cells: pd.DataFrame) -> None:
    other = measured_cells.assign(dataset="others", psnr=measured_cells["psnr"] + 1)
    both = results_of(pd.concat([measured_cells, other], ignore_index=True))
    with pytest.raises(UsageError, match=r"several data sets \(crops, others\): name one"):
        rd_curves(both, "psnr")
    plain = rd_curves(results_of(measured_cells), "psnr")[0].quality
    assert rd_curves(both, "psnr", "others")[0].quality == pytest.approx(plain + 1)
    assert CellIndex.of(both, "crops").dataset == "crops"


def test_a_metric_that_was_not_measured_is_refused(results: Results) -> None:
    with pytest.raises(UsageError, match="lpips was not measured; measured: psnr, ssim"):
        rd_curves(results, "lpips")


def test_a_run_without_cells_says_that_nothing_was_measured(measured_cells: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="nothing was measured"):
        rd_curves(results_of(measured_cells.iloc[:0]), "psnr")

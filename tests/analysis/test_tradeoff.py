"""Fronts, targets, rankings and agreement of metrics."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.interpolate import PchipInterpolator

from bench.analysis.bd import bd
from bench.analysis.curves import image_curves, rd_curves
from bench.analysis.published import published_curve
from bench.analysis.results import Results, results_of
from bench.analysis.tradeoff import (
    best_and_worst,
    image_ranking,
    operating_points,
    pareto,
    quality_at,
    rank_correlation,
    rate_at,
)
from bench.errors import UnknownNameError


@pytest.fixture
def results(measured_cells: pd.DataFrame) -> Results:
    return results_of(measured_cells.copy())


def test_a_front_of_five_points_by_hand() -> None:
    costs = np.array([[1, 9], [2, 5], [3, 5], [4, 1], [4, math.nan]])
    assert list(pareto(costs)) == [True, True, False, True, False]


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(3)),
                  elements=st.integers(0, 3).map(float)))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_a_point_is_on_the_front_unless_another_beats_it(costs: np.ndarray) -> None:
    def beaten(point: np.ndarray) -> bool:
        return any(all(other <= point) and any(other < point) for other in costs)

    assert list(pareto(costs)) == [not beaten(point) for point in costs]


def test_webp_is_on_the_front_where_jpeg_is_not(results: Results) -> None:
    points = operating_points(results, "psnr")
    jpeg, webp = (points[points["codec"] == codec] for codec in ("jpeg", "webp"))
    assert webp["front"].all()
    assert not jpeg["front"].any()
    curve = rd_curves(results, "psnr")[1]
    assert list(webp["setting"]) == list(curve.settings)
    cells = results.frame[(results.frame["codec"] == "webp") & (results.frame["quality"] == 75)]
    at_75 = webp[webp["setting"] == 75].iloc[0]
    assert at_75["decode_s"] == pytest.approx(cells["decode_s"].mean())


def test_a_faster_decoder_is_on_the_front_of_three(measured_cells: pd.DataFrame) -> None:
    seconds = np.where(measured_cells["codec"] == "jpeg", 0.001, 0.01)
    points = operating_points(results_of(measured_cells.assign(decode_s=seconds)), "psnr")
    assert points["front_with_time"].all()


def test_values_between_points_are_those_of_scipys_pchip() -> None:
    vtm = published_curve("vtm", "psnr")
    expected = PchipInterpolator(np.log(vtm.rate), vtm.quality)(math.log(0.3))
    assert quality_at(vtm, 0.3).value == pytest.approx(float(expected))
    expected = math.exp(PchipInterpolator(vtm.quality, np.log(vtm.rate))(35.0))
    assert rate_at(vtm, 35).value == pytest.approx(expected)


def test_a_point_of_the_curve_is_met() -> None:
    vtm = published_curve("vtm", "ms-ssim")
    assert quality_at(vtm, float(vtm.rate[3])).value == pytest.approx(vtm.scaled[3])
    assert rate_at(vtm, float(vtm.scaled[-1])).value == pytest.approx(vtm.rate[-1])


def test_nothing_is_extrapolated() -> None:
    vtm = published_curve("vtm", "psnr")
    outside = rate_at(vtm, 60)
    assert math.isnan(outside.value)
    assert outside.reason == "published:vtm covers 26.14 … 46.59, not 60"
    assert quality_at(vtm, 10).reason == "published:vtm covers 0.04824 … 3.633 bpp, not 10 bpp"
    assert math.isnan(quality_at(vtm, 0).value)


def test_a_curve_that_is_none_has_no_value(results: Results) -> None:
    curve = image_curves(results, "psnr")["jpeg"].take(np.arange(0)).mean()
    assert "jpeg" in quality_at(curve, 0.5).reason


def test_images_are_ranked_by_what_a_codec_saves_on_them(results: Results) -> None:
    ranking = image_ranking(results, "psnr", "jpeg")
    curves = image_curves(results, "psnr")
    for row in ranking.itertuples():
        one = bd(*(curves[codec].of_image(str(row.image)) for codec in ("jpeg", "webp")))
        assert row.bd_rate == pytest.approx(one.bd_rate)
        assert row.bd_quality == pytest.approx(one.bd_quality)
    first = ranking.loc[ranking["bd_rate"].idxmin()]
    last = ranking.loc[ranking["bd_rate"].idxmax()]
    assert (first["rank"], last["rank"]) == (1, 5)
    extremes = best_and_worst(ranking).iloc[0]
    assert (extremes["codec"], extremes["best"], extremes["worst"]) == (
        "webp", first["image"], last["image"],
    )  # fmt: skip
    assert extremes["n_images"] == 5


def test_an_image_without_a_bd_rate_has_a_reason_and_no_rank(measured_cells: pd.DataFrame) -> None:
    cells = measured_cells.copy()
    cells.loc[(cells["image"] == "kodim03.png") & (cells["quality"] == 90), "psnr"] = math.inf
    ranking = image_ranking(results_of(cells), "psnr", "jpeg").set_index("image")
    assert ranking.loc["kodim03.png", "reason"] == "infinite quality at a setting (lossless)"
    assert math.isnan(ranking.loc["kodim03.png", "rank"])
    assert best_and_worst(ranking.reset_index())["n_images"].iloc[0] == 4


def test_an_unknown_anchor_is_refused(results: Results) -> None:
    with pytest.raises(UnknownNameError, match="did you mean jpeg"):
        image_ranking(results, "psnr", "jpg")


def test_agreement_of_metrics_is_scipys_averaged_over_images(measured_cells: pd.DataFrame) -> None:
    # LPIPS falls where quality rises: here exactly as the SSIM does, so the two agree fully.
    cells = measured_cells.assign(lpips=1 - measured_cells["ssim"])
    table = rank_correlation(results_of(cells)).set_index(["metric", "other"])
    each = [
        (stats.spearmanr(g["psnr"], g["ssim"])[0], stats.kendalltau(g["psnr"], g["ssim"])[0])
        for _, g in cells.groupby("image")
    ]
    spearman, kendall = np.mean(each, axis=0)
    row = table.loc[("psnr", "ssim")]
    assert (row["spearman"], row["kendall"]) == pytest.approx((spearman, kendall))
    assert row["n_images"] == 5
    agreed = table.loc[("ssim", "lpips")]
    assert (agreed["spearman"], agreed["kendall"]) == pytest.approx((1, 1))


def test_an_image_that_a_metric_can_not_judge_counts_for_the_others(
    measured_cells: pd.DataFrame,
) -> None:
    cells = measured_cells.assign(lpips=1 - measured_cells["ssim"])
    cells.loc[cells["image"] == "kodim02.png", "ssim"] = math.nan
    table = rank_correlation(results_of(cells)).set_index(["metric", "other"])["n_images"]
    assert (table[("psnr", "ssim")], table[("psnr", "lpips")]) == (4, 5)

"""Fronts, targets, rankings and agreement of metrics."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.interpolate import PchipInterpolator

from bench.analysis.curves import image_curves, rd_curves
from bench.analysis.published import published_curve
from bench.analysis.results import Results, results_of
from bench.analysis.tradeoff import (
    operating_points,
    pareto,
    quality_at,
    rate_at,
)


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

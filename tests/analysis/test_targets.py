"""Codecs read off at one rate, or at one quality."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import PchipInterpolator

from bench.analysis.bootstrap import Bootstrap
from bench.analysis.compare import Comparer
from bench.analysis.curves import ImageCurves, image_curves
from bench.analysis.published import published_curve
from bench.analysis.results import results_of
from bench.analysis.targets import Target, read_off
from bench.errors import UsageError


@pytest.fixture
def curves(measured_cells: pd.DataFrame) -> dict[str, ImageCurves]:
    return image_curves(results_of(measured_cells.copy()), "psnr")


def rate_by_scipy(rate: np.ndarray, quality: np.ndarray, wanted: float) -> float:
    return math.exp(PchipInterpolator(quality, np.log(rate))(wanted))


def test_rates_at_a_quality_and_their_interval_are_scipys(curves: dict[str, ImageCurves]) -> None:
    reading = read_off(Comparer(curves["jpeg"]), curves["webp"], Target(32, is_rate=False))
    jpeg, webp = (rate_by_scipy(c.rate.mean(0), c.quality.mean(0), 32) for c in curves.values())
    assert reading.value == pytest.approx(webp)
    assert reading.difference == pytest.approx(100 * (webp / jpeg - 1))
    drawn = [
        100 * (rate_by_scipy(w @ curves["webp"].rate, w @ curves["webp"].quality, 32)
               / rate_by_scipy(w @ curves["jpeg"].rate, w @ curves["jpeg"].quality, 32) - 1)
        for w in Bootstrap().curve_weights(5)
    ]  # fmt: skip
    assert reading.interval == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
    assert reading.n_images == 5


def test_quality_at_a_rate_lies_between_two_settings(curves: dict[str, ImageCurves]) -> None:
    curve = curves["webp"].mean()
    rate = float(curve.rate[2] * curve.rate[3]) ** 0.5
    reading = read_off(Comparer(curves["jpeg"]), curves["webp"], Target(rate, is_rate=True))
    assert reading.value == pytest.approx(
        float(PchipInterpolator(np.log(curve.rate), curve.quality)(math.log(rate)))
    )
    assert reading.settings == (30, 50)
    assert reading.interval[0] < reading.difference < reading.interval[1]
    on_a_point = Target(float(curve.rate[3]), is_rate=True)
    assert read_off(Comparer(curves["jpeg"]), curves["webp"], on_a_point).settings == (50, 50)


def test_of_a_metric_that_falls_less_is_the_same_as_more_of_one_that_rises(
    measured_cells: pd.DataFrame,
) -> None:
    cells = measured_cells.assign(lpips=100 - measured_cells["psnr"])
    rising, falling = (image_curves(results_of(cells), name) for name in ("psnr", "lpips"))
    one, other = (
        read_off(Comparer(curves["jpeg"]), curves["webp"], Target(value, is_rate=False))
        for curves, value in ((rising, 31), (falling, 69))
    )
    assert (other.value, *other.interval) == pytest.approx((one.value, *one.interval))
    assert one.settings == other.settings
    lower, higher = (
        read_off(Comparer(curves["jpeg"]), curves["webp"], Target(1.0, is_rate=True))
        for curves in (falling, rising)
    )
    assert (lower.value, lower.difference) == pytest.approx(
        (100 - higher.value, -higher.difference)
    )
    assert lower.interval == pytest.approx((-higher.interval[1], -higher.interval[0]))


def test_what_a_curve_does_not_reach_is_na_with_the_reason(curves: dict[str, ImageCurves]) -> None:
    reading = read_off(Comparer(curves["jpeg"]), curves["webp"], Target(90, is_rate=False))
    assert math.isnan(reading.value)
    assert math.isnan(reading.difference)
    assert math.isnan(reading.interval[0])
    assert "not 90" in reading.reason


def test_what_is_over_other_data_is_not_read_off(curves: dict[str, ImageCurves]) -> None:
    reading = read_off(
        Comparer(curves["jpeg"]), published_curve("vtm", "psnr"), Target(32, is_rate=False)
    )
    assert math.isnan(reading.value)
    assert reading.reason == "published:vtm is over kodak, jpeg over crops"
    other = replace(curves["webp"], identity="psnr/2")
    jpeg = replace(curves["jpeg"], identity="psnr/1")
    reading = read_off(Comparer(jpeg), other, Target(32, is_rate=False))
    assert reading.reason == "psnr is psnr/2 there and psnr/1 here"


def test_a_published_curve_has_a_value_but_no_interval() -> None:
    comparer = Comparer(published_curve("vtm", "psnr"))
    reading = read_off(comparer, published_curve("jpeg", "psnr"), Target(34, is_rate=False))
    assert reading.difference > 100
    assert math.isnan(reading.interval[0])


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="bits per pixel above 0"):
        Target(rate, is_rate=True)

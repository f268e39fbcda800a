"""Intervals by resampling; the oracle is scipy.stats.bootstrap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.analysis.bootstrap import Bootstrap


def test_the_interval_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(3).normal(-20, 8, 24)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=100_000, method="percentile", random_state=5
    ).confidence_interval
    ours = Bootstrap().mean(values)
    # Two draws of the ends of an interval that is 6 wide.
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.15)


def test_the_same_seed_draws_the_same(measured_cells: object) -> None:
    values = np.random.default_rng(0).normal(size=12)
    assert Bootstrap().mean(values) == Bootstrap().mean(values)
    assert Bootstrap().mean(values) != Bootstrap(seed=1).mean(values)


def test_an_undefined_image_is_left_out_of_the_draws() -> None:
    values = np.array([1.0, 2, math.nan, 4])
    assert Bootstrap().mean(values) == Bootstrap().mean(values[[0, 1, 3]])


def test_fewer_than_two_images_have_no_interval() -> None:
    assert all(math.isnan(end) for end in Bootstrap().mean(np.array([3.0, math.nan])))


def test_a_draw_takes_as_many_images_as_there_are() -> None:
    weights = Bootstrap().weights(24)
    assert weights.shape == (10_000, 24)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    # Each image is in a draw once on average, with the variance of a multinomial.
    np.testing.assert_allclose((24 * weights).mean(axis=0), 1, atol=0.05)
    np.testing.assert_allclose((24 * weights).var(), 1 - 1 / 24, rtol=0.02)


def test_the_draws_of_a_large_data_set_stay_small() -> None:
    assert Bootstrap().weights(10_000).nbytes <= 160_000_000


def test_a_result_that_most_draws_leave_undefined_has_no_interval() -> None:
    drawn = np.arange(100.0)
    assert Bootstrap().interval(drawn) == pytest.approx((2.475, 96.525))
    drawn[:11] = math.nan
    assert all(math.isnan(end) for end in Bootstrap().interval(drawn))

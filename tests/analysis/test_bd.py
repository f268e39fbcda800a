"""BD-rate: the oracle is the `bjontegaard` package (Friedrich-Alexander-Universität), figures that
were computed with it outside this project, and hand calculations on curves with a closed form.
"""

from __future__ import annotations

import math
import re

import bjontegaard
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.axis import Axis, axis_of
from bench.analysis.bd import bd
from bench.analysis.curves import Curve
from bench.analysis.published import published, published_curve
from bench.errors import UsageError

METHODS = ("pchip", "akima", "cubic")


def curve(
    rate: object, quality: object, *, axis: Axis | None = None, codec: str = "a", n_images: int = 1
) -> Curve:
    rates = np.asarray(rate, np.float64)
    return Curve(
        codec=codec,
        axis=axis or axis_of("psnr"),
        dataset="",
        rate=rates,
        quality=np.asarray(quality, np.float64),
        settings=np.arange(len(rates), dtype=np.float64),
        n_images=n_images,
    )


@st.composite
def rising_curves(draw: st.DrawFn) -> Curve:
    """A curve of 4 to 9 points, 20 … 50 dB, that overlaps with every other one of its kind."""
    inner = draw(st.integers(2, 7))
    qualities = sorted(draw(st.sets(st.integers(260, 440), min_size=inner, max_size=inner)))
    steps = draw(st.lists(st.floats(0.02, 1.5), min_size=inner + 2, max_size=inner + 2))
    return curve(
        0.05 * np.exp(np.cumsum(steps)), [draw(st.integers(200, 250)) / 10,
        *(q / 10 for q in qualities), draw(st.integers(450, 500)) / 10],
    )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("metric", ["psnr", "ms-ssim"])
def test_published_curves_differ_as_the_reference_package_says(method: str, metric: str) -> None:
    anchor = published_curve("vtm", metric)
    for entry in published():
        if metric not in entry.metrics or entry.distrust:
            continue
        test = published_curve(entry.label, metric)
        result = bd(anchor, test, method)  # type: ignore[arg-type]
        if result.reason:
            continue
        given = (anchor.rate, anchor.scaled, test.rate, test.scaled, method)
        options = {"require_matching_points": False, "min_overlap": 0}
        assert result.bd_rate == pytest.approx(bjontegaard.bd_rate(*given, **options), abs=1e-8)
        assert result.bd_quality == pytest.approx(bjontegaard.bd_psnr(*given, **options), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "percent"),
    [
        ("jpeg", 208.5),
        ("bpg", 22.0),
        ("bmshj2018-hyperprior", 30.5),
        ("cheng2020-anchor", 3.7),
    ],
)
def test_known_bd_rates_against_vtm_are_met(name: str, percent: float) -> None:
    result = bd(published_curve("vtm", "psnr"), published_curve(name, "psnr"))
    assert round(result.bd_rate, 1) == percent


@pytest.mark.parametrize(
    ("within", "percent"), [(None, 143), ((28.0, 40.0), 129), ((28.0, 34.0), 151)]
)
def test_the_range_decides_how_far_jpeg_is_behind_bpg(
    within: tuple[float, float] | None, percent: int
) -> None:
    anchor, test = published_curve("bpg", "psnr"), published_curve("jpeg", "psnr")
    results = [bd(anchor, test, method, within) for method in METHODS]  # type: ignore[arg-type]
    assert round(results[0].bd_rate) == percent
    if within:
        assert results[0].range == within
    # The interpolation matters far less than the range does: 1.7 points at most.
    rates = [result.bd_rate for result in results]
    assert max(rates) - min(rates) < 1.7


@pytest.mark.parametrize("method", METHODS)
def test_exponential_curves_differ_by_the_ratio_of_their_rates(method: str) -> None:
    # log rate is linear in quality, so every interpolation is exact: rate = a·exp(q / 6).
    low, high = np.array([25.0, 29, 34, 41]), np.array([27.0, 31, 33, 36, 45])
    anchor, test = curve(np.exp(low / 6), low), curve(0.8 * np.exp(high / 6), high)
    result = bd(anchor, test, method)  # type: ignore[arg-type]
    assert result.bd_rate == pytest.approx(-20, abs=1e-9)
    # At equal rate the quality differs by -6·log(0.8).
    assert result.bd_quality == pytest.approx(-6 * math.log(0.8), abs=1e-9)
    assert result.range == (27, 41)
    assert result.overlap == pytest.approx(14 / 20)
    assert result.n_points == (4, 5)


@given(rising_curves(), st.sampled_from(METHODS))
@settings(max_examples=60, deadline=None)
def test_a_curve_does_not_differ_from_itself(one: Curve, method: str) -> None:
    result = bd(one, one, method)  # type: ignore[arg-type]
    assert (result.bd_rate, result.bd_quality, result.overlap) == (0, 0, 1)


@given(rising_curves(), st.floats(0.2, 5), st.sampled_from(METHODS))
@settings(max_examples=60, deadline=None)
def test_k_times_the_rate_is_100_k_minus_1_percent(one: Curve, k: float, method: str) -> None:
    more = curve(k * one.rate, one.quality)
    assert bd(one, more, method).bd_rate == pytest.approx(100 * (k - 1), abs=1e-6)  # type: ignore[arg-type]


@given(rising_curves(), rising_curves(), st.sampled_from(METHODS))
@settings(max_examples=60, deadline=None)
def test_there_and_back_again_multiply_to_one(one: Curve, other: Curve, method: str) -> None:
    there, back = bd(one, other, method), bd(other, one, method)  # type: ignore[arg-type]
    product = (1 + there.bd_rate / 100) * (1 + back.bd_rate / 100)
    assert product == pytest.approx(1, rel=1e-6)
    assert there.bd_quality == pytest.approx(-back.bd_quality, rel=1e-6, abs=1e-9, nan_ok=True)
    assert (there.range, there.overlap) == (back.range, back.overlap)


@given(rising_curves(), rising_curves(), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_order_of_points_does_not_matter(one: Curve, other: Curve, random: object) -> None:
    order = list(range(len(other.rate)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = curve(other.rate[order], other.quality[order])
    # As text, since NaN is not equal to itself.
    assert repr(bd(one, shuffled)) == repr(bd(one, other))


@given(rising_curves(), rising_curves())
@settings(max_examples=40, deadline=None)
def test_a_metric_where_less_is_better_gives_the_same_rate(one: Curve, other: Curve) -> None:
    lpips = axis_of("lpips")
    assert lpips.lower_is_better
    result = bd(*(curve(c.rate, -c.quality, axis=lpips) for c in (one, other)))
    plain = bd(one, other)
    assert result.bd_rate == pytest.approx(plain.bd_rate, abs=1e-9)
    assert result.bd_quality == pytest.approx(-plain.bd_quality, abs=1e-9, nan_ok=True)
    assert result.range == (-plain.range[1], -plain.range[0])


def test_a_range_of_a_metric_where_less_is_better_is_given_as_its_values() -> None:
    lpips = axis_of("lpips")
    values = np.array([0.5, 0.4, 0.3, 0.2, 0.1])
    anchor = curve(np.exp(-8 * values), values, axis=lpips)
    test = curve(2 * np.exp(-8 * values), values, axis=lpips)
    result = bd(anchor, test, within=(0.15, 0.3))
    assert result.bd_rate == pytest.approx(100)
    assert result.range == pytest.approx((0.15, 0.3))


def test_ms_ssim_is_compared_in_decibels() -> None:
    anchor, test = published_curve("vtm", "ms-ssim"), published_curve("bpg", "ms-ssim")
    decibels = [-10 * np.log10(1 - c.quality) for c in (anchor, test)]
    reference = bjontegaard.bd_rate(
        anchor.rate, decibels[0], test.rate, decibels[1], method="pchip", min_overlap=0
    )
    result = bd(anchor, test)
    assert result.bd_rate == pytest.approx(reference, abs=1e-9)
    assert result.range[0] == pytest.approx(max(values.min() for values in decibels))


def test_equal_points_count_once() -> None:
    one = published_curve("vtm", "psnr")
    again = curve([*one.rate, one.rate[2]], [*one.quality, one.quality[2]])
    result = bd(one, again)
    assert (result.bd_rate, result.n_points) == (0, (8, 8))


def test_bd_quality_keeps_to_rates_at_which_both_are_inside_the_range() -> None:
    # Straight in log rate: the test needs twice the rate, so inside 30 … 40 dB the anchor has
    # rates exp(5) … exp(20/3) and the test twice those; both are there from 2·exp(5) on.
    q = np.array([24.0, 30, 36, 42])
    anchor, test = curve(np.exp(q / 6), q), curve(2 * np.exp(q / 6), q)
    result = bd(anchor, test, within=(30, 40))
    assert result.bd_quality == pytest.approx(-6 * math.log(2))


GOOD = curve([0.1, 0.2, 0.4, 0.8], [28.0, 31, 34, 37], codec="good")


@pytest.mark.parametrize(
    ("rate", "quality", "reason"),
    [
        ([0.1, 0.2, 0.4], [28, 31, 34], "bad: 3 distinct points, at least 4 are needed"),
        ([0.1, 0.2, 0.2, 0.4], [28, 31, 31, 34], "bad: 3 distinct points"),
        ([], [], "bad: the curve has no point"),
        ([0.1, 0.2, 0.4, 0.8], [28, 31, 30.5, 37],
         r"bad: psnr does not improve with rate: 31 at 0.2 bpp \(setting 1\), 30.5 at 0.4 bpp"),
        ([0.1, 0.2, 0.4, 0.8], [28, 31, 31, 37], "bad: psnr does not improve with rate: 31 at"),
        ([0.1, 0.2, 0.2, 0.8], [28, 31, 32, 37], "bad: psnr does not improve with rate"),
        ([0.1, 0.2, 0.4, 0.8], [28, 31, 34, math.inf], "bad: psnr is infinite at a setting"),
        ([0.1, 0.2, 0.4, 0.8], [28, 31, 34, math.nan], "bad: psnr or the rate is undefined"),
        ([0.0, 0.2, 0.4, 0.8], [28, 31, 34, 37], "bad: psnr or the rate is undefined"),
        ([0.1, 0.2, 0.4, 0.8], [38, 41, 44, 47],
         r"the curves share no quality: good 28 … 37 and bad 38 … 47"),
        ([0.1, 0.2, 0.4, 0.8], [37, 41, 44, 47], "the curves share no quality"),
    ],
)  # fmt: skip
def test_what_is_undefined_is_na_with_its_reason(
    rate: list[float], quality: list[float], reason: str
) -> None:
    bad = curve(rate, quality, codec="bad")
    for anchor, test in ((GOOD, bad), (bad, GOOD)):
        result = bd(anchor, test)
        assert math.isnan(result.bd_rate)
        if "share" not in reason:
            assert re.search(reason, result.reason)
            assert math.isnan(result.bd_quality)
            assert result.quality_reason == result.reason
    assert re.search(reason, bd(GOOD, bad).reason)


def test_a_range_that_the_curves_do_not_share_is_na() -> None:
    result = bd(GOOD, curve(GOOD.rate, GOOD.quality + 1), within=(40, 45))
    assert math.isnan(result.bd_rate)
    assert result.reason.startswith("the curves share no quality inside 40 … 45: good 28 … 37")


def test_curves_that_share_quality_but_no_rate_have_a_bd_rate_alone() -> None:
    result = bd(GOOD, curve(GOOD.rate * 100, GOOD.quality))
    assert result.bd_rate == pytest.approx(9900)
    assert math.isnan(result.bd_quality)
    assert result.quality_reason == "the curves share no rate"


@pytest.mark.parametrize("within", [(40, 30), (30, 30), (math.nan, 30), (30, math.inf)])
def test_an_interval_that_is_none_is_refused(within: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="a range is LOW,HIGH"):
        bd(GOOD, GOOD, within=within)


def test_curves_of_different_metrics_are_refused() -> None:
    with pytest.raises(UsageError, match="psnr and ms-ssim can't be compared"):
        bd(GOOD, published_curve("vtm", "ms-ssim"))

"""Comparing measured codecs: the same images on both sides, NA never in a mean."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import interpolate, stats

from bench.analysis.bd import bd
from bench.analysis.bootstrap import Bootstrap
from bench.analysis.compare import Comparer
from bench.analysis.curves import ImageCurves, image_curves
from bench.analysis.published import published_curve
from bench.analysis.results import results_of


@pytest.fixture
def curves(measured_cells: pd.DataFrame) -> dict[str, ImageCurves]:
    return image_curves(results_of(measured_cells.copy()), "psnr")


def _with(curves: ImageCurves, image: int, setting: int, quality: float) -> ImageCurves:
    values = curves.quality.copy()
    values[image, setting] = quality
    return replace(curves, quality=values)


def test_the_bd_of_the_curves_and_of_every_image_are_those_of_single_curves(
    curves: dict[str, ImageCurves],
) -> None:
    jpeg, webp = curves["jpeg"], curves["webp"]
    comparison = Comparer(jpeg).compare(webp)
    assert repr(comparison.bd) == repr(bd(jpeg.mean(), webp.mean()))
    each = [bd(jpeg.of_image(image), webp.of_image(image)).bd_rate for image in jpeg.images]
    np.testing.assert_allclose(Comparer(jpeg).per_image(webp).bd_rate, each)
    assert comparison.image_mean == pytest.approx(np.mean(each))
    assert (comparison.n_images, comparison.n_image_bd, comparison.notes) == (5, 5, ())


def test_the_interval_of_the_mean_of_images_is_scipys(curves: dict[str, ImageCurves]) -> None:
    comparer = Comparer(curves["jpeg"])
    each = comparer.per_image(curves["webp"]).bd_rate
    theirs = stats.bootstrap(
        (each,), np.mean, n_resamples=50_000, method="percentile", random_state=0
    ).confidence_interval
    ours = comparer.compare(curves["webp"]).image_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.05 * np.ptp(each))


def test_the_interval_of_the_curve_is_that_of_curves_over_images_drawn_again(
    curves: dict[str, ImageCurves],
) -> None:
    jpeg, webp = curves["jpeg"], curves["webp"]
    generator = np.random.default_rng(9)
    drawn = []
    for _ in range(500):
        images = generator.integers(0, 5, 5)
        drawn.append(bd(jpeg.take(images).mean(), webp.take(images).mean()).bd_rate)
    low, high = np.quantile(drawn, [0.025, 0.975])
    comparison = Comparer(jpeg).compare(webp)
    assert comparison.interval == pytest.approx((low, high), abs=0.1 * (high - low))
    assert low < comparison.bd.bd_rate < high


def test_what_is_common_to_all_images_has_no_width(curves: dict[str, ImageCurves]) -> None:
    # A codec that needs 10 % more on every image: sure, however the images differ.
    jpeg = curves["jpeg"]
    comparison = Comparer(jpeg).compare(replace(jpeg, codec="more", rate=1.1 * jpeg.rate))
    for value in (comparison.bd.bd_rate, comparison.image_mean):
        assert value == pytest.approx(10)
    assert comparison.interval == pytest.approx((10, 10))
    assert comparison.image_interval == pytest.approx((10, 10))


def test_one_image_without_a_bd_rate_does_not_spoil_the_mean(
    curves: dict[str, ImageCurves],
) -> None:
    jpeg, webp = curves["jpeg"], curves["webp"]
    # Worse at 30 than at 15, on one image.
    bent = _with(webp, image=2, setting=2, quality=webp.quality[2, 1] - 0.1)
    comparison = Comparer(jpeg).compare(bent)
    others = Comparer(jpeg).per_image(webp).bd_rate[[0, 1, 3, 4]]
    assert comparison.image_mean == pytest.approx(others.mean())
    assert (comparison.n_image_bd, comparison.n_images) == (4, 5)
    assert not math.isnan(comparison.image_interval[0])


def test_a_lossless_cell_makes_the_curve_na_and_leaves_the_other_images(
    curves: dict[str, ImageCurves],
) -> None:
    lossless = _with(curves["webp"], image=0, setting=5, quality=math.inf)
    comparison = Comparer(curves["jpeg"]).compare(lossless)
    assert comparison.bd.reason == "webp: psnr is infinite at a setting (lossless)"
    assert math.isnan(comparison.bd.bd_rate)
    assert math.isnan(comparison.interval[0])
    assert comparison.n_image_bd == 4
    # The other convention takes it: a squared error of zero.
    assert not math.isnan(Comparer(curves["jpeg"], convention="mse").compare(lossless).bd.bd_rate)


def test_both_curves_are_over_the_images_that_both_have(curves: dict[str, ImageCurves]) -> None:
    jpeg = _with(curves["jpeg"], image=1, setting=0, quality=math.nan)
    webp = _with(curves["webp"], image=3, setting=4, quality=math.nan)
    comparison = Comparer(jpeg).compare(webp)
    both = np.array([0, 2, 4])
    expected = bd(curves["jpeg"].take(both).mean(), curves["webp"].take(both).mean())
    assert comparison.bd.bd_rate == pytest.approx(expected.bd_rate)
    assert comparison.n_images == 3
    assert comparison.notes[-1] == "webp and jpeg: over the 3 images of both"


def test_images_of_two_runs_are_told_by_their_pixels(curves: dict[str, ImageCurves]) -> None:
    jpeg, webp = curves["jpeg"], curves["webp"]
    order = np.array([4, 2, 0])
    renamed = webp.take(order)
    renamed = replace(renamed, images=np.array(["x", "y", "z"], object), dataset="elsewhere")
    comparison = Comparer(jpeg).compare(renamed)
    expected = bd(jpeg.take(order).mean(), webp.take(order).mean())
    assert comparison.bd.bd_rate == pytest.approx(expected.bd_rate)
    assert comparison.n_images == 3


def test_other_images_are_not_compared(curves: dict[str, ImageCurves]) -> None:
    other = replace(
        curves["webp"],
        dataset="others",
        images=curves["webp"].images.copy(),
        digests=np.array(list("abcde"), object),
    )
    comparison = Comparer(curves["jpeg"]).compare(other)
    assert comparison.bd.reason == (
        "no image in common: webp was measured on others, jpeg on crops"
    )


def test_another_version_of_the_metric_is_not_compared(curves: dict[str, ImageCurves]) -> None:
    old = replace(curves["jpeg"], identity="psnr/1")
    comparison = Comparer(old).compare(replace(curves["webp"], identity="psnr/2"))
    assert comparison.bd.reason == "psnr is psnr/2 there and psnr/1 here"


def test_a_published_curve_is_compared_over_its_own_images_only(
    curves: dict[str, ImageCurves],
) -> None:
    vtm = published_curve("vtm", "psnr")
    comparison = Comparer(vtm).compare(curves["jpeg"])
    assert comparison.bd.reason == "jpeg is over crops, published:vtm over kodak"
    some = replace(curves["jpeg"], dataset="kodak")
    assert Comparer(vtm).compare(some).bd.reason == (
        "jpeg is over 5 images of kodak, published:vtm over 24"
    )
    all_of_them = replace(published_curve("jpeg", "psnr"), origin="measured")
    assert round(Comparer(vtm).compare(all_of_them).bd.bd_rate, 1) == 208.5


def test_without_a_bootstrap_there_are_no_intervals(curves: dict[str, ImageCurves]) -> None:
    comparison = Comparer(curves["jpeg"], bootstrap=None).compare(curves["webp"])
    assert math.isnan(comparison.interval[0])
    assert not math.isnan(comparison.image_mean)


def test_one_image_has_no_interval(curves: dict[str, ImageCurves]) -> None:
    one = np.array([2])
    comparison = Comparer(curves["jpeg"].take(one)).compare(curves["webp"].take(one))
    assert math.isnan(comparison.interval[0])
    assert comparison.image_mean == pytest.approx(comparison.bd.bd_rate)


def test_a_seed_gives_the_same_intervals_again(curves: dict[str, ImageCurves]) -> None:
    first, again = (
        Comparer(curves["jpeg"], bootstrap=Bootstrap(7)).compare(curves["webp"]) for _ in range(2)
    )
    assert first == again


def _ladder(codec: str, like: ImageCurves, rate: np.ndarray) -> ImageCurves:
    """Return a codec whose quality rises by 6 dB per doubling of rate, from where each image is."""
    start = np.linspace(25, 35, len(rate))[:, None]
    return replace(like, codec=codec, rate=rate, quality=start + 6 * np.log2(rate),
                   settings=np.arange(rate.shape[1], dtype=float))  # fmt: skip


def test_at_equal_rates_it_does_not_count_how_settings_spread_rate_over_images(
    curves: dict[str, ImageCurves],
) -> None:
    doubling = 2.0 ** np.arange(-2, 3)
    same_rate = np.tile(doubling, (5, 1))
    # The same curves at settings that give every image the same quality.
    same_quality = doubling * 2.0 ** -(np.linspace(-5, 5, 5)[:, None] / 6)
    one, other = (_ladder(name, curves["jpeg"], rate)
                  for name, rate in (("rates", same_rate), ("steps", same_quality)))  # fmt: skip
    assert abs(Comparer(one).compare(other).bd.bd_rate) > 5
    comparison = Comparer(one, convention="rate").compare(other)
    assert comparison.bd.bd_rate == pytest.approx(0, abs=1e-9)
    assert comparison.interval == pytest.approx((0, 0), abs=1e-9)
    assert comparison.image_mean == pytest.approx(0, abs=1e-9)
    assert comparison.n_images == 5


def test_at_equal_rates_both_means_are_over_the_images_that_can_be_read_off(
    curves: dict[str, ImageCurves],
) -> None:
    jpeg, webp = curves["jpeg"], curves["webp"]
    lossless = _with(webp, image=0, setting=5, quality=math.inf)
    comparison = Comparer(jpeg, convention="rate").compare(lossless)
    rest = np.arange(1, 5)
    expected = Comparer(jpeg.take(rest), convention="rate").compare(webp.take(rest))
    # The anchor's rates are those that five images have in common.
    assert comparison.bd.bd_rate == pytest.approx(expected.bd.bd_rate, abs=0.3)
    assert comparison.n_images == 4
    assert "psnr is infinite (lossless)" in comparison.notes[0]


def test_without_a_common_rate_or_without_images_equal_rates_are_na_with_the_reason(
    curves: dict[str, ImageCurves],
) -> None:
    apart = _ladder("apart", curves["jpeg"], np.outer(4.0 ** np.arange(5), np.linspace(1, 2, 5)))
    comparison = Comparer(curves["jpeg"], convention="rate").compare(apart)
    assert math.isnan(comparison.bd.bd_rate)
    assert "no rate is common to all images" in comparison.bd.reason
    comparison = Comparer(published_curve("bpg", "psnr"), convention="rate").compare(curves["jpeg"])
    assert "published:bpg is known by its means only" in comparison.bd.reason


def test_curves_are_read_off_as_pchip_has_them(curves: dict[str, ImageCurves]) -> None:
    jpeg = curves["jpeg"]
    read = jpeg.at_equal_rates
    order = jpeg.rate.argsort(axis=1)
    for row, (rate, quality) in enumerate(zip(jpeg.rate, jpeg.quality, strict=True)):
        theirs = interpolate.PchipInterpolator(np.log(rate[order[row]]), quality[order[row]])
        np.testing.assert_allclose(read.quality[row], theirs(np.log(read.rate[row])))
    assert read.rate[0, 0] == pytest.approx(jpeg.rate.min(axis=1).max())
    assert read.rate[0, -1] == pytest.approx(jpeg.rate.max(axis=1).min())

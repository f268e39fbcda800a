"""PSNR over RGB and luma, against scikit-image and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio

from bench.image import Image
from bench.metrics.psnr import Psnr, PsnrY


@pytest.mark.parametrize("quality", [5, 50, 95])
@pytest.mark.parametrize("size", [(512, 768), (161, 333), (7, 5)])
def test_psnr_is_that_of_scikit_image(photo, jpeg, size, quality):
    original = photo(3, *size)
    decoded = jpeg(original, quality)
    expected = peak_signal_noise_ratio(original.pixels, decoded.pixels, data_range=255)
    assert Psnr().measure(original, decoded, None) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("quality", [5, 50, 95])
def test_psnr_y_is_that_of_scikit_images_luma(photo, jpeg, quality):
    # scikit-image's Y is BT.601 too, squeezed into 16 … 235: a range of 219.
    original = photo(3, 200, 300)
    decoded = jpeg(original, quality)
    lumas = [rgb2ycbcr(image.pixels)[:, :, 0] for image in (original, decoded)]
    expected = peak_signal_noise_ratio(*lumas, data_range=219)
    # Its matrix has five digits.
    assert PsnrY().measure(original, decoded, None) == pytest.approx(expected, abs=1e-4)


def test_one_level_everywhere_is_48_decibels(flat):
    expected = 10 * math.log10(255**2)  # an MSE of 1
    assert Psnr().measure(flat(100), flat(101), None) == pytest.approx(expected, rel=1e-15)
    assert PsnrY().measure(flat(100), flat(101), None) == pytest.approx(expected, rel=1e-15)


def test_black_against_white_is_exactly_0_decibels_at_any_size(flat):
    for size in [(1, 1), (3, 5), (1000, 1001)]:
        assert Psnr().measure(flat(0, *size), flat(255, *size), None) == 0
        assert PsnrY().measure(flat(0, *size), flat(255, *size), None) == 0


@pytest.mark.parametrize(("channel", "weight"), [(0, 0.299), (1, 0.587), (2, 0.114)])
def test_luma_weighs_channels_as_bt_601_does(flat, channel, weight):
    original, decoded = flat(100), flat(100).pixels.copy()
    decoded[:, :, channel] += 10
    expected = 10 * math.log10(255**2 / (10 * weight) ** 2)
    assert PsnrY().measure(original, Image(decoded), None) == pytest.approx(expected, rel=1e-12)
    assert Psnr().measure(original, Image(decoded), None) == pytest.approx(
        10 * math.log10(255**2 / (100 / 3)), rel=1e-12
    )


def test_identical_images_have_infinite_psnr(photo):
    image = photo(1, 40, 50)
    assert Psnr().measure(image, Image(image.pixels.copy()), None) == math.inf
    assert PsnrY().measure(image, Image(image.pixels.copy()), None) == math.inf


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_squared_error_is_exact(height, width, seed):
    random = np.random.default_rng(seed)
    first, second = random.integers(0, 256, (2, height, width, 3), np.uint8)
    difference = first.astype(int) - second
    squares = int((difference**2).sum())
    luma = int(((difference @ [299, 587, 114]) ** 2).sum())
    for metric, error, samples in (
        (Psnr(), squares, first.size),
        (PsnrY(), luma / 10**6, height * width),
    ):
        expected = 10 * math.log10(255**2 * samples / error) if error else math.inf
        assert metric.measure(Image(first), Image(second), None) == expected

"""MS-SSIM, against pytorch-msssim.

pytorch-msssim is asked in double precision. In single precision its own rounding reaches 1e-4 on
flat bright areas (variance as a difference of large squares), and moves with its backend.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_msssim import ms_ssim as reference_ms_ssim

from bench.errors import NotApplicableError
from bench.image import Image
from bench.metrics.ms_ssim import MsSsim, MsSsimDb


def ms_ssim(original: Image, decoded: Image) -> float:
    metric = MsSsim()
    return metric.measure(original, decoded, metric.prepare(original))


def expected(original: Image, decoded: Image, dtype: torch.dtype = torch.float64) -> float:
    first, second = (
        torch.from_numpy(image.pixels.copy()).permute(2, 0, 1).unsqueeze(0).to(dtype)
        for image in (original, decoded)
    )
    return float(reference_ms_ssim(first, second, data_range=255, size_average=True))


@pytest.mark.parametrize(
    ("number", "size"),
    [(20, (512, 768)), (13, (161, 161)), (8, (176, 200)), (3, (333, 511)), (19, (511, 162))],
)
def test_ms_ssim_is_that_of_pytorch_msssim(photo, jpeg, number, size):
    original = photo(number, *size)
    for quality in (5, 50, 95):
        decoded = jpeg(original, quality)
        assert ms_ssim(original, decoded) == pytest.approx(expected(original, decoded), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 25))
def test_ms_ssim_is_that_of_pytorch_msssim_on_all_of_kodak(photo, jpeg, number, record_property):
    original = photo(number)
    metric = MsSsim()
    prepared = metric.prepare(original)
    double = single = rounding = 0.0
    for quality in range(5, 100, 5):
        decoded = jpeg(original, quality)
        value = metric.measure(original, decoded, prepared)
        truth = expected(original, decoded)
        theirs = expected(original, decoded, torch.float32)
        double = max(double, abs(value - truth))
        single = max(single, abs(value - theirs))
        rounding = max(rounding, abs(theirs - truth))
        # In single precision we are as near as its own rounding lets anybody be.
        assert abs(value - theirs) <= max(1e-5, 1.2 * abs(theirs - truth))
    for key, difference in {"double": double, "single": single, "rounding": rounding}.items():
        record_property(key, f"{difference:.1e}")
    assert double < 1e-5


def test_identical_images_have_an_ms_ssim_of_1(photo):
    image = photo(20, 170, 190)
    assert ms_ssim(image, Image(image.pixels.copy())) == 1


def test_a_negative_contrast_term_counts_as_0(photo):
    image = photo(13, 170, 190)
    inverted = Image(255 - image.pixels)
    assert ms_ssim(image, inverted) == expected(image, inverted) == 0


def test_flat_images_are_compared_by_luminance_at_the_coarsest_scale(flat):
    c1 = (0.01 * 255) ** 2
    luminance = (2 * 100 * 120 + c1) / (100**2 + 120**2 + c1)
    value = ms_ssim(flat(100, 176, 192), flat(120, 176, 192))
    assert value == pytest.approx(luminance**0.1333, abs=1e-6)


@pytest.mark.parametrize("size", [(160, 500), (500, 160), (1, 1)])
def test_a_short_side_of_160_or_less_is_not_applicable(flat, size):
    with pytest.raises(
        NotApplicableError, match=f"more than 160 pixels, the image has {min(size)}"
    ):
        MsSsim().prepare(flat(0, *size))


def test_decibels_are_minus_10_log10_of_what_is_missing_to_1(photo, jpeg):
    metric = MsSsimDb()
    assert metric.derive(0.99) == pytest.approx(20)
    assert metric.derive(0.0) == 0
    assert metric.derive(1.0) == math.inf
    original = photo(13, 170, 190)
    decoded = jpeg(original, 30)
    alone = metric.measure(original, decoded, metric.prepare(original))
    assert alone == pytest.approx(-10 * np.log10(1 - expected(original, decoded)), abs=1e-4)

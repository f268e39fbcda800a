"""SSIM, against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from bench.errors import NotApplicableError
from bench.image import Image
from bench.metrics.ssim import Ssim


def ssim(original: Image, decoded: Image) -> float:
    metric = Ssim()
    return metric.measure(original, decoded, metric.prepare(original))


@pytest.mark.parametrize("quality", [5, 50, 95])
@pytest.mark.parametrize(
    ("number", "size"),
    [(1, (512, 768)), (20, (176, 200)), (8, (333, 511)), (13, (11, 64)), (13, (12, 11))],
)
def test_ssim_is_that_of_scikit_image(photo, jpeg, number, size, quality):
    original = photo(number, *size)
    decoded = jpeg(original, quality)
    expected = structural_similarity(
        original.pixels,
        decoded.pixels,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=2,
    )
    assert ssim(original, decoded) == pytest.approx(expected, abs=5e-7)


def test_flat_images_are_compared_by_luminance_alone(flat):
    # No variance: the contrast term is 1 and (2·100·120 + C1) / (100² + 120² + C1) remains.
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 120 + c1) / (100**2 + 120**2 + c1)
    assert ssim(flat(100), flat(120)) == pytest.approx(expected, abs=1e-6)


def test_identical_images_have_an_ssim_of_1(photo):
    image = photo(13, 100, 120)
    assert ssim(image, Image(image.pixels.copy())) == 1


def test_an_inverted_pattern_has_a_negative_ssim():
    pattern = np.indices((40, 40)).sum(axis=0) % 2 * 200 + 27
    pixels = np.repeat(pattern[:, :, None], 3, axis=2).astype(np.uint8)
    assert ssim(Image(pixels), Image(255 - pixels)) < -0.9


def test_an_image_smaller_than_the_window_is_not_applicable(flat):
    with pytest.raises(
        NotApplicableError, match="short side of 11 pixels or more, the image has 1"
    ):
        Ssim().prepare(flat(0, 10, 300))

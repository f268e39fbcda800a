"""RGB to YCbCr and back, against scikit-image and the numbers of the standards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.color import rgb2ycbcr

from bench.adapters.yuv import YuvFormat, parse_format
from bench.image import read_image

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=17)
PIXELS = SHAPES.flatmap(lambda s: arrays.arrays(np.uint8, (*s, 3)))


def planes(data: bytes, width: int, height: int, dtype: str = "u1") -> np.ndarray:
    """4:4:4 planes as (height, width, 3)."""
    return np.moveaxis(np.frombuffer(data, dtype).reshape(3, height, width), 0, 2)


@pytest.mark.parametrize(("depth", "dtype", "scale"), [(8, "u1", 1), (10, "<u2", 4)])
def test_bt601_limited_range_is_that_of_scikit_image(kodak, depth, dtype, scale):
    pixels = read_image(kodak / "kodim23.png").pixels[100:164, 200:300]
    ours = planes(YuvFormat(False, depth, "bt601", "limited").pack(pixels), 100, 64, dtype)
    # skimage.color.rgb2ycbcr: BT.601, 16 … 235, not rounded; its coefficients have 3 decimals.
    assert np.abs(ours - rgb2ycbcr(pixels) * scale).max() <= 0.5 + 0.005 * scale


@pytest.mark.parametrize(
    ("matrix", "range_", "rgb", "codes"),
    [
        # 100 % colours of BT.601 and BT.709, by hand from the equations of H.273.
        ("bt601", "limited", (255, 0, 0), (81, 90, 240)),
        ("bt601", "limited", (0, 0, 255), (41, 240, 110)),
        ("bt709", "limited", (255, 0, 0), (63, 102, 240)),
        ("bt709", "limited", (0, 255, 0), (173, 42, 26)),
        ("bt709", "limited", (255, 255, 255), (235, 128, 128)),
        # JFIF (ITU-T T.871): red is 76.245, 84.97, 255.5, clipped.
        ("bt601", "full", (255, 0, 0), (76, 85, 255)),
        ("bt709", "full", (0, 0, 0), (0, 128, 128)),
    ],
)
def test_known_colours_have_the_codes_of_the_standard(matrix, range_, rgb, codes):
    pixels = np.array([[rgb]], np.uint8)
    data = YuvFormat(False, 8, matrix, range_).pack(pixels)
    assert tuple(data) == codes


@given(PIXELS)
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("range_", ["full", "limited"])
def test_ten_bits_444_give_every_pixel_back(matrix, range_, pixels):
    height, width = pixels.shape[:2]
    kind = parse_format("yuv444p10", matrix, range_)
    assert np.array_equal(kind.unpack(kind.pack(pixels), width, height), pixels)


@given(PIXELS)
def test_eight_bits_444_are_off_by_one_level_at_most(pixels):
    height, width = pixels.shape[:2]
    kind = parse_format("yuv444p8", "bt709", "full")
    back = kind.unpack(kind.pack(pixels), width, height)
    assert np.abs(back.astype(int) - pixels).max() <= 1


@given(PIXELS, st.sampled_from([1, 8, 16]))
def test_420_has_its_size_and_comes_back_in_the_images_own(pixels, multiple):
    height, width = pixels.shape[:2]
    kind = parse_format("yuv420p10", "bt601", "limited", multiple)
    data = kind.pack(pixels)
    rows, columns = kind.padded(height), kind.padded(width)
    assert rows % 2 == columns % 2 == rows % multiple == 0
    assert len(data) == kind.n_bytes(width, height) == rows * columns * 3 // 2 * 2
    assert kind.unpack(data, width, height).shape == pixels.shape


def test_420_chroma_is_the_mean_of_four_and_comes_back_smooth():
    # A ramp of blue: chroma is linear, so halving and doubling keep it but at the edges.
    ramp = np.zeros((32, 64, 3), np.uint8)
    ramp[..., 2] = np.linspace(40, 200, 64).round()
    kind = parse_format("yuv420p10", "bt709", "full")
    cb = np.frombuffer(kind.pack(ramp), "<u2")[32 * 64 :][: 16 * 32].reshape(16, 32)
    full = parse_format("yuv444p10", "bt709", "full")
    cb444 = planes(full.pack(ramp), 64, 32, "<u2")[..., 1].astype(float)
    assert np.abs(cb - cb444.reshape(16, 2, 32, 2).mean(axis=(1, 3))).max() <= 1
    back = kind.unpack(kind.pack(ramp), 64, 32)
    assert np.abs(back.astype(int) - ramp)[:, 2:-2].max() <= 2


def test_a_file_of_another_size_is_refused():
    kind = parse_format("yuv420p8", "bt601", "full")
    with pytest.raises(ValueError, match="24 bytes of raw YCbCr were expected for 4x4, got 23"):
        kind.unpack(b"x" * 23, 4, 4)

"""BPG's own card against the real bpgenc and bpgdec, where they are on the PATH."""

from __future__ import annotations

import numpy as np
import pytest

from bench import registry
from bench.adapters.make import make_codec, missing
from bench.image import read_image


@pytest.fixture(params=["bpg", "bpg-420"])
def name(request):
    return request.param


@pytest.fixture
def codec(name):
    return opened(name)


def opened(name):
    card = registry.codecs().get(name)
    if lack := missing(card):
        pytest.skip(str(lack))
    codec = make_codec(card)
    codec.open()
    return codec


def test_one_image_comes_back_with_the_chroma_that_the_title_says(name, codec, kodak):
    image = read_image(kodak / "kodim23.png")
    stream = codec.encode(image, 37)
    # The header (BPG specification, 3.1): magic, then pixel_format in the upper three bits,
    # 1 for 4:2:0 with JPEG's chroma position, 3 for 4:4:4, and bit_depth - 8 in the lower four.
    assert stream[:4] == b"BPG\xfb"
    assert stream[4] >> 5 == (3 if name == "bpg" else 1)
    assert stream[4] & 15 == 0
    back = codec.decode(stream)
    assert back.pixels.shape == image.pixels.shape
    error = np.mean((image.pixels.astype(float) - back.pixels) ** 2)
    assert 10 * np.log10(255**2 / error) > 33


@pytest.mark.slow
@pytest.mark.parametrize(
    ("qp", "bpp", "psnr"),
    # CompressAI's published results for BPG 4:4:4 (x265, YCbCr) on Kodak, mean over 24 images.
    [(47, 0.067768, 26.19513), (37, 0.351554, 31.59466), (22, 1.929712, 41.47887)],
)
def test_the_published_points_are_met_to_the_last_digit(qp, bpp, psnr, kodak):
    codec = opened("bpg")
    rates, values = [], []
    for path in sorted(kodak.glob("*.png")):
        image = read_image(path)
        stream = codec.encode(image, qp)
        error = np.mean((image.pixels.astype(float) - codec.decode(stream).pixels) ** 2)
        rates.append(8 * len(stream) / (image.width * image.height))
        values.append(10 * np.log10(255**2 / error))
    assert np.mean(rates) == pytest.approx(bpp, abs=6e-7)
    assert np.mean(values) == pytest.approx(psnr, abs=6e-6)

"""JPEG and WebP against the rates and PSNR published for Kodak (CompressAI's results)."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from bench import registry
from bench.adapters.make import make_codec
from bench.image import read_image

SETTINGS = range(5, 100, 5)


@pytest.fixture(scope="module")
def images(kodak):
    return [read_image(path) for path in sorted(kodak.glob("*.png"))]


@pytest.fixture(scope="module")
def published(shared):
    """(curve, setting) -> (bpp, PSNR), means over the 24 images."""
    path = shared / "published" / "kodak_published_points.csv"
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "CompressAI"]
    return {
        (row["curve"], SETTINGS[int(row["index"])]): (float(row["bpp"]), float(row["psnr_rgb_db"]))
        for row in rows
        if row["curve"] in ("jpeg", "webp")
    }


def measure(name, quality, images):
    """Mean bits per pixel and mean PSNR over `images`."""
    codec = make_codec(registry.codecs().get(name))
    codec.open()
    rates, values = [], []
    for image in images:
        stream = codec.encode(image, quality)
        difference = image.pixels.astype(np.float32) - codec.decode(stream).pixels
        rates.append(8 * len(stream) / (image.width * image.height))
        values.append(10 * np.log10(255**2 / np.mean(difference**2, dtype=np.float64)))
    return np.mean(rates), np.mean(values)


@pytest.mark.parametrize("quality", SETTINGS)
def test_jpeg_has_the_published_rate_and_psnr(quality, images, published):
    bpp, psnr = measure("jpeg", quality, images)
    assert bpp == pytest.approx(published["jpeg", quality][0], rel=0.005)
    # libjpeg's versions differ in the inverse DCT and in how they double chroma.
    assert psnr == pytest.approx(published["jpeg", quality][1], abs=0.15)


@pytest.mark.parametrize(
    "quality",
    [q if q in (5, 60, 90) else pytest.param(q, marks=pytest.mark.slow) for q in SETTINGS],
)
def test_webp_has_the_published_rate_and_psnr(quality, images, published):
    bpp, psnr = measure("webp", quality, images)
    assert bpp == pytest.approx(published["webp", quality][0], rel=0.005)
    assert psnr == pytest.approx(published["webp", quality][1], abs=0.05)

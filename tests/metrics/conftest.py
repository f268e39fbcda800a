"""Photos, and photos after a codec: what the metrics are tried on."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from bench.image import Image, read_image

Cut = Callable[..., Image]


@pytest.fixture(scope="session")
def photo(kodak: Path) -> Cut:
    """`photo(20, 176, 200)`: the middle 176 rows and 200 columns of kodim20."""

    def cut(number: int, height: int = 0, width: int = 0) -> Image:
        pixels = read_image(kodak / f"kodim{number:02d}.png").pixels
        height, width = height or pixels.shape[0], width or pixels.shape[1]
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        return Image(pixels[top : top + height, left : left + width])

    return cut


@pytest.fixture(scope="session")
def jpeg() -> Callable[[Image, int], Image]:
    """`jpeg(image, 50)`: the image after JPEG at that quality."""

    def code(image: Image, quality: int) -> Image:
        file = io.BytesIO()
        image.to_pil().save(file, "JPEG", quality=quality)
        with PIL.Image.open(file) as decoded:
            return Image(np.array(decoded))

    return code


@pytest.fixture
def flat() -> Callable[..., Image]:
    """`flat(200, 16, 16)`: one grey level everywhere."""

    def fill(level: int, height: int = 16, width: int = 16) -> Image:
        return Image(np.full((height, width, 3), level, np.uint8))

    return fill

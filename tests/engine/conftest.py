"""Small real images, and the planted codecs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

PLANTED = Path(__file__).with_name("planted.py")


@pytest.fixture(scope="session")
def crops(kodak: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six 96×64 crops of Kodak images."""
    folder = tmp_path_factory.mktemp("crops")
    for number in (1, 5, 13, 15, 20, 23):
        with Image.open(kodak / f"kodim{number:02}.png") as image:
            image.crop((200, 200, 296, 264)).save(folder / f"crop{number:02}.png")
    return folder


@pytest.fixture
def planted() -> Path:
    """The Python file with the planted codecs."""
    return PLANTED

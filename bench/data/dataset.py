"""What a data set is to the rest of the program: names and paths of images, in a fixed order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ImageFile:
    """One image of a data set: `name` (path below its root, "/" as separator) and where it is."""

    name: str
    path: Path


@dataclass(frozen=True)
class Dataset:
    """A named list of images in natural order of their names: 2 before 10.

    `folder` is where the images were found, `licence` the terms they come under.
    """

    name: str
    title: str
    images: tuple[ImageFile, ...]
    reference: str = ""
    licence: str = ""
    folder: Path | None = None


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Return a key that sorts "b2" before "b10"; capital letters decide only between equals."""
    parts = re.split(r"(\d+)", name.casefold(), flags=re.ASCII)
    key = tuple(
        (0, int(part), "") if i % 2 else (1, 0, part) for i, part in enumerate(parts) if part
    )
    return key, name

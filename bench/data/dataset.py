"""What a data set is to the rest of the program: names and paths of images, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ImageFile:
    """One image of a data set: `name` (path below its root, "/" as separator) and where it is."""

    name: str
    path: Path


@dataclass(frozen=True)
class Dataset:
    """A named list of images, sorted by name."""

    name: str
    title: str
    images: tuple[ImageFile, ...]
    reference: str = ""

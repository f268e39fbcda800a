"""An image as the benchmark sees it, and the one way to read one from a file.

Version 1 measures 8-bit RGB. What a file holds is converted by the rules of :func:`read_image`, or
refused by name; nothing is guessed silently.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from bench.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

ColorSpace = Literal["srgb"]
Pixels = npt.NDArray[np.uint8]

#: Files with these endings are images; everything else in a folder is passed over.
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"}
    | {".avif", ".heic", ".heif", ".jxl", ".gif"}
)


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels with what is needed to interpret them.

    Parameters
    ----------
    pixels : uint8 array of shape (height, width, 3), C-contiguous, range 0 … 255.
    bit_depth : bits per sample; 8 in version 1.
    color_space : "srgb" in version 1: the samples as the file gives them, taken as sRGB.

    Raises
    ------
    ImageError : another shape, dtype, bit depth or colour space than version 1 measures.
    """

    pixels: Pixels
    bit_depth: int = 8
    color_space: ColorSpace = "srgb"

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not isinstance(pixels, np.ndarray):
            raise ImageError(f"pixels must be a NumPy array, not {type(pixels).__name__}")
        if pixels.dtype != np.uint8 or self.bit_depth != 8:
            raise ImageError(f"pixels must be 8-bit (uint8), not {pixels.dtype}")
        if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise ImageError(f"pixels must have the shape (height, width, 3), not {pixels.shape}")
        if self.color_space != "srgb":
            raise ImageError(f"the colour space must be 'srgb', not {self.color_space!r}")
        if not pixels.flags.c_contiguous:
            object.__setattr__(self, "pixels", np.ascontiguousarray(pixels))

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @cached_property
    def digest(self) -> str:
        """SHA-256 over size, depth, colour space and samples: the image's identity in the cache.

        Two files with the same pixels have the same digest, whatever their names or formats.
        """
        head = f"{self.height}x{self.width}x3:{self.bit_depth}:{self.color_space}\n"
        sha = hashlib.sha256(head.encode())
        sha.update(self.pixels.data)
        return sha.hexdigest()

    def to_pil(self) -> PILImage:
        """Return the same pixels as a Pillow image of mode "RGB"."""
        import PIL.Image

        return PIL.Image.fromarray(self.pixels)

    @classmethod
    def from_pil(cls, image: PILImage) -> Image:
        """Take the pixels of a Pillow image that is of mode "RGB" already."""
        if image.mode != "RGB":
            raise ImageError(f"expected an RGB image, got Pillow mode {image.mode!r}")
        return cls(np.array(image))


def read_image(path: str | Path) -> Image:
    """Read a file as 8-bit RGB.

    What is converted: grey and bilevel (the sample three times), palettes (looked up), CMYK
    (Pillow's plain conversion, as ImageNet's loaders do), an alpha channel that is opaque
    everywhere (dropped), an EXIF orientation (applied). A colour profile is not applied.

    Raises
    ------
    ImageError : no image, a truncated one, or what version 1 refuses: more than 8 bits per
        sample, transparency, several frames, Lab and other colour models, more than
        178,956,970 pixels.
    """
    from bench.image_io import read

    return read(Path(path))

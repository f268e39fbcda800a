"""RGB to planar YCbCr and back, rounded correctly: what reference encoders take as input.

The equations are those of ITU-T H.273 (MatrixCoefficients 1 and 5/6, full and limited range) over
the samples as they are, in float64, rounded half away from zero. Chroma is halved by the mean of
2×2 samples and doubled by linear interpolation, both with chroma in the middle of the four.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.image import Pixels

Matrix = Literal["bt601", "bt709"]
Range = Literal["full", "limited"]
Plane = npt.NDArray[np.float64]

#: Weights of red and blue in luma (H.273, table 4).
_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


@dataclass(frozen=True)
class YuvFormat:
    """A raw planar file: Y, Cb, Cr, one picture, no header.

    Parameters
    ----------
    subsampled : whether chroma is halved both ways (4:2:0), else 4:4:4.
    depth : bits per sample; above 8 a sample takes two bytes, the lower first.
    """

    subsampled: bool
    depth: int
    matrix: Matrix
    range: Range
    #: Width and height of the picture in the file are multiples of this, and even for 4:2:0.
    multiple: int = 1

    def padded(self, size: int) -> int:
        """Return the width or height of the picture in the file."""
        unit = math.lcm(self.multiple, 2) if self.subsampled else self.multiple
        return -(-size // unit) * unit

    def n_bytes(self, width: int, height: int) -> int:
        """Return the size of the file of a `width` × `height` image."""
        luma = self.padded(width) * self.padded(height)
        return (luma + 2 * luma // (4 if self.subsampled else 1)) * self._dtype.itemsize

    def pack(self, pixels: Pixels) -> bytes:
        """Return the file of 8-bit RGB `pixels` (height, width, 3).

        An image of another size than `padded` is widened by repeating its last row and column.
        """
        height, width = pixels.shape[:2]
        edges = ((0, self.padded(height) - height), (0, self.padded(width) - width), (0, 0))
        red, green, blue = np.moveaxis(np.pad(pixels, edges, mode="edge") / 255.0, 2, 0)
        kr, kb = _WEIGHTS[self.matrix]
        luma = kr * red + (1 - kr - kb) * green + kb * blue
        planes = [self._quantised(luma, chroma=False)]
        for difference in ((blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))):
            plane = _halved(difference) if self.subsampled else difference
            planes.append(self._quantised(plane, chroma=True))
        return b"".join(plane.tobytes() for plane in planes)

    def unpack(self, data: bytes, width: int, height: int) -> Pixels:
        """Return uint8 RGB pixels (height, width, 3). Raises ValueError for another size."""
        if len(data) != self.n_bytes(width, height):
            raise ValueError(
                f"{self.n_bytes(width, height)} bytes of raw YCbCr were expected for "
                f"{width}x{height}, got {len(data)}"
            )
        rows, columns = self.padded(height), self.padded(width)
        samples = np.frombuffer(data, self._dtype)
        luma = self._scaled(samples[: rows * columns].reshape(rows, columns), chroma=False)
        chroma = samples[rows * columns :]
        shape = (2, rows // 2, columns // 2) if self.subsampled else (2, rows, columns)
        cb, cr = self._scaled(chroma.reshape(shape), chroma=True)
        if self.subsampled:
            cb, cr = _doubled(cb), _doubled(cr)
        kr, kb = _WEIGHTS[self.matrix]
        red = luma + 2 * (1 - kr) * cr
        blue = luma + 2 * (1 - kb) * cb
        green = (luma - kr * red - kb * blue) / (1 - kr - kb)
        rgb = np.stack([red, green, blue], axis=2)[:height, :width]
        return np.clip(np.floor(rgb * 255 + 0.5), 0, 255).astype(np.uint8)

    @property
    def _dtype(self) -> np.dtype[Any]:
        return np.dtype("u1" if self.depth == 8 else "<u2")

    def _levels(self, chroma: bool) -> tuple[float, float]:
        """Return (span, offset) of the samples' code."""
        unit = 2.0 ** (self.depth - 8)
        if self.range == "limited":
            return (224 * unit, 128 * unit) if chroma else (219 * unit, 16 * unit)
        peak = 2.0**self.depth - 1
        return (peak, 128 * unit) if chroma else (peak, 0.0)

    def _quantised(self, plane: Plane, *, chroma: bool) -> npt.NDArray[Any]:
        span, offset = self._levels(chroma)
        code = np.floor(plane * span + offset + 0.5)
        return np.clip(code, 0, 2**self.depth - 1).astype(self._dtype)

    def _scaled(self, code: npt.NDArray[Any], *, chroma: bool) -> Plane:
        span, offset = self._levels(chroma)
        return (code.astype(np.float64) - offset) / span


def parse_format(name: str, matrix: Matrix, range: Range, multiple: int = 1) -> YuvFormat:
    """Return the format that a name such as ``yuv420p10`` stands for."""
    return YuvFormat("420" in name, int(name.rpartition("p")[2]), matrix, range, multiple)


def _halved(plane: Plane) -> Plane:
    rows, columns = plane.shape
    means: Plane = plane.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
    return means


def _doubled(plane: Plane) -> Plane:
    """Double both sizes; each sample is 3/4 of the nearest and 1/4 of the next."""
    for axis in (0, 1):
        edge = np.pad(plane, [(1, 1) if at == axis else (0, 0) for at in (0, 1)], mode="edge")
        before = np.take(edge, np.arange(plane.shape[axis]), axis)
        after = np.take(edge, np.arange(2, plane.shape[axis] + 2), axis)
        pair = np.stack([0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after], axis + 1)
        shape = list(plane.shape)
        shape[axis] *= 2
        plane = pair.reshape(shape)
    return plane

"""The rate: what a bitstream costs. The engine measures it in every run, from the bytes alone."""

from __future__ import annotations

import abc
import math
from typing import Any, ClassVar, Literal

from bench.errors import UsageError
from bench.image import Image
from bench.metrics.metric import Metric


class RateMetric(Metric):
    """A number that depends on the length of the bitstream and the size of the image only.

    It is listed with the others, always measured, and never asked for pixels.
    """

    needs: ClassVar[str] = "nothing; measured in every run"

    @staticmethod
    @abc.abstractmethod
    def from_size(n_bytes: int, width: int, height: int) -> float:
        """Return the value for a whole bitstream of `n_bytes` (1 or more), headers included.

        Parameters
        ----------
        n_bytes : length of everything the decoder gets.
        width, height : size of the image in pixels, without any padding of the codec's.
        """

    def measure(self, reference: Image, distorted: Image, prepared: Any) -> float:
        """Raise UsageError: pixels say nothing about the rate."""
        raise UsageError(f"{self.name} is measured on a bitstream, not between two images")


class BitsPerPixel(RateMetric):
    """Bits per pixel, ``8 · bytes / (width · height)``."""

    name: ClassVar[str] = "bpp"
    title: ClassVar[str] = "Bit rate"
    direction: ClassVar[Literal["higher", "lower"]] = "lower"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    unit: ClassVar[str] = "bpp"

    @staticmethod
    def from_size(n_bytes: int, width: int, height: int) -> float:
        """Return bits per pixel; a pixel is one position, not one sample."""
        return 8 * n_bytes / (width * height)


class CompressionRatio(RateMetric):
    """Bytes of the image as raw 8-bit RGB over those of the bitstream."""

    name: ClassVar[str] = "compression-ratio"
    title: ClassVar[str] = "Compression ratio"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    unit: ClassVar[str] = ":1"

    @staticmethod
    def from_size(n_bytes: int, width: int, height: int) -> float:
        """Return how many times smaller than raw 8-bit RGB the bitstream is."""
        return 3 * width * height / n_bytes

"""Multi-scale structural similarity, as it is and in decibels.

References
----------
Wang, Simoncelli, Bovik: Multiscale structural similarity for image quality assessment. Asilomar
Conference on Signals, Systems and Computers, 2003.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from bench.errors import NotApplicableError
from bench.image import Image
from bench.metrics.metric import DerivedMetric, Metric
from bench.metrics.structure import (
    WINDOW,
    Moments,
    contrast,
    difference,
    halve,
    planes,
    similarity,
)

#: Exponents of the five scales, from the finest; table I of the paper.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
#: The short side must be longer than this: the window has to fit in after four halvings.
TOO_SHORT = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1)


class MsSsim(Metric):
    """MS-SSIM of each of R, G and B, then the mean of the three.

    The product over scales of the mean contrast-structure term, times SSIM at the coarsest, each to
    the power of its weight; a negative mean counts as 0. Equal to ``pytorch_msssim.ms_ssim`` with
    ``data_range=255``, which CompressAI and most papers on learned codecs report.
    """

    name: ClassVar[str] = "ms-ssim"
    title: ClassVar[str] = "MS-SSIM (RGB)"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    reference: ClassVar[str] = "Wang, Simoncelli, Bovik, Asilomar Conference 2003"
    needs: ClassVar[str] = f"a short side of more than {TOO_SHORT} pixels"

    def prepare(self, reference: Image) -> tuple[Moments, ...]:
        """Return the reference's local moments at every scale, the finest first."""
        side = min(reference.width, reference.height)
        if side <= TOO_SHORT:
            raise NotApplicableError(
                f"MS-SSIM needs a short side of more than {TOO_SHORT} pixels, the image has {side}"
            )
        scale = planes(reference.pixels)
        moments = [Moments.of(scale)]
        for _ in WEIGHTS[1:]:
            scale = halve(scale)
            moments.append(Moments.of(scale))
        return tuple(moments)

    def measure(self, reference: Image, distorted: Image, prepared: tuple[Moments, ...]) -> float:
        """Return the mean MS-SSIM, from 0 to 1; 1 for identical images."""
        *finer, coarsest = prepared
        scale = difference(reference, distorted)
        terms = []
        for moments in finer:
            terms.append(contrast(moments, scale))
            scale = halve(scale)
        terms.append(similarity(coarsest, scale))
        powers = np.maximum(terms, 0) ** np.array(WEIGHTS)[:, None]
        return min(float(powers.prod(axis=0).mean()), 1.0)


class MsSsimDb(DerivedMetric):
    """MS-SSIM in decibels, ``-10 log10(1 - MS-SSIM)``; infinite for identical images."""

    name: ClassVar[str] = "ms-ssim-db"
    title: ClassVar[str] = "MS-SSIM (RGB)"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    unit: ClassVar[str] = "dB"
    reference: ClassVar[str] = "-10 log10(1 - MS-SSIM)"
    needs: ClassVar[str] = MsSsim.needs
    base: ClassVar[str] = "ms-ssim"

    def derive(self, value: float) -> float:
        """Return MS-SSIM `value` in decibels."""
        return math.inf if value >= 1 else -10 * math.log10(1 - value)

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
import numpy.typing as npt

from bench.errors import NotApplicableError
from bench.image import Image
from bench.metrics.metric import DerivedMetric, Metric
from bench.metrics.structure import (
    WINDOW,
    Moments,
    Plane,
    Workspace,
    channels,
    contrast,
    difference,
    halve,
    halved,
    similarity,
)

#: Each channel's samples, uint8 of shape (height, width), and its moments, the finest scale first.
Reference = list[tuple[npt.NDArray[np.uint8], list[Moments]]]

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

    def __init__(self) -> None:
        self._work = Workspace()

    def prepare(self, reference: Image) -> Reference:
        """Return each channel's samples and its local moments at every scale."""
        side = min(reference.width, reference.height)
        if side <= TOO_SHORT:
            raise NotApplicableError(
                f"MS-SSIM needs a short side of more than {TOO_SHORT} pixels, the image has {side}"
            )
        prepared: Reference = []
        for samples in channels(reference.pixels):
            scale = samples.astype(np.float32)
            moments = [Moments.of(scale, self._work)]
            for _ in WEIGHTS[1:]:
                scale = halve(scale, np.empty(halved(scale.shape), np.float32))
                moments.append(Moments.of(scale, self._work))
            prepared.append((samples, moments))
        return prepared

    def measure(self, reference: Image, distorted: Image, prepared: Reference) -> float:
        """Return the mean MS-SSIM, from 0 to 1; 1 for identical images."""
        *_, plane = self._work.planes((reference.height, reference.width))
        values = [
            self._channel(moments, difference(theirs, ours, plane))
            for (theirs, moments), ours in zip(prepared, channels(distorted.pixels), strict=True)
        ]
        return min(sum(values) / 3, 1.0)

    def _channel(self, moments: list[Moments], scale: Plane) -> float:
        """Return one channel's MS-SSIM from the difference at the finest scale."""
        product = 1.0
        for number, weight in enumerate(WEIGHTS):
            if number:
                # The last two planes of the workspace hold this scale and the next in turns.
                out = self._work.planes(halved(scale.shape))[5 - number % 2]
                scale = halve(scale, out)
            coarsest = number == len(WEIGHTS) - 1
            term = (similarity if coarsest else contrast)(moments[number], scale, self._work)
            product *= max(term, 0.0) ** weight
        return product


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

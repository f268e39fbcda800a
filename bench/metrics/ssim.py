"""Structural similarity."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bench.errors import NotApplicableError
from bench.image import Image
from bench.metrics.metric import Metric
from bench.metrics.structure import (
    WINDOW,
    Moments,
    Workspace,
    channels,
    difference,
    similarity,
)

#: Each channel's samples, uint8 of shape (height, width), and its moments.
Reference = list[tuple[npt.NDArray[np.uint8], Moments]]


class Ssim(Metric):
    """SSIM of each of R, G and B with the settings of the paper, then the mean of the three.

    Gaussian window of 11x11, σ 1.5, K1 0.01, K2 0.03, biased covariances, positions where the
    window lies inside the image.
    """

    name: ClassVar[str] = "ssim"
    title: ClassVar[str] = "SSIM (RGB)"
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    reference: ClassVar[str] = "Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004"
    needs: ClassVar[str] = f"a short side of {WINDOW} pixels or more"

    def __init__(self) -> None:
        self._work = Workspace()

    def prepare(self, reference: Image) -> Reference:
        """Return each channel's samples and local moments."""
        side = min(reference.width, reference.height)
        if side < WINDOW:
            raise NotApplicableError(
                f"SSIM needs a short side of {WINDOW} pixels or more, the image has {side}"
            )
        return [
            (samples, Moments.of(samples.astype(np.float32), self._work))
            for samples in channels(reference.pixels)
        ]

    def measure(self, reference: Image, distorted: Image, prepared: Reference) -> float:
        """Return the mean SSIM, from -1 to 1; 1 for identical images."""
        *_, plane = self._work.planes((reference.height, reference.width))
        values = [
            similarity(moments, difference(theirs, ours, plane), self._work)
            for (theirs, moments), ours in zip(prepared, channels(distorted.pixels), strict=True)
        ]
        return min(sum(values) / 3, 1.0)

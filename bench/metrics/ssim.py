"""Structural similarity."""

from __future__ import annotations

from typing import ClassVar

from bench.errors import NotApplicableError
from bench.image import Image
from bench.metrics.metric import Metric
from bench.metrics.structure import WINDOW, Moments, difference, planes, similarity


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

    def prepare(self, reference: Image) -> Moments:
        """Return the reference's local moments."""
        side = min(reference.width, reference.height)
        if side < WINDOW:
            raise NotApplicableError(
                f"SSIM needs a short side of {WINDOW} pixels or more, the image has {side}"
            )
        return Moments.of(planes(reference.pixels))

    def measure(self, reference: Image, distorted: Image, prepared: Moments) -> float:
        """Return the mean SSIM, from -1 to 1; 1 for identical images."""
        return min(float(similarity(prepared, difference(reference, distorted)).mean()), 1.0)

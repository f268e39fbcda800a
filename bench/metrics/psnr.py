"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from bench.image import Image
from bench.metrics.metric import Metric


class Psnr(Metric):
    """PSNR over RGB: ``10 log10(255² / MSE)``, the mean taken over all samples of one image.

    Infinite for identical images; there is no epsilon that would cap it.
    """

    name: ClassVar[str] = "psnr"
    title: ClassVar[str] = "PSNR (RGB)"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    unit: ClassVar[str] = "dB"
    reference: ClassVar[str] = "ISO/IEC 29170-1; peak 255, mean over R, G and B"

    def measure(self, reference: Image, distorted: Image, prepared: Any) -> float:
        """Return the PSNR in dB."""
        difference = reference.pixels.astype(np.int32) - distorted.pixels
        mse = float(np.mean(np.square(difference)))
        return math.inf if mse == 0 else 10 * math.log10(255**2 / mse)

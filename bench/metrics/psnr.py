"""Peak signal-to-noise ratio, over RGB and over luma."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import cv2
import numpy as np

from bench.image import Image
from bench.metrics.metric import Metric

#: Luma of ITU-R BT.601 in thousandths: whole numbers keep every product and sum exact.
_LUMA = np.array([[299, 587, 114]], np.float32)


class Psnr(Metric):
    """PSNR over RGB: ``10 log10(255² / MSE)``, the mean taken over all samples of one image.

    Exact: the squared error is summed in integers. Infinite for identical images; there is no
    epsilon that would cap it.
    """

    name: ClassVar[str] = "psnr"
    title: ClassVar[str] = "PSNR (RGB)"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    unit: ClassVar[str] = "dB"
    reference: ClassVar[str] = "10 log10(255² / MSE), MSE over all samples of R, G and B"

    def measure(self, reference: Image, distorted: Image, prepared: Any) -> float:
        """Return the PSNR in dB."""
        # The sum is a whole number, but OpenCV may come to it through a square root.
        squares = round(cv2.norm(reference.pixels, distorted.pixels, cv2.NORM_L2SQR))
        return _decibels(squares, reference.pixels.size)


class PsnrY(Metric):
    """PSNR over luma, ``Y = 0.299 R + 0.587 G + 0.114 B`` (ITU-R BT.601, full range), peak 255.

    Luma is not rounded. It is the Y of JPEG's own YCbCr (ITU-T T.871). Papers seldom say which
    they take; the weights of BT.709, which test models of video coding use, give about 0.06 dB
    less on Kodak.
    """

    name: ClassVar[str] = "psnr-y"
    title: ClassVar[str] = "PSNR (Y)"
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    unit: ClassVar[str] = "dB"
    reference: ClassVar[str] = "10 log10(255² / MSE) of BT.601 full-range luma, not rounded"

    def measure(self, reference: Image, distorted: Image, prepared: Any) -> float:
        """Return the PSNR of luma in dB."""
        # Luma is linear: that of the difference is the difference of lumas.
        difference = cv2.subtract(reference.pixels, distorted.pixels, dtype=cv2.CV_32F)
        thousandths = cv2.transform(difference, _LUMA)
        squares = round(cv2.norm(thousandths, cv2.NORM_L2SQR))
        return _decibels(squares / 10**6, reference.width * reference.height)


def _decibels(squares: float, samples: int) -> float:
    """Return the PSNR of a sum of squared errors over `samples` 8-bit samples."""
    return math.inf if squares == 0 else 10 * math.log10(255**2 * samples / squares)

"""Local means, variances and covariances: what SSIM and MS-SSIM are made of.

Both compare images under a sliding Gaussian window, at the positions where the window lies wholly
inside the image. A colour image is held as its three planes one below the other, a float32 array
of shape (3·height, width): one call filters all channels, and rows where a window would reach
from one plane into the next are among those left out.

References
----------
Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to structural
similarity. IEEE Transactions on Image Processing 13(4), 2004.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.image import Image

Plane = npt.NDArray[np.float32]
Channels = npt.NDArray[np.float64]

#: Side of the window in pixels; a smaller image has no window position.
WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2

_BORDER = WINDOW // 2


@dataclass(frozen=True, eq=False)
class Moments:
    """What the reference x contributes at every window position: arrays of shape (3·height, width).

    Doubled, since every comparison needs them so.
    """

    height: int
    #: 2 (x - 128) and its local mean: the smaller the numbers, the less float32 rounds off.
    samples: Plane
    mean: Plane
    #: 2 σx² + C2.
    variance: Plane

    @classmethod
    def of(cls, planes: Plane) -> Moments:
        """Return the moments of `planes`, of shape (3·height, width), range 0 … 255."""
        samples = planes - np.float32(128)
        mean = _blur(samples)
        variance = _blur(samples * samples)
        variance -= mean * mean
        variance *= 2
        variance += np.float32(C2)
        samples *= 2
        mean *= 2
        return cls(planes.shape[0] // 3, samples, mean, variance)


def planes(samples: npt.NDArray[Any]) -> Plane:
    """Return an array of shape (height, width, 3) as planes of shape (3·height, width)."""
    height, width, _ = samples.shape
    stacked = np.empty((3, height, width), np.float32)
    for channel, values in enumerate(cv2.split(samples)):
        stacked[channel] = values
    return stacked.reshape(3 * height, width)


def difference(reference: Image, distorted: Image) -> Plane:
    """Return reference minus distorted as planes of shape (3·height, width), -255 … 255."""
    return planes(cv2.subtract(reference.pixels, distorted.pixels, dtype=cv2.CV_16S))


def halve(planes: Plane) -> Plane:
    """Return the planes at half the size: means of 2x2 blocks.

    A side of odd length n gets a row or column of zeros before its first and becomes (n + 1) / 2,
    as in the usual implementations (``avg_pool2d(padding=n % 2)`` with the padding counted).
    """
    height, width = planes.shape[0] // 3, planes.shape[1]
    if height % 2 or width % 2:
        before = ((0, 0), (height % 2, 0), (width % 2, 0))
        stacked = np.pad(planes.reshape(3, height, width), before)
        planes = stacked.reshape(-1, stacked.shape[2])
    size = (planes.shape[1] // 2, planes.shape[0] // 2)
    return np.asarray(cv2.resize(planes, size, interpolation=cv2.INTER_AREA), np.float32)


def contrast(reference: Moments, difference: Plane) -> Channels:
    """Return the mean contrast-structure term of each channel, an array of shape (3,).

    ``(2 σxy + C2) / (σx² + σy² + C2)``, between -1 and 1.
    """
    lost, _ = _lost_contrast(reference, difference)
    return 1 - _channel_means(lost, reference.height)


def similarity(reference: Moments, difference: Plane) -> Channels:
    """Return the mean SSIM of each channel, an array of shape (3,), between -1 and 1.

    ``(2 μx μy + C1) / (μx² + μy² + C1)`` times the contrast-structure term.
    """
    lost, shift = _lost_contrast(reference, difference)
    mean = reference.mean * np.float32(0.5)
    mean += np.float32(128)
    # μx² + μy² + C1, and (μx - μy)² over it: what the luminance term lacks of 1.
    total = mean * mean
    total += np.square(mean - shift)
    total += np.float32(C1)
    lost_luminance = np.square(shift, out=shift)
    lost_luminance /= total
    lost += lost_luminance - lost_luminance * lost
    return 1 - _channel_means(lost, reference.height)


def _lost_contrast(reference: Moments, difference: Plane) -> tuple[Plane, Plane]:
    """Return what the contrast-structure term lacks of 1, and μx - μy, at every position.

    With d = x - y the term is ``1 - σd² / (σx² + σy² + C2)``, and ``σy² = σx² - 2 σxd + σd²``. So
    written, a rounding error is as small as d, where the textbook's form takes the difference of
    large, nearly equal numbers: on a flat bright sky float32 leaves it four digits.
    """
    shift = _blur(difference)
    covariance = _blur(reference.samples * difference)
    covariance -= reference.mean * shift
    lost = _blur(difference * difference)
    lost -= shift * shift
    total = np.subtract(reference.variance, covariance, out=covariance)
    total += lost
    lost /= total
    return lost, shift


def _blur(planes: Plane) -> Plane:
    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_32F)
    return np.asarray(cv2.sepFilter2D(planes, cv2.CV_32F, kernel, kernel), np.float32)


def _channel_means(terms: Plane, height: int) -> Channels:
    """Return each channel's mean over the positions where the window lies inside the image."""
    inside = terms.reshape(3, height, -1)[:, _BORDER:-_BORDER, _BORDER:-_BORDER]
    return np.array([cv2.mean(channel)[0] for channel in inside])

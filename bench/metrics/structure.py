"""Local means, variances and covariances: what SSIM and MS-SSIM are made of.

Both compare images under a sliding Gaussian window, at the positions where the window lies wholly
inside the image, one channel at a time: a plane is a float32 array of shape (height, width).

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

Plane = npt.NDArray[np.float32]

#: Side of the window in pixels; a smaller image has no window position.
WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2

_BORDER = WINDOW // 2
# x - 128 in place of x changes no variance, and float32 rounds off less of smaller numbers.
_OFFSET = np.float32(128)


class Workspace:
    """Memory for intermediate planes, used again for every comparison.

    Getting as much from the system and giving it back each time takes as long as the arithmetic.
    It grows to what the largest image so far needs: six planes of one channel. Not for two threads
    at once.
    """

    def __init__(self) -> None:
        self._memory = np.empty((6, 0), np.float32)

    def planes(self, shape: tuple[int, int]) -> list[Plane]:
        """Return six planes of `shape` with no particular content, the same memory each time.

        The first four are scratch of :func:`contrast` and :func:`similarity`; the last two are
        for the planes that are compared.
        """
        size = shape[0] * shape[1]
        if size > self._memory.shape[1]:
            self._memory = np.empty((6, size), np.float32)
        return [flat[:size].reshape(shape) for flat in self._memory]


@dataclass(frozen=True, eq=False)
class Moments:
    """What one channel x of the reference contributes at every window position.

    Planes of one shape, doubled, since every comparison needs them so.
    """

    #: 2 (x - 128), and its local mean.
    samples: Plane
    mean: Plane
    #: 2 σx² + C2.
    variance: Plane

    @classmethod
    def of(cls, plane: Plane, work: Workspace) -> Moments:
        """Return the moments of a plane of samples, 0 … 255."""
        square, squared_mean, *_ = work.planes(plane.shape)
        samples = plane - _OFFSET
        mean = _blur(samples, np.empty_like(plane))
        variance = _blur(np.square(samples, out=square), np.empty_like(plane))
        variance -= np.square(mean, out=squared_mean)
        variance *= 2
        variance += np.float32(C2)
        samples *= 2
        mean *= 2
        return cls(samples, mean, variance)


def channels(pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], ...]:
    """Return the channels of an array of shape (height, width, 3) as three contiguous arrays."""
    return tuple(np.asarray(channel, np.uint8) for channel in cv2.split(pixels))


def difference(
    reference: npt.NDArray[np.uint8], distorted: npt.NDArray[np.uint8], out: Plane
) -> Plane:
    """Return reference minus distorted, -255 … 255, written into `out`."""
    return _float32(cv2.subtract(reference, distorted, dst=out, dtype=cv2.CV_32F))


def halved(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the shape that :func:`halve` makes of `shape`."""
    return (shape[0] + 1) // 2, (shape[1] + 1) // 2


def halve(plane: Plane, out: Plane) -> Plane:
    """Return `plane` at half the size, means of 2x2 blocks, written into `out`.

    A side of odd length n gets a row or column of zeros before its first and becomes (n + 1) / 2,
    as in the usual implementations (``avg_pool2d(padding=n % 2)`` with the padding counted).
    """
    height, width = plane.shape
    if height % 2 or width % 2:
        plane = np.pad(plane, ((height % 2, 0), (width % 2, 0)))
    size = out.shape[1], out.shape[0]
    return _float32(cv2.resize(plane, size, dst=out, interpolation=cv2.INTER_AREA))


def contrast(reference: Moments, difference: Plane, work: Workspace) -> float:
    """Return the mean contrast-structure term, ``(2 σxy + C2) / (σx² + σy² + C2)``, -1 … 1."""
    lost, _ = _lost_contrast(reference, difference, work)
    return 1 - _mean(lost)


def similarity(reference: Moments, difference: Plane, work: Workspace) -> float:
    """Return the mean SSIM, -1 … 1.

    ``(2 μx μy + C1) / (μx² + μy² + C1)`` times the contrast-structure term.
    """
    lost, shift = _lost_contrast(reference, difference, work)
    _, mean, total, _, *_ = work.planes(shift.shape)
    # μx² + μy² + C1, and (μx - μy)² over it: what the luminance term lacks of 1.
    np.multiply(reference.mean, np.float32(0.5), out=mean)
    mean += _OFFSET
    np.square(mean, out=total)
    mean -= shift
    total += np.square(mean, out=mean)
    total += np.float32(C1)
    lost_luminance = np.square(shift, out=shift)
    lost_luminance /= total
    # (1 - l) (1 - c) = 1 - (l + c - l c)
    np.multiply(lost_luminance, lost, out=total)
    lost += lost_luminance
    lost -= total
    return 1 - _mean(lost)


def _lost_contrast(reference: Moments, difference: Plane, work: Workspace) -> tuple[Plane, Plane]:
    """Return what the contrast-structure term lacks of 1, and μx - μy, at every position.

    With d = x - y the term is ``1 - σd² / (σx² + σy² + C2)``, and ``σy² = σx² - 2 σxd + σd²``. So
    written, a rounding error is as small as d, where the textbook's form takes the difference of
    large, nearly equal numbers: on a flat bright sky float32 leaves it four digits.

    The planes returned are the first and the last of the workspace's first four.
    """
    lost, covariance, product, shift, *_ = work.planes(difference.shape)
    _blur(difference, shift)
    _blur(np.multiply(reference.samples, difference, out=product), covariance)
    covariance -= np.multiply(reference.mean, shift, out=product)
    _blur(np.square(difference, out=product), lost)
    lost -= np.square(shift, out=product)
    total = np.subtract(reference.variance, covariance, out=covariance)
    total += lost
    lost /= total
    return lost, shift


def _blur(plane: Plane, out: Plane) -> Plane:
    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_32F)
    return _float32(cv2.sepFilter2D(plane, cv2.CV_32F, kernel, kernel, dst=out))


def _mean(plane: Plane) -> float:
    """Return the mean over the positions where the window lies inside the image."""
    return cv2.mean(plane[_BORDER:-_BORDER, _BORDER:-_BORDER])[0]


def _float32(array: Any) -> Plane:
    """Say to the type checker what OpenCV returns."""
    return np.asarray(array, np.float32)

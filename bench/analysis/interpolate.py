"""Interpolation of many curves at once: PCHIP, Akima, and the classic cubic polynomial.

SciPy interpolates many functions over one grid; here every curve has knots of its own, and a
bootstrap has thousands of curves. So the slopes are computed here, for all rows together, and
tested against SciPy's, row by row.

References
----------
F. N. Fritsch, J. Butland, "A method for constructing local monotone piecewise cubic
    interpolants", SIAM J. Sci. Stat. Comput. 5(2), 1984 (PCHIP; its end slopes after C. Moler,
    Numerical Computing with MATLAB, 2004, section 3.6).
H. Akima, "A new method of interpolation and smooth curve fitting based on local procedures",
    J. ACM 17(4), 1970.
G. Bjøntegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001
    (one cubic polynomial).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Method = Literal["pchip", "akima", "cubic"]
METHODS: tuple[Method, ...] = ("pchip", "akima", "cubic")


class Fit(Protocol):
    """Curves y(x), one per row."""

    def integral(self, low: Array, high: Array) -> Array:
        """Return ∫ y dx from `low` to `high`, all of shape (rows,), inside each row's knots."""
        ...

    def __call__(self, x: Array) -> Array:
        """Return y at `x`, both of shape (rows,), inside each row's knots."""
        ...


def fit(x: Array, y: Array, method: Method = "pchip") -> Fit:
    """Return the curves through (least-squares for "cubic") the knots.

    Parameters
    ----------
    x, y : shape (rows, knots), at least 4 knots, `x` rising strictly in every row.
    """
    if method == "cubic":
        return _polynomial(x, y)
    slopes = _pchip_slopes if method == "pchip" else _akima_slopes
    return Piecewise.hermite(x, y, slopes(x, y))


@dataclass(frozen=True, eq=False)
class Piecewise:
    """A cubic per segment, in t from 0 to 1 across it: coefficients of t⁰ … t³.

    `x` has the shape (rows, knots), each of the coefficients (rows, knots - 1).
    """

    x: Array
    coefficients: tuple[Array, Array, Array, Array]

    @classmethod
    def hermite(cls, x: Array, y: Array, slope: Array) -> Piecewise:
        """Return the cubics that have value and slope given at the knots, all (rows, knots)."""
        width, rise = np.diff(x), np.diff(y)
        start, end = width * slope[:, :-1], width * slope[:, 1:]
        return cls(x, (y[:, :-1], start, 3 * rise - 2 * start - end, start + end - 2 * rise))

    def integral(self, low: Array, high: Array) -> Array:
        """Return the integral between two points of each row."""
        start, end = self.x[:, :-1], self.x[:, 1:]
        width = end - start
        upper = self._area((np.minimum(np.maximum(high[:, None], start), end) - start) / width)
        lower = self._area((np.minimum(np.maximum(low[:, None], start), end) - start) / width)
        return np.asarray((width * (upper - lower)).sum(axis=1))

    def __call__(self, x: Array) -> Array:
        """Return the value at one point of each row."""
        segment = np.clip((self.x <= x[:, None]).sum(axis=1) - 1, 0, self.x.shape[1] - 2)
        row = np.arange(len(x))
        start, end = self.x[row, segment], self.x[row, segment + 1]
        c0, c1, c2, c3 = (coefficient[row, segment] for coefficient in self.coefficients)
        t = (x - start) / (end - start)
        return np.asarray(((c3 * t + c2) * t + c1) * t + c0)

    def _area(self, t: Array) -> Array:
        c0, c1, c2, c3 = self.coefficients
        return np.asarray((((c3 / 4 * t + c2 / 3) * t + c1 / 2) * t + c0) * t)


@dataclass(frozen=True, eq=False)
class Polynomial:
    """One polynomial per row in u = (x - centre) / half: coefficients (rows, 4), lowest first."""

    centre: Array
    half: Array
    coefficients: Array

    def integral(self, low: Array, high: Array) -> Array:
        """Return the integral between two points of each row."""
        order = np.arange(1, self.coefficients.shape[1] + 1)
        a, b = ((end - self.centre) / self.half for end in (low, high))
        powers = b[:, None] ** order - a[:, None] ** order
        return np.asarray(self.half * (self.coefficients * powers / order).sum(axis=1))

    def __call__(self, x: Array) -> Array:
        """Return the value at one point of each row."""
        u = (x - self.centre) / self.half
        powers = u[:, None] ** np.arange(self.coefficients.shape[1])
        return np.asarray((self.coefficients * powers).sum(axis=1))


def _pchip_slopes(x: Array, y: Array) -> Array:
    width = np.diff(x)
    secant = np.diff(y) / width
    before, after = secant[:, :-1], secant[:, 1:]
    # The weighted harmonic mean of the secants beside a knot; flat where they differ in sign.
    weight_before = 2 * width[:, 1:] + width[:, :-1]
    weight_after = width[:, 1:] + 2 * width[:, :-1]
    total = weight_before + weight_after
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / (weight_before / before + weight_after / after)
    slopes = np.empty_like(y)
    slopes[:, 1:-1] = np.where(before * after > 0, mean, 0.0)
    slopes[:, 0] = _end_slope(width[:, 0], width[:, 1], secant[:, 0], secant[:, 1])
    slopes[:, -1] = _end_slope(width[:, -1], width[:, -2], secant[:, -1], secant[:, -2])
    return slopes


def _end_slope(near: Array, next_: Array, secant: Array, next_secant: Array) -> Array:
    """Return the three-point estimate at an end knot, held back so that the shape is kept."""
    slope = ((2 * near + next_) * secant - near * next_secant) / (near + next_)
    slope = np.where(np.sign(slope) != np.sign(secant), 0.0, slope)
    turns = np.sign(secant) != np.sign(next_secant)
    return np.where(turns & (np.abs(slope) > 3 * np.abs(secant)), 3 * secant, slope)


def _akima_slopes(x: Array, y: Array) -> Array:
    knots = x.shape[1]
    secant = np.empty((len(x), knots + 3))
    secant[:, 2:-2] = np.diff(y) / np.diff(x)
    # Two secants more at each end, on a line through the last two.
    secant[:, 1] = 2 * secant[:, 2] - secant[:, 3]
    secant[:, 0] = 2 * secant[:, 1] - secant[:, 2]
    secant[:, -2] = 2 * secant[:, -3] - secant[:, -4]
    secant[:, -1] = 2 * secant[:, -2] - secant[:, -3]
    turn = np.abs(np.diff(secant))
    before, after = turn[:, :-2], turn[:, 2:]
    total = before + after
    # Where both turns vanish the slope is undefined; SciPy's rule and threshold.
    straight = total <= 1e-9 * total.max(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        mixed = secant[:, 1:-2] + before / total * (secant[:, 2:-1] - secant[:, 1:-2])
    return np.where(straight, 0.5 * (secant[:, 3:] + secant[:, :-3]), mixed)


def _polynomial(x: Array, y: Array) -> Polynomial:
    low, high = x[:, 0], x[:, -1]
    centre, half = (low + high) / 2, (high - low) / 2
    # In [-1, 1] the powers are well conditioned; QR instead of the normal equations.
    u = (x - centre[:, None]) / half[:, None]
    q, r = np.linalg.qr(u[:, :, None] ** np.arange(4))
    coefficients = np.linalg.solve(r, q.transpose(0, 2, 1) @ y[:, :, None])[:, :, 0]
    return Polynomial(centre, half, coefficients)

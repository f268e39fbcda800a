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
    return Hermite(x, y, slopes(x, y))


@dataclass(frozen=True, eq=False)
class Hermite:
    """Piecewise cubics with value and slope given at the knots, each of shape (rows, knots)."""

    x: Array
    y: Array
    slope: Array

    def integral(self, low: Array, high: Array) -> Array:
        """Return the integral between two points of each row."""
        start, end = self.x[:, :-1], self.x[:, 1:]
        width = end - start
        a = (np.clip(low[:, None], start, end) - start) / width
        b = (np.clip(high[:, None], start, end) - start) / width
        value = self.y[:, :-1] * _area(a, b, (0.5, -1.0, 0.0, 1.0))
        value += self.y[:, 1:] * _area(a, b, (-0.5, 1.0, 0.0, 0.0))
        value += width * self.slope[:, :-1] * _area(a, b, (0.25, -2 / 3, 0.5, 0.0))
        value += width * self.slope[:, 1:] * _area(a, b, (0.25, -1 / 3, 0.0, 0.0))
        return np.asarray((width * value).sum(axis=1))

    def __call__(self, x: Array) -> Array:
        """Return the value at one point of each row."""
        knots = self.x.shape[1]
        segment = np.clip((self.x <= x[:, None]).sum(axis=1) - 1, 0, knots - 2)
        row = np.arange(len(x))
        width = self.x[row, segment + 1] - self.x[row, segment]
        t = (x - self.x[row, segment]) / width
        left = self.y[row, segment] * (1 + 2 * t) + width * self.slope[row, segment] * t
        right = self.y[row, segment + 1] * (3 - 2 * t)
        right -= width * self.slope[row, segment + 1] * (1 - t)
        return np.asarray((1 - t) ** 2 * left + t**2 * right)


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


def _area(a: Array, b: Array, coefficients: tuple[float, float, float, float]) -> Array:
    """Return P(b) - P(a) for P(t) = c4 t⁴ + c3 t³ + c2 t² + c1 t."""
    c4, c3, c2, c1 = coefficients
    upper = (((c4 * b + c3) * b + c2) * b + c1) * b
    lower = (((c4 * a + c3) * a + c2) * a + c1) * a
    return np.asarray(upper - lower)


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

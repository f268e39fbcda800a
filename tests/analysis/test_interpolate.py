"""Interpolation of many rows at once; the oracle is SciPy and NumPy, row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import Akima1DInterpolator, PchipInterpolator

from bench.analysis.interpolate import Array, fit


@st.composite
def rows(draw: st.DrawFn) -> tuple[Array, Array]:
    """Knots of 1 to 4 curves with steps of very different widths; y falls and rises."""
    shape = (draw(st.integers(1, 4)), draw(st.integers(4, 12)))
    step = st.floats(1e-3, 1e3)
    widths = draw(st.lists(step, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    value = st.floats(-100, 100).map(lambda v: round(v, 3))
    values = draw(st.lists(value, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    return np.cumsum(np.reshape(widths, shape), axis=1), np.reshape(values, shape)


def _inside(x: Array, share: float) -> Array:
    return np.asarray(np.minimum(x[:, 0] + share * (x[:, -1] - x[:, 0]), x[:, -1]))


@given(rows(), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_pchip_is_scipys(knots: tuple[Array, Array], a: float, b: float) -> None:
    x, y = knots
    ours = fit(x, y, "pchip")
    low, high = _inside(x, min(a, b)), _inside(x, max(a, b))
    for i in range(len(x)):
        theirs = PchipInterpolator(x[i], y[i])
        scale = 1e-9 * max(1.0, np.abs(y[i]).max())
        span = max(1.0, high[i] - low[i])
        assert ours.integral(low, high)[i] == pytest.approx(
            theirs.integrate(low[i], high[i]), rel=1e-9, abs=scale * span
        )
        assert ours(low)[i] == pytest.approx(float(theirs(low[i])), rel=1e-9, abs=scale)


@given(rows(), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_akima_is_scipys(knots: tuple[Array, Array], a: float, b: float) -> None:
    x, y = knots
    ours = fit(x, y, "akima")
    low, high = _inside(x, min(a, b)), _inside(x, max(a, b))
    for i in range(len(x)):
        theirs = Akima1DInterpolator(x[i], y[i])
        # Slopes can be far steeper than values: steps are as narrow as 0.001.
        scale = 1e-9 * max(1.0, np.abs(np.diff(y[i]) / np.diff(x[i])).max() * np.ptp(x[i]))
        span = max(1.0, high[i] - low[i])
        assert ours.integral(low, high)[i] == pytest.approx(
            float(theirs.integrate(low[i], high[i])), rel=1e-9, abs=scale * span
        )


def test_akima_takes_the_mean_slope_where_both_neighbours_are_straight() -> None:
    # Two straight lines that meet in a knot: Akima (1970) leaves that slope open, SciPy halves it.
    x = np.arange(7.0)[None]
    y = np.array([[0.0, 0, 0, 0, 1, 2, 3]])
    theirs = Akima1DInterpolator(x[0], y[0])
    middle = np.array([3.5])
    assert fit(x, y, "akima")(middle)[0] == pytest.approx(float(theirs(3.5)))


@pytest.mark.parametrize("knots", [4, 6, 9])
def test_the_cubic_is_the_least_squares_polynomial_of_numpy(knots: int) -> None:
    generator = np.random.default_rng(knots)
    x = np.cumsum(generator.uniform(1, 3, (3, knots)), axis=1) + 25
    y = generator.normal(size=(3, knots))
    ours = fit(x, y, "cubic")
    low, high = _inside(x, 0.2), _inside(x, 0.9)
    for i in range(3):
        theirs = np.polynomial.Polynomial.fit(x[i], y[i], 3)
        area = theirs.integ()
        assert ours(low)[i] == pytest.approx(theirs(low[i]), abs=1e-10)
        assert ours.integral(low, high)[i] == pytest.approx(area(high[i]) - area(low[i]), abs=1e-10)


def test_four_knots_are_met_by_every_method() -> None:
    x, y = np.array([[26.0, 29, 33, 38]]), np.array([[-2.0, -1.1, -0.4, 0.5]])
    for method in ("pchip", "akima", "cubic"):
        curve = fit(x, y, method)
        assert [curve(x[:, k])[0] for k in range(4)] == pytest.approx(list(y[0]))

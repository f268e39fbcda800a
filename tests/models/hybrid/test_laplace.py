"""Rates are those of SciPy's Laplacian, tables those of the rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch

from bench.models.hybrid import laplace


def _expected(values: np.ndarray, scale: float) -> np.ndarray:
    law = scipy.stats.laplace(scale=scale / math.sqrt(2))
    return -np.log2(law.cdf(values + 0.5) - law.cdf(values - 0.5))


@pytest.mark.parametrize("scale", [0.1, 0.5, 3.0, 40.0])
def test_bits_of_whole_numbers_are_those_of_the_integrated_density(scale):
    symbols = np.arange(-4, 5).astype(float)
    if scale < 0.2:
        symbols = symbols[3:6]  # beyond, SciPy's difference is rounding noise
    got = laplace.bits(torch.tensor(symbols), torch.full((len(symbols),), math.log(scale)).double())
    assert np.allclose(got, _expected(symbols, scale), rtol=1e-5)


def test_bits_of_continuous_values_are_those_of_the_integrated_density():
    values = np.linspace(-2.3, 2.3, 31)
    got = laplace.density_bits(torch.tensor(values), torch.full((31,), math.log(0.8)).double())
    assert np.allclose(got, _expected(values, 0.8), rtol=1e-5)


@pytest.mark.parametrize("cost", [laplace.bits, laplace.density_bits])
def test_gradients_are_those_of_finite_differences(cost):
    values = torch.tensor([-3.2, -0.3, 0.2, 0.7, 1.4, 6.1], dtype=torch.float64, requires_grad=True)
    scales = torch.tensor([0.3, -1.0, 0.1, 1.1, 0.4, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(cost, (values, scales))


def test_a_scale_beyond_the_tables_is_only_pulled_back():
    scale = torch.tensor([-9.0, -9.0], dtype=torch.float64, requires_grad=True)
    laplace.bits(torch.tensor([3.0, 0.0]).double(), scale).sum().backward()
    assert scale.grad[0] < 0  # a large symbol wants a larger scale
    assert scale.grad[1] == 0  # a zero wants a smaller one, which there is not


def test_tables_say_what_the_rates_say():
    tables = laplace.tables()
    for row in (0, 20, 40, 63):
        scale = math.exp(laplace.log_scales()[row])
        symbols = np.arange(-2, 3) if row else np.array([0])
        at = symbols - tables.offsets[row]
        frequencies = np.diff(tables.cdf[row])[at] / 65536
        assert np.allclose(
            -np.log2(frequencies), _expected(symbols.astype(float), scale), atol=0.05
        )


def test_what_is_counted_is_what_there_was():
    rng = np.random.default_rng(5)
    symbols = np.rint(rng.laplace(scale=8, size=5000))
    scales = rng.uniform(-4, 6, 5000)
    counts = laplace.count(torch.tensor(symbols), torch.tensor(scales))
    expected = np.zeros_like(counts)
    for symbol, scale in zip(np.abs(symbols), scales, strict=True):
        row = int((scale > laplace.log_scales()[:-1]).sum())
        expected[row, max(i for i, low in enumerate(laplace.BINS) if low <= symbol)] += 1
    assert np.array_equal(counts, expected)
    assert counts.sum() == 5000


def test_tables_follow_what_was_counted_and_the_laplacian_where_nothing_was():
    plain = laplace.tables()
    counts = np.zeros((laplace.SCALES, len(laplace.BINS)))
    same = laplace.tables(counts)
    assert np.array_equal(same.cdf, plain.cdf)
    row = 30
    counts[row, :4] = 6e6, 3e6, 1e6, 0
    # Beyond the last symbol of a table: the escape's.
    counts[0, -1] = 900.0
    fitted = laplace.tables(counts)
    untouched = [i for i in range(laplace.SCALES) if i not in (0, row)]
    assert np.array_equal(fitted.cdf[untouched], plain.cdf[untouched])
    assert np.array_equal(fitted.lengths, plain.lengths)
    zero = -fitted.offsets[row]
    frequencies = np.diff(fitted.cdf[row])[zero - 3 : zero + 4] / 65536
    assert np.allclose(frequencies, [0, 0.05, 0.15, 0.6, 0.15, 0.05, 0], atol=2e-3)
    assert np.diff(fitted.cdf[0])[fitted.escapes[0]] / 65536 == pytest.approx(0.9, abs=1e-3)

"""The gradient of rounding, against integrals over the blur."""

from __future__ import annotations

import math

import pytest
import torch

from bench.models.hybrid.laplace import Law
from bench.models.hybrid.quantize import ScalarQuantizer
from bench.models.hybrid.rdo import choose
from bench.models.hybrid.thresholds import BLUR, Thresholds, through_thresholds

CURVATURE, BIT, TARGET = 0.6, 0.2, 0.25


def _cost(symbol: torch.Tensor, law: Law) -> torch.Tensor:
    """A cost that is not the quantiser's own: another best value, and another worth of a bit."""
    return CURVATURE * (symbol - TARGET) ** 2 + BIT * law.bits(symbol)


@pytest.mark.parametrize("weight", [None, 0.13, 1.5])
@pytest.mark.parametrize("log_scale", [-2.0, 0.0, 2.0])
def test_it_is_the_slope_of_the_mean_cost_of_a_blurred_value(weight, log_scale):
    law = Law.of(torch.tensor(log_scale, dtype=torch.float64))
    weights = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    values = torch.linspace(0.05, 4.05, 81, dtype=torch.float64)
    # The mean over the blur, and its slope: both from the blur's density on a fine grid.
    grid = torch.linspace(-5, 9, 28001, dtype=torch.float64)
    costs = _cost(choose(grid, law, weights), law)
    away = (grid - values[:, None]) / BLUR
    density = torch.exp(-0.5 * away**2) / (BLUR * math.sqrt(2 * math.pi))
    expected = (costs * density * away / BLUR).sum(1) * (grid[1] - grid[0])

    symbol = choose(values, law, weights)
    slope = 2 * CURVATURE * (symbol - TARGET)
    thresholds = Thresholds.of(values, symbol, law, weights)
    found = thresholds.gradient(slope, torch.tensor(CURVATURE), BIT)
    # Thresholds further away than the next are left out, and so is the one beyond zero.
    far = values > 1.0 if weight is None else values > 1.5
    assert torch.allclose(found[far], expected[far], atol=0.02, rtol=0.02)
    assert torch.equal(-found, Thresholds.of(-values, -symbol, law, weights).gradient(
        -slope, torch.tensor(CURVATURE), BIT
    ))  # fmt: skip


def test_a_weak_value_is_lifted_by_straight_through_and_not_by_its_threshold():
    # Zero is 0.4 off, one would be 0.6 off and cost bits.
    v = torch.tensor([0.4], requires_grad=True)
    slopes = {}
    for kind in ("ste", "threshold"):
        v_hat, bits = ScalarQuantizer(kind, 1).train()(
            v,
            torch.zeros(1),
            torch.zeros(1),
            torch.tensor([0.13]),
            curvature=torch.tensor([1 / 0.13]),
        )
        assert v_hat.item() == 0
        error = (v_hat - 0.4).square().sum() + 0.13 * bits.sum()
        (slopes[kind],) = torch.autograd.grad(error, v)
    assert slopes["ste"] < 0 < slopes["threshold"]


def test_values_and_bits_are_those_of_rounding_and_scales_learn_from_them():
    torch.manual_seed(0)
    residual = (3 * torch.randn(2, 3, 5)).requires_grad_()
    log_scale = torch.randn(2, 3, 5).requires_grad_()
    law = Law.of(log_scale)
    symbol = choose(residual.detach(), law.detach(), None)
    same, bits = through_thresholds(residual, symbol, law, None, torch.ones(()))
    assert torch.equal(same, symbol)
    assert torch.equal(bits, law.bits(symbol))
    (found,) = torch.autograd.grad(bits.sum(), log_scale, retain_graph=True)
    (expected,) = torch.autograd.grad(Law.of(log_scale).bits(symbol).sum(), log_scale)
    assert torch.allclose(found, expected)


def test_a_mean_between_thresholds_is_free_to_move():
    # What is decoded is the symbol's place about the mean, and far from thresholds it stays.
    mean = torch.tensor([0.1, 0.1], requires_grad=True)
    v = torch.tensor([0.1, 0.6])
    v_hat, _ = ScalarQuantizer("threshold", 1).train()(
        v, mean, torch.zeros(2), None, curvature=torch.zeros(2)
    )
    (slope,) = torch.autograd.grad(v_hat.sum(), mean)
    assert slope[0] == pytest.approx(1, abs=0.35)
    # On the threshold, the value's own crossing takes back what the mean gives.
    assert slope[1] < 0

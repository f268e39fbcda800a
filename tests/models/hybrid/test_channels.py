"""What differs by channel: the curve itself, and the steps that follow it."""

from __future__ import annotations

import math

import pytest
import torch
from hybrid_variants import arguments

from bench.models.hybrid.channels import RANKS, by_channel
from bench.models.hybrid.laplace import Law
from bench.models.hybrid.model import Hybrid


def test_one_value_is_that_of_every_channel():
    values = by_channel(0.13, 5, torch.tensor([0.0, 0.7]))
    assert values.shape == (2, 5, 1)
    assert torch.equal(values, torch.full((2, 5, 1), 0.13))


def test_values_rise_from_the_strongest_channel_to_the_weakest_of_each_quality():
    values = by_channel((0.01, 3.0, 0.3), RANKS, torch.tensor([0.0, 0.5, 1.0]).double())[..., 0]
    assert values[:, 0].tolist() == pytest.approx([0.01] * 3)
    assert values[:, -1].tolist() == pytest.approx([3.0, math.sqrt(0.9), 0.3])
    assert bool((values.diff(dim=1) > 0).all())
    assert bool((values.diff(dim=0)[:, 1:] < 0).all())
    fewer = by_channel((0.01, 3.0, 0.3), 160, torch.tensor([0.5]).double())[..., 0]
    assert torch.equal(fewer, values[1:2, :160])


def _bits_and_values(steps: object) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return bits, latent and reconstructed latent of an untrained network, all times the gains."""
    torch.manual_seed(5)
    model = Hybrid(**arguments("base") | {"steps": steps, "rdo": 0}).eval()
    x = torch.rand(1, 3, 64, 64)
    quality = torch.tensor([60.0])
    with torch.no_grad():
        v = model.analyse(x, (quality - 50).reshape(-1, 1, 1, 1) / 25) * model.gains(quality)[0]
        coded = model(x, quality)
    return coded.bits, v, coded.latent


def test_values_lie_on_a_grid_as_coarse_as_the_step_says():
    steps = (0.5, 4.0, 2.0)
    _, v, reconstructed = _bits_and_values(steps)
    expected = by_channel(steps, v.shape[1], torch.tensor([0.6]))[..., None]
    error = (v - reconstructed).abs() / expected
    assert float(error.max()) <= 0.5 + 1e-4
    # Untrained means are zero.
    assert torch.allclose(reconstructed / expected, (reconstructed / expected).round(), atol=1e-3)


def test_bits_are_those_of_the_scale_in_steps():
    torch.manual_seed(5)
    model = Hybrid(**arguments("base") | {"steps": 2.0, "rdo": 0}).eval()
    quality = torch.tensor([60.0])
    bits, v, reconstructed = _bits_and_values(2.0)
    log_scale = model.setting(quality).log_scale - math.log(2)
    symbols = (reconstructed / 2).round()
    with torch.no_grad():
        expected = Law.of(log_scale.expand_as(v)).bits(symbols).sum()
    assert float(bits) == pytest.approx(float(expected), rel=1e-4)


def test_a_bit_is_worth_the_same_squared_error_at_every_step():
    one, coarse = (Hybrid(**arguments("base") | {"steps": s}) for s in (1.0, (0.5, 3.0, 2.0)))
    quality = torch.tensor([10.0, 90.0])
    log_step = coarse.log_steps(quality)
    assert log_step is not None
    weights, same = coarse.rate_weights(0.2, quality), one.rate_weights(0.2, quality)
    assert weights is not None
    assert same is not None
    assert torch.allclose(weights * torch.exp(2 * log_step), same)
    assert one.log_steps(quality) is None
    assert one.rate_weights(0.0, quality) is None

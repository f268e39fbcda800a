"""What a value becomes, and what a bit of it is worth."""

from __future__ import annotations

import math

import pytest
import torch

from bench.models.hybrid.laplace import Law
from bench.models.hybrid.rdo import RANKS, by_channel, choose


def test_one_weight_is_that_of_every_channel_and_none_is_rounding():
    share = torch.tensor([0.0, 0.7])
    weights = by_channel(0.13, 5, share)
    assert weights.shape == (2, 5, 1)
    assert torch.equal(weights, torch.full((2, 5, 1), 0.13))
    assert by_channel(0, 5, share) is None
    residual = torch.tensor([-1.4, 0.6])
    assert choose(residual, Law.of(torch.zeros(2)), None).tolist() == [-1, 1]


def test_weights_rise_from_the_strongest_channel_to_the_weakest_of_each_quality():
    weights = by_channel((0.01, 3.0, 0.3), RANKS, torch.tensor([0.0, 0.5, 1.0]).double())[..., 0]
    assert weights[:, 0].tolist() == pytest.approx([0.01] * 3)
    assert weights[:, -1].tolist() == pytest.approx([3.0, math.sqrt(0.9), 0.3])
    assert bool((weights.diff(dim=1) > 0).all())
    assert bool((weights.diff(dim=0)[:, 1:] < 0).all())
    fewer = by_channel((0.01, 3.0, 0.3), 160, torch.tensor([0.5]).double())[..., 0]
    assert torch.equal(fewer, weights[1:2, :160])


def test_the_choice_is_the_cheaper_of_two_by_each_channels_own_weight():
    torch.manual_seed(3)
    residual = torch.randn(2, 3, 400, dtype=torch.float64) * 2
    law = Law.of(torch.randn(2, 3, 400, dtype=torch.float64))
    weight = torch.tensor([0.01, 0.2, 1.0]).double()[None, :, None].expand(2, 3, 1)
    chosen = choose(residual, law, weight)
    rounded = torch.round(residual)
    nearer = rounded - torch.sign(rounded)
    cost = {s: (residual - s) ** 2 + weight * law.bits(s) for s in (rounded, nearer)}
    cheapest = torch.minimum(*cost.values())
    assert torch.allclose((residual - chosen) ** 2 + weight * law.bits(chosen), cheapest)
    moved = (chosen != rounded).float().mean((0, 2))
    assert 0 < moved[0] < moved[1] < moved[2]

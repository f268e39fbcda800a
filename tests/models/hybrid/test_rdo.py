"""What a value becomes, and what a bit of it is worth."""

from __future__ import annotations

import torch

from bench.models.hybrid.laplace import Law
from bench.models.hybrid.rdo import choose


def test_without_a_weight_the_choice_is_rounding():
    residual = torch.tensor([-1.4, 0.6])
    assert choose(residual, Law.of(torch.zeros(2)), None).tolist() == [-1, 1]


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

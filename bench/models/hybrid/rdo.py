"""Rate-distortion optimised quantisation: which whole number a value of the latent becomes.

What a bit is worth differs by channel: strong coefficients tell what others will be, and what an
isolated weak one brings is less than its squared error: learned branches take noise out again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.models.hybrid.laplace import Law


def choose(residual: Tensor, law: Law, weight: Tensor | None) -> Tensor:
    """Return whole numbers for `residual`: rounded, or one nearer to zero where that pays.

    It pays where the squared error grows by less than `weight` times the bits that are saved;
    `weight` has a shape that spreads over that of `residual`, None is plain rounding.
    """
    symbol = torch.round(residual)
    if weight is None:
        return symbol
    nearer = symbol - torch.sign(symbol)
    cost = (residual - symbol) ** 2 + weight * law.bits(symbol)
    other = (residual - nearer) ** 2 + weight * law.bits(nearer)
    return torch.where(other < cost, nearer, symbol)

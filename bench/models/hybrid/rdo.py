"""Rate-distortion optimised quantisation: which whole number a value of the latent becomes.

What a bit is worth differs by channel: strong coefficients tell what others will be, and what an
isolated weak one brings is less than its squared error: learned branches take noise out again.
"""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import torch
from torch import Tensor

from bench.models.hybrid.laplace import Law

#: One weight for all, or those of the strongest channel and of the weakest there can be, the latter
#: at the lowest and at the highest quality.
Weights = float | tuple[float, float, float]
#: Coefficients of a block of 16×16 in three colours: the rank of the weakest there can be.
RANKS = 768
#: How weights rise with the logarithm of the rank between the two ends.
SHAPE = 1.5


def faults_of(weights: object) -> list[str]:
    """Return what is wrong with `weights` as read from a card."""
    if isinstance(weights, tuple):
        if len(weights) != 3 or not all(_is_number(one) and 0 < one < math.inf for one in weights):
            return [f"rdo: a number, or three positive ones were expected, got {list(weights)}"]
    elif not _is_number(weights):
        return [f"rdo: a number, or three positive ones were expected, got {weights!r}"]
    elif not 0 <= weights < math.inf:
        return ["rdo: zero or a positive weight was expected"]
    return []


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def by_channel(weights: Weights, channels: int, share: Tensor) -> Tensor | None:
    """Return each channel's weight of the rate, in squared steps per bit, (batch, channels, 1), in
    the dtype of `share`; None where the rate has no weight.

    Parameters
    ----------
    channels : of the latent, the strongest first.
    share : qualities, (batch,), as shares of the highest: 0 … 1.
    """
    if not isinstance(weights, tuple):
        return share.new_full((len(share), channels, 1), weights) if weights else None
    strongest, coarse, fine = (math.log(weight) for weight in weights)
    weakest = coarse + (fine - coarse) * share
    ranks = torch.arange(1, channels + 1, dtype=share.dtype, device=share.device)
    place = (ranks.log() / math.log(RANKS)) ** SHAPE
    logarithm = strongest + (weakest[:, None] - strongest) * place
    return torch.exp(logarithm)[..., None]


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

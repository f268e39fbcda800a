"""Rate-distortion optimised quantisation: which whole number a value of the latent becomes.

What a bit is worth differs by channel: strong coefficients tell what others will be, and what an
isolated weak one brings is less than its squared error: learned branches take noise out again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.models.hybrid.laplace import Law
from bench.models.hybrid.squares import pick, put

if TYPE_CHECKING:
    from bench.models.hybrid.channels import ByChannel
    from bench.models.hybrid.model import Hybrid


@dataclass(frozen=True)
class Choice:
    """A latent as an encoder would code it, each (batch, channels, height, width).

    Parameters
    ----------
    v_hat : reconstructed latent times its gains.
    residual, symbol : what was rounded, in its steps, and to what.
    log_scale : logarithms of the scales, in steps.
    """

    v_hat: Tensor
    residual: Tensor
    symbol: Tensor
    log_scale: Tensor


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


def chosen(model: Hybrid, latent: Tensor, z_hat: Tensor, quality: Tensor, rdo: ByChannel) -> Choice:
    """Return what an encoder makes of a latent in steps, beside its side information.

    In the precision of `latent`: what is written is walked in exact arithmetic, by
    :class:`bench.models.hybrid.coder.HybridCoder`.
    """
    assert model.context is not None
    weight = model.rate_weights(rdo, quality)
    residual, symbol, scales = (torch.zeros_like(latent) for _ in range(3))

    def take(mean: Tensor, log_scale: Tensor, part: slice, squares: Tensor | None) -> Tensor:
        rest = pick(latent[:, part], squares) - mean
        rounded = choose(rest, Law.of(log_scale), None if weight is None else weight[:, part])
        for planes, values in ((residual, rest), (symbol, rounded), (scales, log_scale)):
            planes[:, part] = put(planes[:, part], squares, values)
        return mean + rounded

    size = (latent.shape[2], latent.shape[3])
    side = model.context.side_features(z_hat, size)
    v_hat = model.context.walk(side, model.setting(quality), size, take)
    return Choice(v_hat, residual, symbol, scales)

"""The gradient of a value that is rounded: what it would bring to cross a threshold.

Straight-through rounding tells the latent that the reconstruction follows it. It does not: a value
far below its threshold stays zero, and one that crosses jumps by a whole step, whose error grows
with the step's square. So it lifts weak values that are not worth their bits.

Here a Gaussian blurs the two thresholds next to a value. The gradient is the density there times
what the step across changes: the error to the second order, and the bits that the law says.

References
----------
Y. Bengio, N. Léonard, A. Courville, "Estimating or propagating gradients through stochastic neurons
for conditional computation", 2013 (straight-through, and what else there is).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

#: Standard deviation of the blur, in steps.
BLUR = 0.3


class Law(Protocol):
    """What symbols cost."""

    def bits(self, symbol: Tensor) -> Tensor:
        """Return the bits that whole numbers cost, in their shape."""


class Thresholds(NamedTuple):
    """The two thresholds next to each value, away from zero and towards it.

    Parameters
    ----------
    sign : of the value's side of zero.
    up, down : densities of the blurred value at the thresholds; none down from zero.
    up_bits, down_bits : bits that the step across it, away from zero, adds.
    """

    sign: Tensor
    up: Tensor
    down: Tensor
    up_bits: Tensor
    down_bits: Tensor

    @classmethod
    def of(cls, residual: Tensor, symbol: Tensor, law: Law, weight: Tensor | None) -> Thresholds:
        """Return those next to `residual`, in steps, which became `symbol` by
        :func:`bench.models.hybrid.rdo.choose` with `weight`.
        """
        sign = torch.where(symbol == 0, residual.sign(), symbol.sign())
        size, place = symbol.abs(), residual * sign
        bits, some = law.bits(size), size > 0
        up_bits = law.bits(size + 1) - bits
        down_bits = torch.where(some, bits - law.bits((size - 1).clamp_min(0)), 0)
        half = torch.zeros_like(bits) if weight is None else weight / 2
        # One nearer to zero than rounded is as far as the choice goes.
        up = _density(place - (size + 0.5 + (half * up_bits).clamp(max=1)))
        down = torch.where(
            some, _density(place - (size - 0.5 + (half * down_bits).clamp(max=1))), 0
        )
        return cls(sign, up, down, up_bits, down_bits)

    def gradient(self, slope: Tensor, curvature: Tensor, bit: Tensor | float) -> Tensor:
        """Return the derivative of a cost in the values.

        Parameters
        ----------
        slope : derivative of the cost but for the values' own bits in what they are decoded as.
        curvature : what that cost grows by, beside the slope, where one of them is a step off.
        bit : cost of a bit.
        """
        slope = slope * self.sign
        up = self.up * (slope + curvature + bit * self.up_bits)
        down = self.down * (slope - curvature + bit * self.down_bits)
        return (up + down) * self.sign


def through_thresholds(
    residual: Tensor, symbol: Tensor, law: Law, weight: Tensor | None, curvature: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the symbols and their bits, whose gradient in `residual` is that of its thresholds.

    Parameters
    ----------
    residual, symbol, weight : as in :meth:`Thresholds.of`.
    curvature : as in :meth:`Thresholds.gradient`, in bits.
    """
    with torch.no_grad():
        thresholds = Thresholds.of(residual, symbol, law, weight)
    result: tuple[Tensor, Tensor] = _Through.apply(
        residual, symbol, law.bits(symbol), curvature, *thresholds
    )
    return result


def _density(distance: Tensor) -> Tensor:
    return torch.exp(-0.5 * (distance / BLUR) ** 2) / (BLUR * math.sqrt(2 * math.pi))


class _Through(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, residual: Tensor, symbol: Tensor, bits: Tensor, curvature: Tensor, *thresholds: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(curvature, *thresholds)
        return symbol.clone(), bits.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        slope, bit = gradients
        curvature, *thresholds = ctx.saved_tensors
        moved = Thresholds(*thresholds).gradient(slope, bit * curvature, bit)
        return moved, None, bit, *(None,) * (1 + len(thresholds))

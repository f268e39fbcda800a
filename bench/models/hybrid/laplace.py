"""The latent's distribution: rounded zero-mean Laplacians, in training and as tables.

Transform coefficients are Laplacian rather than Gaussian: on training photos and with the same
context model, 10 % less rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.entropy.tables import TOTAL, Floats, Tables, stack
from bench.models.entropy_models import EntropyModel

#: Logarithms of the tabulated scales (standard deviations, in steps): even from 0.08 to 128.
SCALES = 64
LOWEST, HIGHEST = math.log(0.08), math.log(128.0)
#: Magnitudes that are counted together where tables are counted: alone up to six, then in bins that
#: double. The last has no end.
BINS = (0, 1, 2, 3, 4, 5, 6, 7, 13, 25, 49)
#: What a Laplacian weighs beside the counts of a scale, in symbols.
BELIEF = 100.0
#: A table ends where a symbol's frequency would fall below this many 65536ths: rarer ones are
#: escapes, since raising their frequencies to one would be paid for by the likely ones.
RAREST = 1.0


def log_scales() -> Floats:
    """Return the logarithms of the tabulated scales, rising."""
    return np.linspace(LOWEST, HIGHEST, SCALES)


@dataclass(frozen=True)
class Law:
    """What a scale says of every symbol, computed once for all that are asked about.

    Parameters
    ----------
    rate : of the decay from a whole number to the next.
    tail : logarithm of one minus that decay.
    zero : bits of a zero.
    """

    rate: Tensor
    tail: Tensor
    zero: Tensor

    @classmethod
    def of(cls, log_scale: Tensor) -> Law:
        """Return the law of scales, clamped to the tabulated ones; a gradient is let through where
        it leads back inside.
        """
        rate = math.sqrt(2) * torch.exp(-leaky_clamp(log_scale, LOWEST, HIGHEST))
        return cls(rate, torch.log(-torch.expm1(-rate)), -torch.log2(-torch.expm1(-rate / 2)))

    def bits(self, symbol: Tensor) -> Tensor:
        """Return the bits that whole numbers cost, in their shape, differentiable."""
        distance = symbol.abs()
        outer = 1 + ((distance - 0.5) * self.rate - self.tail) / math.log(2)
        # Between 0 and 1 (additive noise, soft rounding) the two meet where both are exact.
        one = torch.maximum(1 + (0.5 * self.rate - self.tail) / math.log(2), self.zero)
        inner = self.zero + (one - self.zero) * distance
        return torch.where(distance < 1, inner, outer)

    def detach(self) -> Law:
        """Return the same law without gradient."""
        return Law(self.rate.detach(), self.tail.detach(), self.zero.detach())


def bits(symbol: Tensor, log_scale: Tensor) -> Tensor:
    """Return the bits that whole numbers cost, differentiable in both arguments.

    Parameters
    ----------
    symbol, log_scale : of one shape; the scale counts from the smallest to the largest tabulated.
    """
    return Law.of(log_scale).bits(symbol)


def density_bits(value: Tensor, log_scale: Tensor) -> Tensor:
    """Return the bits of continuous values under the Laplacian integrated over a step."""
    rate = math.sqrt(2) * torch.exp(-leaky_clamp(log_scale, LOWEST, HIGHEST))
    distance = value.abs()
    outer = 1 + ((distance - 0.5) * rate - torch.log(-torch.expm1(-rate))) / math.log(2)
    near = distance.clamp(max=0.5)
    spread = torch.exp(-rate * (0.5 - near)) + torch.exp(-rate * (0.5 + near))
    inner = -torch.log2((1 - 0.5 * spread).clamp_min(1e-9))
    return torch.where(distance < 0.5, inner, outer)


def count(symbol: Tensor, log_scale: Tensor) -> Floats:
    """Return how often whole numbers of each tabulated scale fall into each of :data:`BINS` by
    magnitude: (SCALES, bins).
    """
    boundaries = torch.from_numpy(log_scales()[:-1]).to(log_scale)
    row = torch.bucketize(log_scale.contiguous(), boundaries)
    edges = torch.tensor(BINS[1:], device=symbol.device, dtype=symbol.dtype)
    column = torch.bucketize(symbol.abs().contiguous(), edges, right=True)
    flat = (row * len(BINS) + column).flatten()
    counts = torch.bincount(flat, minlength=SCALES * len(BINS)).reshape(SCALES, len(BINS))
    result: Floats = counts.cpu().numpy().astype(np.float64)
    return result


def tables(counts: Floats | None = None) -> Tables:
    """Return a frequency table per tabulated scale: of the Laplacian, or of what :func:`count` saw,
    with the Laplacian's shape within a bin and its share where little was seen.
    """
    pmfs, offsets = [], []
    for row, scale in enumerate(np.exp(log_scales())):
        rate = math.sqrt(2) / scale
        likeliest = TOTAL / RAREST * -math.expm1(-rate) / 2
        reach = max(1, math.floor(math.log(max(1.0, likeliest)) / rate + 0.5))
        distance = np.abs(np.arange(-reach, reach + 1))
        pmf = np.exp(-rate * (distance - 0.5)) * -np.expm1(-rate) / 2
        pmf[reach] = -np.expm1(-rate / 2)
        # P(|s| > n) = exp(-rate (n + 1/2))
        pmf = np.append(pmf, np.exp(-rate * (reach + 0.5)))
        if counts is not None:
            bins = np.searchsorted(BINS, np.append(distance, reach + 1), "right") - 1
            believed = np.bincount(bins, pmf, minlength=len(BINS))
            seen = counts[row].copy()
            # What lies beyond the table is the escape's, whichever bin it would be in.
            seen[bins.max()] += seen[bins.max() + 1 :].sum()
            seen[bins.max() + 1 :] = 0
            share = (seen + BELIEF * believed) / (seen.sum() + BELIEF)
            pmf *= (share / np.where(believed, believed, 1))[bins]
        pmfs.append(pmf)
        offsets.append(-reach)
    return stack(pmfs, offsets)


class LaplaceModel(EntropyModel):
    """The tables that the coder uses, pinned with the weights."""

    log_scales: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("log_scales", torch.from_numpy(log_scales()))

    def make_tables(self) -> Tables:
        """Return a table per scale."""
        return tables()

    def fit(self, counts: Floats) -> None:
        """Pin the tables of what :func:`count` saw."""
        self.pin(tables(counts))


class _LeakyClamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, low: float, high: float) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        ctx.limits = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def]
        (x,) = ctx.saved_tensors
        low, high = ctx.limits
        stuck = ((x < low) & (gradient > 0)) | ((x > high) & (gradient < 0))
        return gradient.masked_fill(stuck, 0.0), None, None


def leaky_clamp(x: Tensor, low: float, high: float) -> Tensor:
    """Return x clamped, whose gradient still passes where it would lead x back inside."""
    clamped: Tensor = _LeakyClamp.apply(x, low, high)
    return clamped

"""Search at encoding time, for the published networks as well: see
:mod:`bench.models.hybrid.refine`.

Nothing has to be tuned for a network. What a bit is worth is what training paid for it, what a step
of each channel brings to the picture's error is measured, and a pass whose cost is higher is taken
back: transforms whose channels share much, or means that follow what is decoded, go less far in a
pass. Side information is that of the latent before the search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.models.entropy_models import GaussianConditional
from bench.models.hybrid.encoder import MOST_PASSES
from bench.models.hybrid.thresholds import Thresholds
from bench.models.settings import Settings
from bench.models.tiles import Tile, curvature, slope_of_error

if TYPE_CHECKING:
    from bench.models.retrained.model import Retrained

#: How far the first pass moves a value for what that would bring; the share of it that is left
#: after a pass that was kept, and after one that was not; how far a pass moves one at most, in
#: steps.
RATE, KEPT, TAKEN_BACK, FURTHEST = 0.4, 0.8, 0.4, 0.3
#: Bits that a channel's step brings at the least: some channels are silent.
LEAST = 1e-3


@dataclass(frozen=True)
class SearchSettings(Settings):
    """How the latent of an image is chosen; decoders need not know.

    Parameters
    ----------
    refine : passes of the search; 0 is what the analysis says.

    Raises
    ------
    ValueError : an unknown name or value.
    """

    refine: int = 0

    def faults(self) -> list[str]:
        """Return what is wrong with the values."""
        if not 0 <= self.refine <= MOST_PASSES:
            return [f"refine: 0 … {MOST_PASSES} passes were expected, got {self.refine}"]
        return []


@dataclass(frozen=True)
class Gaussian:
    """What scales say of every symbol: a :class:`bench.models.hybrid.thresholds.Law`."""

    conditional: GaussianConditional
    scales: Tensor

    def bits(self, symbol: Tensor) -> Tensor:
        """Return the bits that whole numbers cost, in their shape."""
        return -torch.log2(self.conditional.likelihood(symbol, self.scales))


@dataclass(frozen=True)
class _Coded:
    """A latent as it would be coded.

    Parameters
    ----------
    latent : in steps, not rounded.
    residual, symbol : what is rounded, and to what.
    v_hat : what is decoded.
    cost : bits of it, and what its error would be worth in bits.
    slope : derivative in `v_hat` of what the error is worth.
    """

    latent: Tensor
    residual: Tensor
    symbol: Tensor
    v_hat: Tensor
    law: Gaussian
    cost: float
    slope: Tensor


class Search:
    """The search for one picture.

    Parameters
    ----------
    network : whose :meth:`~Retrained.look` says how a latent is coded.
    x : the picture (1, 3, height, width) in 0 … 1.
    z_hat : its side information, rounded.
    quality : float32 (1,), 0 … 100.
    """

    def __init__(self, network: Retrained, x: Tensor, z_hat: Tensor, quality: Tensor) -> None:
        self.network, self.x = network, x
        self.side = network.h_s(z_hat)
        self.back = network.gains(quality)[1]
        self.price = network.price(quality)

    @torch.no_grad()
    def run(self, latent: Tensor, passes: int) -> Tensor:
        """Return the latent in steps as so many passes leave it; it costs no more than before."""
        best, rate = self._coded(latent), RATE
        curved = (curvature(self._decode, best.v_hat) / self.price).clamp_min(LEAST)
        for _ in range(passes):
            thresholds = Thresholds.of(best.residual, best.symbol, best.law, None)
            gradient = thresholds.gradient(best.slope / curved, torch.ones_like(curved), 1 / curved)
            tried = self._coded(best.latent - (rate * gradient).clamp(-FURTHEST, FURTHEST))
            if tried.cost < best.cost:
                best, rate = tried, rate * KEPT
            else:
                rate *= TAKEN_BACK
        return best.latent

    def _coded(self, latent: Tensor) -> _Coded:
        scales, means = self.network.look(latent, self.side)
        residual = latent - means
        symbol = torch.round(residual)
        law, v_hat = Gaussian(self.network.gaussian_conditional, scales), symbol + means
        error, slope = slope_of_error(self._decode, self.x, v_hat, self.network.latent_stride)
        cost = float(error.double() / self.price + law.bits(symbol).double().sum())
        return _Coded(latent, residual, symbol, v_hat, law, cost, slope / self.price)

    def _decode(self, v_hat: Tensor, tile: Tile) -> Tensor:
        return self.network.synthesise(v_hat * self.back.clone())

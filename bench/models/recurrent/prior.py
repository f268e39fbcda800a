"""How likely a refinement is, from what has been decoded before it.

A coefficient that is still zero is refined by a whole number of steps about zero. One that has been
told lies within a step of its value, on either side of it: half a step towards zero (-1) or away
from it (0), which is the binary split of an embedded quantiser. Distributions are Laplacians
integrated over a step, whose centre and scale a small network gives for each coefficient. It sees
whole numbers only, and computes in :mod:`bench.entropy.exact` arithmetic when coding.

References
----------
J. M. Shapiro, "Embedded image coding using zerotrees of wavelet coefficients", IEEE Transactions
on Signal Processing 41(12), 1993. D. Taubman, "High performance scalable image compression with
EBCOT", IEEE Transactions on Image Processing 9(7), 2000 (contexts of neighbours' significance).
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.entropy.exact import ExactLinear
from bench.entropy.tables import Floats, Tables, stack
from bench.models.entropy_models import EntropyModel
from bench.models.hybrid import laplace
from bench.models.hybrid.contexts import magnitude
from bench.models.hybrid.prior import group_slices
from bench.models.hybrid.squares import checkerboard
from bench.models.recurrent.config import RecurrentConfig

#: The tabulated distributions: logarithms of scales in steps, and centres.
LOG_SCALES = np.linspace(laplace.LOWEST, math.log(8.0), 32)
CENTRES = np.linspace(-1.0, 0.5, 7)
#: Where scales start: a coefficient not told yet lies within about a step of zero, one that has
#: been told within half a step of either half.
UNTOLD, TOLD = math.log(0.6), math.log(0.4)
FEATURES = 11


@dataclass(frozen=True)
class Known:
    """What the decoder has when it comes to a group of a chunk.

    Parameters
    ----------
    chunk : its number, from 0.
    start : logarithms of the channels' scales in this chunk's steps, (channels, 1, 1).
    before : what all channels are worth after the chunk before, in half steps of this one;
        whole numbers (batch, channels, height, width).
    now : the same after this chunk; read where it has been decoded only.
    """

    chunk: int
    start: Tensor
    before: Tensor
    now: Tensor


def refined(before: Tensor, symbols: Tensor) -> Tensor:
    """Return what coefficients are worth, in half steps, once `symbols` are known."""
    sign = torch.sign(before)
    return before + torch.where(sign == 0, 2 * symbols, sign * (2 * symbols + 1))


class RefinementPrior(EntropyModel):
    """Centres and scales, group by group, each in two passes of a checkerboard; the tables."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.slices = group_slices(config.channels, config.groups)
        last = nn.Linear(config.prior, 2)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network: nn.Module = nn.Sequential(
            nn.Linear(FEATURES, config.prior), nn.LeakyReLU(0.125), last
        )

    def parameters_of(
        self, known: Known, group: int, squares: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return centres and logarithms of scales of a group's coefficients, on all or on some
        `squares` (height, width) of the checkerboard.

        Of use where a square's pass is reached. Both are (batch, channels of the group, height,
        width), or (…, squares) where squares are given.
        """
        own = known.before[:, self.slices[group]]
        base = known.start[self.slices[group]].expand_as(own)
        told = own != 0
        if known.chunk:
            base = torch.minimum(base, torch.where(told, TOLD, UNTOLD).to(own))
        features = self._features(known, group, own, base)
        if squares is not None:
            base, told, features = base[..., squares], told[..., squares], features[..., squares, :]
        out = self.network(features.flatten(0, -2)).reshape(*base.shape, 2)
        centre, log_scale = out.unbind(-1)
        return torch.where(told, centre - 0.5, 0.0), base + log_scale

    def _features(self, known: Known, group: int, own: Tensor, base: Tensor) -> Tensor:
        """Return (batch, channels, height, width, FEATURES)."""
        part, size, plain = self.slices[group], own.abs(), own.new_zeros(())
        lower = around = plain
        if group:
            done = known.now[:, : part.start].abs()
            lower = done.clamp(max=8).sum(1, keepdim=True) / part.start
            around = _neighbours(lower, corners=True)
        black = checkerboard(own.shape[2], own.shape[3], own.device).to(own)
        # White squares come second: they see the black ones beside them.
        beside = _neighbours(known.now[:, part].abs() * black, corners=False) * (1 - black)
        rows = [
            base.clamp(-4, 4) * 0.5, (own != 0).to(own), magnitude(size * 0.25),
            magnitude(_neighbours(size, corners=True) * 0.125),
            magnitude(size.clamp(max=8).sum(1, keepdim=True) / own.shape[1]),
            magnitude(lower), magnitude(around * 0.125), magnitude(beside * 0.25),
            magnitude(beside.clamp(max=32).sum(1, keepdim=True) / (2 * own.shape[1])),
            1 - black, plain + known.chunk / 8,
        ]  # fmt: skip
        return torch.stack([row.expand_as(own) for row in rows], -1)

    def bits(self, known: Known, symbols: Tensor) -> Tensor:
        """Return the bits of `symbols` per image, (batch,), differentiable in them."""
        total = []
        for group, part in enumerate(self.slices):
            centre, log_scale = self.parameters_of(known, group)
            log_scale = laplace.leaky_clamp(log_scale, LOG_SCALES[0], LOG_SCALES[-1])
            cost = laplace.density_bits(symbols[:, part] - centre, log_scale)
            total.append(cost.sum((1, 2, 3)))
        return torch.stack(total).sum(0)

    def in_exact_arithmetic(self) -> RefinementPrior:
        """Return a copy that computes alike on every machine: float64 in, float64 out."""
        twin, first, last = copy.deepcopy(self), *self._layers()
        twin.network = nn.Sequential(
            ExactLinear(first.weight, first.bias), nn.LeakyReLU(0.125),
            ExactLinear(last.weight, last.bias),
        )  # fmt: skip
        return twin

    def _layers(self) -> list[nn.Linear]:
        return [part for part in self.network.modules() if isinstance(part, nn.Linear)]

    def rows(self, centre: Tensor, log_scale: Tensor) -> Tensor:
        """Return the table of every coefficient, int64, from float64 parameters."""
        scale, at = _nearest(log_scale, LOG_SCALES), _nearest(centre, CENTRES)
        return scale * len(CENTRES) + at

    def make_tables(self) -> Tables:
        """Return a table per scale and centre."""
        pmfs, offsets = [], []
        for log_scale in LOG_SCALES:
            for centre in CENTRES:
                rate = math.sqrt(2) / math.exp(log_scale)
                reach = max(1, math.ceil(math.log(1 << 15) / rate))
                edges = np.arange(-reach, reach + 2) - 0.5 - centre
                below = 0.5 * np.exp(-rate * np.abs(edges))
                cumulative = np.where(edges < 0, below, 1 - below)
                inner = np.diff(cumulative)
                pmfs.append(np.append(inner, max(0.0, 1 - inner.sum())))
                offsets.append(-reach)
        return stack(pmfs, offsets)


def _nearest(x: Tensor, places: Floats) -> Tensor:
    middles = torch.from_numpy((places[1:] + places[:-1]) / 2).to(x.device)
    return torch.bucketize(x.contiguous(), middles)


def _neighbours(x: Tensor, corners: bool) -> Tensor:
    """Return the sum over the four neighbours of each position, twice, and over the corners."""
    wide = F.pad(x, (1, 1, 1, 1))
    cross = wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]
    if not corners:
        return cross
    diagonal = wide[..., :-2, :-2] + wide[..., :-2, 2:] + wide[..., 2:, :-2] + wide[..., 2:, 2:]
    return 2 * cross + diagonal

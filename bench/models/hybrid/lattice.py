"""The blocks' means, coded like a small picture: from a coarse lattice to finer ones.

A mean (the DC coefficient of a block) is hundreds of steps large where its difference from the
means around it is a few. Of every eighth row and column it is told alone; then, three times, of the
blocks in the middle of four known ones and of those between them, so that all but one in 64 are
predicted from neighbours on all sides, luminance before chrominance. The prediction starts as the
neighbours' average; what is learned are weights of twelve neighbours and a small network that sees
how far they lie apart.

Everything is computed so that :mod:`bench.entropy.exact` can repeat it: sums in a fixed order, or
layers that have an exact form.

References
----------
M. Lu, F. Chen, S. Pu, Z. Ma, "High-efficiency lossy image coding through adaptive neighborhood
information aggregation", 2022 (contexts in several stages). P. G. Howard, J. S. Vitter, "New
methods for lossless image compression using arithmetic coding", DCC 1991 (the two lattice steps).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench.models.hybrid.config import HybridConfig
from bench.models.hybrid.contexts import Setting, Take, features
from bench.models.hybrid.squares import SIZES, constant, pick, put

#: A mean per colour: the first channels of the latent.
MEANS = 3
#: Rows and columns from one block of the coarsest lattice to the next.
COARSEST = 8
SPACINGS = COARSEST.bit_length() - 1
#: Known neighbours of a block, the four nearest first, in units of the finer lattice's spacing: of
#: a block amid four known ones, and of one between them.
AMID = [(-1, -1), (-1, 1), (1, -1), (1, 1), (-3, -1), (-3, 1), (-1, -3), (-1, 3),
        (1, -3), (1, 3), (3, -1), (3, 1)]  # fmt: skip
BETWEEN = [(-1, 0), (0, -1), (0, 1), (1, 0), (-2, -1), (-2, 1), (-1, -2), (-1, 2),
           (1, -2), (1, 2), (2, -1), (2, 1)]  # fmt: skip
TAPS = len(AMID)
NEAREST = 4
#: How much a mean differs from the average of its nearest neighbours, beside its own scale: where
#: the logarithm of a predicted one's scale starts.
CLOSER = math.log(0.3)
#: Differences are tens of steps and more, and every move of a weight moves the mean by as much: the
#: weights of what is predicted from them move by this much less.
GENTLE = 1 / 16


class Step(NamedTuple):
    """Blocks that are coded at once.

    Parameters
    ----------
    squares : their numbers, int64 (n,).
    neighbours : numbers of the known blocks around each, int64 (TAPS, n), the number of all blocks
        where there is none; None for the coarsest lattice.
    kind : 0 for blocks amid four known ones, 1 for blocks between them.
    spacing : logarithm to base 2 of the finer lattice's spacing.
    """

    squares: Tensor
    neighbours: Tensor | None
    kind: int
    spacing: int


@constant
def steps(height: int, width: int, device: torch.device) -> tuple[Step, ...]:
    """Return the steps from the coarsest lattice to all blocks, those without a block left out."""
    return _steps(height, width, device)


@lru_cache(SIZES)
@torch.inference_mode(False)
def _steps(height: int, width: int, device: torch.device) -> tuple[Step, ...]:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    coarsest = (rows % COARSEST == 0) & (columns % COARSEST == 0)
    found = [Step(coarsest.flatten().nonzero()[:, 0].to(device), None, 0, SPACINGS)]
    for spacing in reversed(range(SPACINGS)):
        unit = 2**spacing
        on_lattice = (rows % unit == 0) & (columns % unit == 0)
        odd_row, odd_column = rows // unit % 2 == 1, columns // unit % 2 == 1
        for kind, (chosen, taps) in enumerate(
            ((odd_row & odd_column, AMID), (odd_row ^ odd_column, BETWEEN))
        ):
            squares = (on_lattice & chosen).flatten().nonzero()[:, 0]
            if len(squares):
                apart = [(a * unit, b * unit) for a, b in taps]
                neighbours = _numbers(squares, apart, height, width)
                found.append(Step(squares.to(device), neighbours.to(device), kind, spacing))
    return tuple(found)


def _numbers(squares: Tensor, taps: list[tuple[int, int]], height: int, width: int) -> Tensor:
    """Return the numbers of the blocks at `taps` (down, right) of each square, (taps, squares)."""
    down, right = torch.tensor(taps).unbind(1)
    row, column = squares // width + down[:, None], squares % width + right[:, None]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return torch.where(inside, row * width + column, height * width)


@constant
def around(height: int, width: int, device: torch.device) -> Tensor:
    """Return the numbers of the four blocks beside each, int64 (4, blocks), as in :class:`Step`."""
    return _around(height, width, device)


@lru_cache(SIZES)
@torch.inference_mode(False)
def _around(height: int, width: int, device: torch.device) -> Tensor:
    squares = torch.arange(height * width)
    return _numbers(squares, BETWEEN[:NEAREST], height, width).to(device)


def differences(planes: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    """Return the average of the nearest neighbours and how far each neighbour is from it.

    Parameters
    ----------
    planes : (batch, channels, height, width).
    neighbours : numbers of blocks (taps, squares), the nearest first, as in :class:`Step`.

    Returns
    -------
    average : (batch, channels, squares); zero where there is no neighbour.
    differences : (batch, channels, taps, squares); zero for neighbours that there aren't.
    """
    flat = planes.flatten(2)
    known = neighbours < flat.shape[2]
    padded = torch.cat([flat, flat.new_zeros(*flat.shape[:2], 1)], 2)
    values = padded.index_select(2, neighbours.flatten()).reshape(
        *flat.shape[:2], *neighbours.shape
    )
    # One after the other: a sum over a dimension may add in any order.
    total, count = values[:, :, 0], known[0].to(flat)
    for tap in range(1, NEAREST):
        total, count = total + values[:, :, tap], count + known[tap].to(flat)
    average = total / count.clamp_min(1)
    return average, torch.where(known, values - average[:, :, None], flat.new_zeros(()))


def relief(means: Tensor) -> Tensor:
    """Return how far each mean lies from the average of those beside it, in the shape of `means`
    (batch, channels, height, width): what later groups see of them.
    """
    height, width = means.shape[2:]
    average, _ = differences(means, around(height, width, means.device))
    return means - average.reshape(means.shape)


class LatticeModel(nn.Module):
    """Means and scales of the blocks' means."""

    #: Luminance, then the chrominances, which see how luminance differs from what was predicted.
    PARTS = (slice(0, 1), slice(1, MEANS))
    #: The lists of layers whose arithmetic has to be exact when coding.
    NETWORKS = ("alone", "linear", "network")

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        width, hidden = config.context, config.context + 16
        self.alone = nn.ModuleList(
            _network(width + 1 + 2 * part.start, hidden, part.stop - part.start)
            for part in self.PARTS
        )
        self.linear = nn.ModuleList()
        self.network = nn.ModuleList()
        for _ in (AMID, BETWEEN):
            for part in self.PARTS:
                size, seen = part.stop - part.start, MEANS * TAPS + part.start
                linear = nn.Conv2d(seen, size, 1, bias=False)
                nn.init.zeros_(linear.weight)
                self.linear.append(linear)
                inputs = width + 1 + SPACINGS + 2 * seen
                self.network.append(_network(inputs, hidden, size, CLOSER))

    def walk(self, side: Tensor, setting: Setting, size: tuple[int, int], take: Take) -> Tensor:
        """Go through the steps; return the reconstructed means in steps of the quantiser,
        (batch, MEANS, height, width).

        `side` is (batch, width, height, width); `take` as in :meth:`ContextModel.walk`.
        """
        means = side.new_zeros(len(side), MEANS, *size)
        plane = setting.level.expand(len(side), 1, *size)
        seen = torch.cat([side, plane], 1)
        for step in steps(*size, side.device):
            told = pick(seen, step.squares)
            average: Tensor = told.new_zeros(len(side), MEANS, len(step.squares))
            apart: list[Tensor] = []
            inputs = [told]
            if step.neighbours is not None:
                # Rounded about their own means, they lie where the picture's do, whatever was
                # predicted; a gradient through them would say that they follow the prediction, and
                # step after step it would grow.
                average, taps = differences(means.detach(), step.neighbours)
                apart = [taps.flatten(1, 2)]
                spacing = told.new_zeros(len(side), SPACINGS, len(step.squares))
                spacing[:, step.spacing] = 1
                inputs += [spacing, features(apart[0])]
            taken: list[Tensor] = []
            for number, part in enumerate(self.PARTS):
                mean = average[:, part]
                if step.neighbours is None:
                    network = self.alone[number]
                else:
                    layer = 2 * step.kind + number
                    network = self.network[layer]
                    mean = mean + _apply(self.linear[layer], torch.cat(apart, 1) * GENTLE)
                more, log_scale = _apply(network, torch.cat(inputs, 1)).chunk(2, 1)
                base = setting.log_scale[:, part, 0]
                taken.append(take(mean + more, log_scale + base, part, step.squares))
                # What luminance has beyond its neighbours' average, chrominance may have, too.
                apart.append(taken[-1].detach() - average[:, part])
                inputs.append(features(apart[-1]))
            means = put(means, step.squares, torch.cat(taken, 1))
        return means


def _network(inputs: int, hidden: int, size: int, log_scale: float = 0.0) -> nn.Sequential:
    """Return a network that gives zero means and `log_scale` for `size` channels at first."""
    last = nn.Conv2d(hidden, 2 * size, 1)
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(torch.tensor([0.0, log_scale]).repeat_interleave(size))  # type: ignore[union-attr]
    return nn.Sequential(nn.Conv2d(inputs, hidden, 1), nn.LeakyReLU(0.125), last)


def _apply(layer: nn.Module, rows: Tensor) -> Tensor:
    """Return what a 1×1 convolution makes of (batch, channels, squares)."""
    result: Tensor = layer(rows[..., None])[..., 0]
    return result

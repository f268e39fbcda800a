"""The entropy model: side information, groups of channels, checkerboard passes.

The blocks' means come first where they are coded on lattices (:mod:`bench.models.hybrid.lattice`),
then the strongest coefficients; later groups see them with their neighbourhood; within a
group the white squares of a checkerboard see the black ones. Means and scales start as the
constants that the start's statistics give, the learned part is added to them.

Everything between side information and parameters is made of layers that
:mod:`bench.entropy.exact` computes exactly, so that encoder and decoder agree on any machine.

References
----------
D. Minnen, S. Singh, "Channel-wise autoregressive entropy models", ICIP 2020. D. He et al.,
"Checkerboard context model for efficient learned image compression", CVPR 2021; "ELIC", CVPR 2022.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.models.hybrid.blocks import zeroed
from bench.models.hybrid.config import HybridConfig
from bench.models.hybrid.contexts import Setting, Take, features
from bench.models.hybrid.lattice import MEANS, LatticeModel, relief
from bench.models.hybrid.squares import colours, pick, put, white_from_black

#: y is this much larger than z in height and width.
RATIO = 4


def group_slices(channels: int, groups: int, first: int | None = None) -> list[slice]:
    """Return the groups, each about three times the one before, the strongest channels first; the
    first of them of `first` channels where that is given.
    """
    shares = [3.0**i for i in range(groups)]
    edges, done = [0], 0.0
    for share in shares:
        done += share
        edges.append(max(edges[-1] + 1, round(channels * done / sum(shares))))
    edges[-1] = channels
    if first is not None:
        edges[1] = first
        edges[2:] = [max(edge, first + 1 + i) for i, edge in enumerate(edges[2:])]
    return [slice(low, high) for low, high in itertools.pairwise(edges)]


def part_sizes(size: int, parts: int) -> list[int]:
    """Return how many of a group's channels each part has: as even as can be, none empty."""
    edges = [round(size * i / parts) for i in range(parts + 1)]
    return [high - low for low, high in itertools.pairwise(edges) if high > low]


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    # The last first: in this order seeds gave the weights that ship.
    last = zeroed(nn.Conv2d(hidden, outputs, 1))
    return nn.Sequential(
        nn.LeakyReLU(0.125), nn.Conv2d(inputs, hidden, 1), nn.LeakyReLU(0.125), last
    )


class PartNetwork(nn.Module):
    """Means and scales of a group's channels in several parts, each seeing those before it in the
    same block; what is seen of other groups and blocks is looked at once for all.

    Parameters
    ----------
    inputs, hidden : features of what is seen, and of the hidden layer.
    sizes : channels of each part.
    """

    def __init__(self, inputs: int, hidden: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.shared = nn.Sequential(nn.LeakyReLU(0.125), nn.Conv2d(inputs, hidden, 1))
        self.within = nn.ModuleList()
        self.last = nn.ModuleList()
        for i, size in enumerate(sizes):
            if i:
                self.within.append(zeroed(nn.Conv2d(2 * sum(sizes[:i]), hidden, 1, bias=False)))
            last = zeroed(nn.Conv2d(hidden, 2 * size, 1))
            self.last.append(nn.Sequential(nn.LeakyReLU(0.125), last))

    def walk(
        self, seen: Tensor, base: Tensor, group: slice, squares: Tensor | None, take: Take
    ) -> Tensor:
        """Return the reconstructed group on `squares`, (batch, channels, squares).

        Parameters
        ----------
        seen : (batch, inputs, squares).
        base : logarithms of the scales before anything is learned, (batch, channels, 1).
        """
        hidden = self.shared(seen[..., None])
        taken: list[Tensor] = []
        start = 0
        for i, last in enumerate(self.last):
            one = hidden
            if i:
                one = hidden + self.within[i - 1](features(torch.cat(taken, 1))[..., None])
            mean, log_scale = last(one)[..., 0].chunk(2, 1)
            stop = start + mean.shape[1]
            part = slice(group.start + start, group.start + stop)
            taken.append(take(mean, log_scale + base[:, start:stop], part, squares))
            start = stop
        return torch.cat(taken, 1)


class HyperEncoder(nn.Module):
    """From the latent times its gains to side information; begins as zero, which costs nearly
    nothing.
    """

    def __init__(self, channels: int, width: int, hyper: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, hyper, 5, stride=2, padding=2)
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.layers = nn.Sequential(
            nn.Conv2d(2 * channels, width, 1), nn.LeakyReLU(0.125),
            nn.Conv2d(width, width, 5, stride=2, padding=2), nn.LeakyReLU(0.125), last,
        )  # fmt: skip

    def forward(self, v: Tensor) -> Tensor:
        """Return z (batch, hyper, ⌈height / 4⌉, ⌈width / 4⌉)."""
        z: Tensor = self.layers(features(v))
        return z


class ContextModel(nn.Module):
    """Means and scales of the latent, group by group, pass by pass."""

    #: Whether a group's parameters are computed on all squares, also where a pass asks for half of
    #: them. Exact arithmetic rounds to a share of a tensor's largest value, so that this is part of
    #: what bitstreams mean; training does without, and so do groups in parts.
    everywhere = False

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        first = MEANS if config.lattice else None
        self.slices = group_slices(config.channels, config.groups, first)
        self.lattice = LatticeModel(config) if config.lattice else None
        self.checkerboard = config.checkerboard
        width = config.context
        self.width = width
        self.side: nn.Sequential | None = None
        if config.hyperprior:
            self.side = nn.Sequential(
                nn.ConvTranspose2d(config.hyper, width, 4, stride=2, padding=1),
                nn.LeakyReLU(0.125),
                nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
            )
        self.before = nn.ModuleList()
        self.beside = nn.ModuleList()
        self.parameters_of = nn.ModuleList()
        self.parts = nn.ModuleList()
        for part in self.rest:
            size = part.stop - part.start
            if part.start:
                self.before.append(nn.Conv2d(2 * part.start, width, 3, padding=1))
            if self.checkerboard:
                self.beside.append(nn.Conv2d(2 * size, width, 5, padding=2))
            inputs = width * (1 + bool(part.start)) + 1
            inputs, hidden = inputs + width, 2 * width + 32
            if config.parts == 1:
                self.parameters_of.append(_mlp(inputs, hidden, 2 * size))
            else:
                self.parts.append(PartNetwork(inputs, hidden, part_sizes(size, config.parts)))

    @property
    def rest(self) -> list[slice]:
        """The groups that this network codes itself: all but the means where a lattice has them."""
        return self.slices[self.lattice is not None :]

    def walk(
        self, side: Tensor | None, setting: Setting, size: tuple[int, int], take: Take
    ) -> Tensor:
        """Go through groups and passes; return the reconstructed latent times its gains.

        Parameters
        ----------
        side : what `side` makes of the side information, at the latent's size; None without.
        size : height and width of the latent.
        take : called once per pass, with means and scales in steps.
        """
        batch = len(setting.level)
        take = setting.in_steps(take)
        if side is None:
            side = setting.level.new_zeros(batch, self.width, *size)
        plane = setting.level.expand(batch, 1, *size)
        passes = colours(*size, plane.device) if self.checkerboard else (None,)
        done: list[Tensor] = []
        #: What later groups see of those before.
        context: list[Tensor] = []
        if self.lattice is not None:
            done.append(self.lattice.walk(side, setting, size, take))
            # Hundreds of steps are too large to be seen; how blocks differ is not.
            context.append(relief(done[0].detach()))
        before = iter(self.before)
        for i, part in enumerate(self.rest):
            known = [side, plane]
            if part.start:
                known.append(next(before)(features(torch.cat(context, 1))))
            seen, base = torch.cat(known, 1), setting.log_scale[:, part, 0]
            group = plane.new_zeros(batch, part.stop - part.start, *size)
            for number, squares in enumerate(passes):
                if squares is not None and not len(squares):
                    continue  # a latent of one block has no white one
                so_far = passes[: number + 1]
                if self.parts:
                    network: Any = self.parts[i]
                    rows = self._seen_with_beside(i, seen, group, so_far)
                    values = network.walk(rows, base, part, squares, take)
                else:
                    mean, log_scale = self._means_and_scales(i, seen, group, so_far)
                    values = take(mean, log_scale + base, part, squares)
                group = put(group, squares, values)
            done.append(group)
            context.append(group)
        return torch.cat(done, 1)

    def _means_and_scales(
        self, i: int, seen: Tensor, group: Tensor, passes: Sequence[Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        """Return means and logarithms of scales of group `i` on the last of `passes`.

        `group` holds what the passes before it have told, zeros elsewhere.
        """
        if self.everywhere:
            beside = self.beside[i](features(group)) if len(passes) > 1 else self._blank(seen)
            both = pick(self.parameters_of[i](torch.cat([seen, beside], 1)), passes[-1])
        else:
            rows = self._seen_with_beside(i, seen, group, passes)
            both = self.parameters_of[i](rows[..., None])[..., 0]
        mean, log_scale = both.chunk(2, 1)
        return mean, log_scale

    def _seen_with_beside(
        self, i: int, seen: Tensor, group: Tensor, passes: Sequence[Tensor | None]
    ) -> Tensor:
        """Return what is seen of other groups, and of this one on the squares of the first of two
        `passes`, on the last of them: (batch, features, squares).
        """
        chosen = pick(seen, passes[-1])
        beside = self._blank(chosen)
        if len(passes) > 1:
            black = features(pick(group, passes[0]))
            layer: Any = self.beside[i]
            beside = white_from_black(layer, black, (group.shape[2], group.shape[3]))
        return torch.cat([chosen, beside], 1)

    def _blank(self, like: Tensor) -> Tensor:
        return like.new_zeros(len(like), self.width, *like.shape[2:])

    def side_features(self, z_hat: Tensor, size: tuple[int, int]) -> Tensor | None:
        """Return side information as features of the latent's size; None without a hyperprior."""
        if self.side is None:
            return None
        wide: Tensor = self.side(z_hat)
        return wide[..., : size[0], : size[1]]

    def networks(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the parts whose arithmetic has to be exact when coding."""
        if self.side is not None:
            yield "side", self.side
        lists = [f"lattice.{name}" for name in LatticeModel.NETWORKS] if self.lattice else []
        for i in range(len(self.parts)):
            yield f"parts.{i}.shared", self.get_submodule(f"parts.{i}.shared")
            lists += [f"parts.{i}.within", f"parts.{i}.last"]
        for name in (*lists, "before", "beside", "parameters_of"):
            for i, part in enumerate(self.get_submodule(name).children()):
                yield f"{name}.{i}", part

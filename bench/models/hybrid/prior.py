"""The entropy model: side information, groups of channels, checkerboard passes.

The strongest coefficients come first, later groups see them with their neighbourhood; within a
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.models.hybrid.config import HybridConfig
from bench.models.hybrid.squares import colours, pick, put, white_from_black

#: y is this much larger than z in height and width.
RATIO = 4

#: Takes means, logarithms of scales, the group's channels, and the squares of the checkerboard or
#: None for all; returns the reconstructed latent. All are (batch, channels, squares).
Take = Callable[[Tensor, Tensor, slice, Tensor | None], Tensor]


@dataclass(frozen=True)
class Setting:
    """A quality, as the entropy model sees it.

    Parameters
    ----------
    level : about -2 … 2, (batch, 1, 1, 1).
    log_scale : logarithm of the scales before anything is learned, (batch, channels, 1, 1).
    """

    level: Tensor
    log_scale: Tensor


def magnitude(v: Tensor) -> Tensor:
    """Return a concave, piecewise linear measure of size: small values differ most."""
    size = v.abs()
    return size.clamp(max=1) + size.clamp(max=4) * 0.25 + size.clamp(max=32) * 0.03125


def features(v: Tensor) -> Tensor:
    """Return sign and size of a latent in steps, twice its channels."""
    return torch.cat([v.clamp(-8, 8) * 0.25, magnitude(v)], 1)


def group_slices(channels: int, groups: int) -> list[slice]:
    """Return the groups, each about three times the one before, the strongest channels first."""
    shares = [3.0**i for i in range(groups)]
    edges, done = [0], 0.0
    for share in shares:
        done += share
        edges.append(max(edges[-1] + 1, round(channels * done / sum(shares))))
    edges[-1] = channels
    return [slice(low, high) for low, high in itertools.pairwise(edges)]


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    last = nn.Conv2d(hidden, outputs, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(
        nn.LeakyReLU(0.125), nn.Conv2d(inputs, hidden, 1), nn.LeakyReLU(0.125), last
    )


class HyperEncoder(nn.Module):
    """From the latent in steps to side information; begins as zero, which costs next to nothing."""

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

    #: Whether parameters are computed on all squares, also where a pass asks for half of them.
    #: Exact arithmetic rounds to a share of a tensor's largest value, so that this is part of what
    #: bitstreams mean; training does without.
    everywhere = False

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.slices = group_slices(config.channels, config.groups)
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
        for part in self.slices:
            size = part.stop - part.start
            if part.start:
                self.before.append(nn.Conv2d(2 * part.start, width, 3, padding=1))
            if self.checkerboard:
                self.beside.append(nn.Conv2d(2 * size, width, 5, padding=2))
            inputs = width * (1 + bool(part.start)) + 1
            self.parameters_of.append(_mlp(inputs + width, 2 * width + 32, 2 * size))

    def walk(
        self, side: Tensor | None, setting: Setting, size: tuple[int, int], take: Take
    ) -> Tensor:
        """Go through groups and passes; return the reconstructed latent in steps.

        Parameters
        ----------
        side : what `side` makes of the side information, at the latent's size; None without.
        size : height and width of the latent.
        take : called once per pass.
        """
        batch = len(setting.level)
        if side is None:
            side = setting.level.new_zeros(batch, self.width, *size)
        plane = setting.level.expand(batch, 1, *size)
        passes = colours(*size, plane.device) if self.checkerboard else (None,)
        done: list[Tensor] = []
        for i, part in enumerate(self.slices):
            known = [side, plane]
            if i:
                known.append(self.before[i - 1](features(torch.cat(done, 1))))
            seen, base = torch.cat(known, 1), setting.log_scale[:, part, 0]
            group = plane.new_zeros(batch, part.stop - part.start, *size)
            for number, squares in enumerate(passes):
                mean, log_scale = self._means_and_scales(i, seen, group, passes[: number + 1])
                group = put(group, squares, take(mean, log_scale + base, part, squares))
            done.append(group)
        return torch.cat(done, 1)

    def _means_and_scales(
        self, i: int, seen: Tensor, group: Tensor, passes: Sequence[Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        """Return means and logarithms of scales of group `i` on the last of `passes`.

        `group` holds what the passes before it have told, zeros elsewhere.
        """
        squares, second = passes[-1], len(passes) > 1
        if self.everywhere:
            beside = self.beside[i](features(group)) if second else self._blank(seen)
            both = pick(self.parameters_of[i](torch.cat([seen, beside], 1)), squares)
        else:
            chosen = pick(seen, squares)
            beside = self._blank(chosen)
            if second:
                black = features(pick(group, passes[0]))
                layer = self.beside[i]
                assert isinstance(layer, nn.Conv2d)
                beside = white_from_black(layer, black, (group.shape[2], group.shape[3]))
            both = self.parameters_of[i](torch.cat([chosen, beside], 1)[..., None])[..., 0]
        mean, log_scale = both.chunk(2, 1)
        return mean, log_scale

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
        for name in ("before", "beside", "parameters_of"):
            for i, part in enumerate(getattr(self, name)):
                yield f"{name}.{i}", part

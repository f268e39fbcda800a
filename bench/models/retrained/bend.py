"""Channels that bend: what a linear transform has no use for becomes features under GDN.

The start is linear, since GDN is small, and training leaves it so: whatever bends a channel that
the transform needs makes it worse at first. But the outer stages have many more channels than a
linear transform needs. The others can bend from the first step, as no later layer hears them yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bench.errors import CodecError
from bench.models.layers import GDN

if TYPE_CHECKING:
    from bench.models.retrained.model import RetrainedHyperprior

#: Of 112 channels behind a GDN, how many a trained linear transform keeps: what is lost is 0.06 %
#: of the energy at most, and 2 to 4 % of the rate until training has brought it back.
KEPT = {"g_a.1": 40, "g_a.3": 56, "g_s.3": 64, "g_s.5": 24}
OF = 112
#: Root mean square of a new feature: about that of its neighbours.
LOUDNESS = 0.02
#: How much of a feature's β + Σ γ x² is energy, on average.
ENERGY = 0.9
#: Features that are divided by themselves alone; the others by some of what the transform keeps,
#: by how many of them.
ALONE, SOME = 0.3, 0.4
#: The loudest channels, means of colours, are no one's energy, and no feature.
MEANS = 3
#: How much of a near channel is added to what a feature begins as.
MIXED = 0.5
#: What of a channel's energy may be bent where a transform counts as linear.
LINEAR = 0.05
#: Of the largest energy in the second layer: what is rounding.
NOTHING = 1e-9
#: The quality whose latent the synthesis is looked at with.
QUALITY = 50.0


@dataclass(frozen=True)
class Stage:
    """Two convolutions with GDN between them. `before` is outputs first, `after` inputs first."""

    first: nn.Conv2d | nn.ConvTranspose2d
    gdn: GDN
    second: nn.Conv2d | nn.ConvTranspose2d

    @property
    def before(self) -> Tensor:
        """What makes the channels, a view of the weights (channels, inputs, k, k)."""
        weight = self.first.weight
        return weight.transpose(0, 1) if self.gdn.inverse else weight

    @property
    def after(self) -> Tensor:
        """What hears the channels, a view of the weights (channels, outputs, k, k)."""
        weight = self.second.weight
        return weight if self.gdn.inverse else weight.transpose(0, 1)


@dataclass(frozen=True)
class Moments:
    """What a GDN does, in second moments over pictures, float64.

    Parameters
    ----------
    before : of the channels that it gets, (channels, channels).
    both : of each with what GDN makes of it, (channels,).
    behind : of what GDN makes of each, (channels,).
    """

    before: Tensor
    both: Tensor
    behind: Tensor

    @classmethod
    def of(cls, before: Tensor, behind: Tensor) -> Self:
        """Return those of the channels before and behind, (n, channels, height, width)."""
        channels = before.shape[1]
        total = before.new_zeros(channels, channels, dtype=torch.float64)
        both, energy = total.new_zeros(channels), total.new_zeros(channels)
        # One picture after the other: in float64 all of them would be large.
        for one, out in zip(before, behind, strict=True):
            x, y = one.flatten(1).double(), out.flatten(1).double()
            total += x @ x.T
            both += (x * y).sum(1)
            energy += y.square().sum(1)
        count = before.numel() / channels
        return cls(total / count, both / count, energy / count)

    @property
    def gain(self) -> Tensor:
        """The number for every channel that GDN is nearest to, (channels,)."""
        return self.both / self.before.diag().clamp_min(1e-20)

    @property
    def curved(self) -> float:
        """What of the energy behind GDN is not the channel times a number, mean of channels."""
        energy = self.before.diag() * self.behind
        some = energy > 0
        left = 1 - self.both[some].square() / energy[some]
        return float(left.mean()) if some.any() else 0.0


@torch.no_grad()
def renew_hyperprior(model: RetrainedHyperprior, images: Tensor) -> None:
    """Let a trained, linear hyperprior bend, from photos (n, 3, height, width) in 0 … 1.

    The outer stages are rotated into as few channels as the picture needs, which changes next to
    nothing in a linear transform; the others become features as of :func:`bend`. Raises CodecError
    for a transform that bends already, or one that passes nothing on.
    """
    seen = _watched(model, images)
    curved = max(seen[name].curved for name in KEPT)
    if curved > LINEAR:
        raise CodecError(
            f"the network bends already (what GDN does to a channel is {curved:.1%} beside a "
            "gain): to renew it would take away what it has learned"
        )
    for name, kept in KEPT.items():
        stage = stage_of(model, name)
        bend(stage, gather(stage, seen[name], round(kept / OF * len(stage.gdn.beta))))


def stage_of(model: RetrainedHyperprior, name: str) -> Stage:
    """Return the GDN of this name, with what is before and behind it."""
    layers, at = name.split(".")
    around: list[Any] = [model.get_submodule(f"{layers}.{int(at) + by}") for by in (-1, 0, 1)]
    return Stage(*around)


def gather(stage: Stage, seen: Moments, count: int) -> Tensor:
    """Put what the second layer hears into the first channels, `count` of them at most.

    GDN, of which `seen` are the moments, is taken for a gain by channel. Of all ways to pass on
    `count` combinations of channels this one leaves the smallest error behind the second layer,
    kernels taken for white. Each is as loud as makes its kernels there as strong as the kernels
    that were there.

    Returns
    -------
    root mean squares of the combinations, (at most count,), the loudest in the second layer first.

    Raises
    ------
    CodecError : the second layer hears next to nothing.
    """
    gain = seen.gain
    energy, axes = torch.linalg.eigh(torch.outer(gain, gain) * seen.before)
    energy = energy.clamp_min(1e-14)
    root = axes @ torch.diag(energy.sqrt()) @ axes.T
    heard = stage.after.flatten(1).double()
    strength, turn = torch.linalg.eigh(root @ heard @ heard.T @ root)
    count = min(count, int((strength > NOTHING * strength[-1]).sum()))
    if count <= MEANS:
        raise CodecError(f"of a stage of the network, the next one hears {count} channels alone")
    # White combinations of the channels, and the channels from them.
    turn = turn.flip(1)[:, :count]
    combine = turn.T @ axes @ torch.diag(energy.rsqrt()) @ axes.T
    spread = root @ turn
    usual = heard.square().sum(1).mean().sqrt()
    loud: Tensor = strength.flip(0)[:count].sqrt() / usual
    combine, spread = combine * loud[:, None], spread / loud
    made = torch.einsum("nc,cipq->nipq", combine * gain, stage.before.double())
    bias = _bias(stage.first)
    shift = (combine * gain) @ bias.double()
    kernels = torch.einsum("cn,copq->nopq", spread, stage.after.double())
    stage.before[:count], bias[:count], stage.after[:count] = made, shift, kernels
    return loud


def bend(stage: Stage, loud: Tensor) -> None:
    """Make features of all channels but the first ones, whose root mean squares are `loud`.

    A feature begins as one of those channels with some of a near one. GDN divides it (or, inverse,
    multiplies it) by its own energy or by that of some of those channels, so that it bends with the
    contrast of the picture. The second layer does not hear it yet; those channels pass as they are.
    """
    count, channels = len(loud), len(stage.gdn.beta)
    free = channels - count
    order = loud.argsort(descending=True)[MEANS:]
    place = torch.arange(free) % len(order)
    near = (place + torch.randint(1, 6, (free,))) % len(order)
    source, other = order[place], order[near]
    mixed = MIXED * (torch.randint(0, 2, (free,)) * 2 - 1) * loud[source] / loud[other]
    scale = LOUDNESS / (loud[source] * (1 + MIXED**2) ** 0.5)
    before, bias = stage.before, _bias(stage.first)
    kernels = before[source].double() + mixed[:, None, None, None] * before[other].double()
    before[count:] = scale[:, None, None, None] * kernels
    bias[count:] = scale * (bias[source] + mixed * bias[other])
    stage.after[count:] = 0
    gamma = torch.zeros(channels, channels, dtype=torch.float64)
    chosen = torch.zeros(free, channels, dtype=torch.float64)
    chosen[:, order] = (torch.rand(free, len(order)) < SOME).double()
    alone = (torch.rand(free) < ALONE) | (chosen.sum(1) == 0)
    share = chosen / (chosen[:, :count] @ loud.square()).clamp_min(1e-20)[:, None]
    itself = torch.eye(channels, dtype=torch.float64)[count:] / LOUDNESS**2
    gamma[count:] = ENERGY * torch.where(alone[:, None], itself, share)
    beta = torch.ones(channels)
    beta[count:] = 1 - ENERGY
    stage.gdn.gamma.copy_(stage.gdn.gamma_reparam.invert(gamma.float()))
    stage.gdn.beta.copy_(stage.gdn.beta_reparam.invert(beta))


def _watched(model: RetrainedHyperprior, images: Tensor) -> dict[str, Moments]:
    """Return what every GDN that :data:`KEPT` names does to pictures as they are coded."""
    seen: dict[str, Moments] = {}

    def watch(name: str) -> RemovableHandle:
        def look(gdn: nn.Module, inputs: tuple[Tensor], out: Tensor) -> None:
            seen[name] = Moments.of(inputs[0], out)

        return model.get_submodule(name).register_forward_hook(look)

    handles = [watch(name) for name in KEPT]
    into, back = model.gains(torch.full((len(images),), QUALITY))
    model.g_s(torch.round(model.g_a(images) * into) * back)
    for handle in handles:
        handle.remove()
    return seen


def _bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias

"""First weights: a block DCT of 16×16 and a hyperprior that is a map of local energies.

The published networks as they are, with other than random weights. Where GDN is small its output is
nearly its input, so that a cascade of convolutions is a cascade of the steps of
:func:`bench.models.retrained.dct.doubling`. Channels that the transform leaves free begin as random
features of what comes before them, with weights of zero behind them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.models.layers import GDN
from bench.models.retrained import dct

if TYPE_CHECKING:
    from bench.models.retrained.cheng import RetrainedCheng
    from bench.models.retrained.model import Retrained, RetrainedHyperprior

#: What the coefficients of blocks of 2, 4 and 8 are multiplied by inside the transforms.
SCALES = (0.25, 0.25, 0.5)
#: γ of the GDN after each: the largest coefficients, those of white blocks, change by some 0.1 %.
#: With the usual 0.1 the start of cheng2020-anchor was 5 dB worse at 0.3 bits per pixel.
GAMMA = (0.01, 0.004, 0.001)
#: z is this times the square root of a group's mean magnitude, where magnitudes are as usual.
SIDE_SCALE = 4.0
#: Scales that the hyper-synthesis adds to what it reads from z.
FLOOR = 0.12


def start_hyperprior(model: RetrainedHyperprior, images: Tensor) -> None:
    """Set the weights from photos (n, 3, height, width) in 0 … 1."""
    latents = model.config.latents
    eight = dct.strongest(images, 8, model.config.width)
    sixteen = dct.strongest(images, 16, latents)
    steps = [
        torch.einsum("okpq,kc->ocpq", dct.doubling(1), dct.kernels(1)[:, :, 0, 0]),
        dct.doubling(2),
        dct.doubling(4)[eight],
        dct.doubling(8)[sixteen][:, eight],
    ]
    scales = (1.0, *SCALES, 1.0)
    for number, step in enumerate(steps):
        ratio = scales[number + 1] / scales[number]
        (down,), (up,) = parts(model.g_a, 2 * number), parts(model.g_s, 6 - 2 * number)
        _set(down, ratio * step)
        _set(up, step.transpose(0, 1) / ratio)
    for layers, places in ((model.g_a, (1, 3, 5)), (model.g_s, (5, 3, 1))):
        for gdn, gamma in zip(parts(layers, *places), GAMMA, strict=True):
            set_gamma(gdn, gamma)
    first, last = parts(model.g_a, 0)[0], parts(model.g_s, 6)[0]
    first.bias[:12] = -0.5 * first.weight[:12].sum((1, 2, 3))
    last.bias.fill_(0.5)
    start_hyper(model, dct.frequencies(16)[sixteen], images)


def start_hyper(model: RetrainedHyperprior, places: Tensor, images: Tensor) -> None:
    """Make z a map of the magnitudes of groups of channels, and scales proportional to it.

    `places` is colour and frequencies of every channel of the latent, (channels, 3).
    """
    group = groups(places)
    y = torch.cat([model.g_a(one[None]) for one in images])
    gather, spread = magnitudes(group, into_steps(model, 50.0, y), len(group))
    count = len(gather)
    first, second, third = parts(model.h_a, 0, 2, 4)
    set_side(first, gather, torch.tensor([1.0, 2.0, 1.0]) / 4)
    set_side(second, torch.eye(count), torch.tensor([1.0, 2.0, 2.0, 2.0, 1.0]) / 8)
    set_side(third, torch.eye(count), torch.tensor([1.0, 2.0, 2.0, 2.0, 1.0]) / 8)
    # Free channels of z begin nearly silent, and unheard.
    third.weight[count:] *= 0.1
    up = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 8
    early, later, last = parts(model.h_s, 0, 2, 4)
    set_side(early, torch.eye(count), up)
    set_side(later, torch.eye(count), up)
    early.weight[count:] = 0
    set_side(last, spread, torch.tensor([0.0, 1.0, 0.0]))
    last.bias.fill_(FLOOR)
    start_density(model, y)


def magnitudes(group: Tensor, v: Tensor, heard: int) -> tuple[Tensor, Tensor]:
    """Return what z is of the latent's magnitudes, and what scales are of z.

    Parameters
    ----------
    group : of every channel, (channels,).
    v : latents in steps, (n, channels, height, width).
    heard : channels that z hears of, the first ones.

    Returns
    -------
    (groups, heard) and (channels, groups).
    """
    count = int(group.max()) + 1
    usual = v.abs().mean((0, 2, 3)).clamp_min(1e-3)
    level = torch.stack([usual[:heard][group[:heard] == g].mean() for g in range(count)])
    loudness = SIDE_SCALE * level.sqrt()
    gather = torch.zeros(count, heard)
    gather[group[:heard], torch.arange(heard)] = 1 / usual[:heard]
    gather *= (loudness / torch.bincount(group[:heard]))[:, None]
    spread = torch.zeros(len(group), count)
    # The standard deviation of a Gaussian whose mean magnitude is 1 is √(π/2).
    spread[torch.arange(len(group)), group] = usual * math.sqrt(math.pi / 2)
    return gather, spread / loudness


#: At which z is measured.
QUALITIES = (0.0, 25.0, 50.0, 75.0, 100.0)


def start_density(model: RetrainedHyperprior | RetrainedCheng, y: Tensor) -> None:
    """Make the density of every channel of z a logistic one of the spread that it has for the
    latents `y` (n, channels, height, width) over all qualities.
    """
    prior = model.entropy_bottleneck
    z = torch.cat([model.hyper_analysis(into_steps(model, quality, y)) for quality in QUALITIES])
    values = z.transpose(0, 1).flatten(1)
    scale = (values.std(1) * math.sqrt(3) / math.pi).clamp_min(0.15)
    layers = len(prior.matrices)
    for matrix in prior.matrices:
        slope = scale ** (-1 / layers) / matrix.shape[1]
        matrix.copy_(torch.log(torch.expm1(slope))[:, None, None].expand_as(matrix))
    # Where the logit is zero is the median.
    median = values.median(1).values
    prior.biases[-1].sub_(prior._logits(median[:, None, None]))
    prior.fit_quantiles()


def groups(places: Tensor) -> Tensor:
    """Return the number of the group that every coefficient belongs to: DC, or octave and
    direction of luminance, octave of a chrominance.
    """
    names: dict[tuple[int, int, int], int] = {}
    numbers = []
    for colour, u, v in places.tolist():
        octave = 0 if u == v == 0 else 1 + int(2 * math.log2(max(u, v)))
        direction = 0 if colour or not octave else 1 + (u > 2 * v) + 2 * (v > 2 * u)
        octave = octave if not colour else (octave + 1) // 2
        numbers.append(names.setdefault((colour, octave, direction), len(names)))
    return torch.tensor(numbers)


def into_steps(model: Retrained, quality: float, y: Tensor) -> Tensor:
    """Return the latent in steps, before rounding."""
    into: Tensor = model.gains(torch.tensor([quality]))[0]
    return y * into


def set_gamma(gdn: GDN, gamma: float) -> None:
    """Let a GDN divide every channel by itself alone, by little."""
    gdn.gamma.copy_(gdn.gamma_reparam.invert(gamma * torch.eye(len(gdn.beta))))


def parts(layers: nn.Module, *places: int) -> list[Any]:
    """Return layers of a sequence, whatever they are."""
    assert isinstance(layers, nn.Sequential)
    return [layers[at] for at in places]


def _set(layer: Any, step: Tensor) -> None:
    """Put `step` (outputs, inputs, 2, 2) into a convolution of 5×5 with stride 2, or into a
    transposed one as (outputs, inputs). Other inputs count for nothing, other outputs stay.
    """
    weight = layer.weight if isinstance(layer, nn.Conv2d) else layer.weight.transpose(0, 1)
    outputs, inputs = step.shape[:2]
    weight[:outputs] = 0
    weight[:outputs, :inputs, 2:4, 2:4] = step.to(weight)
    layer.bias[:outputs] = 0


def set_side(layer: Any, mix: Tensor, line: Tensor) -> None:
    """Let the first outputs of a layer be `mix` (outputs, inputs) of its first inputs, smoothed
    by `line` both ways; other outputs stay.
    """
    weight = layer.weight if isinstance(layer, nn.Conv2d) else layer.weight.transpose(0, 1)
    outputs, inputs = mix.shape
    weight[:outputs] = 0
    weight[:outputs, :inputs] = mix[:, :, None, None] * torch.outer(line, line)
    layer.bias[:outputs] = 0

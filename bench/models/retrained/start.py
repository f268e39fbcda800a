"""First weights: a block DCT of 16×16 and a hyperprior that is a map of local energies.

The published networks as they are, with other than random weights. Where GDN is small its output is
nearly its input, so that a cascade of convolutions is a cascade of the steps of
:func:`bench.models.retrained.dct.doubling`. Channels that the transform leaves free begin as random
features of what comes before them, with weights of zero behind them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench.models.retrained import dct

if TYPE_CHECKING:
    from bench.models.entropy_models import EntropyBottleneck
    from bench.models.retrained.model import RetrainedHyperprior

#: What the coefficients of blocks of 2, 4 and 8 are multiplied by inside the transforms: small
#: enough for GDN's γ of 0.1 to change little, large enough for it to be learned.
SCALES = (0.25, 0.25, 0.5)
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
        _set(model.g_a[2 * number], ratio * step, first=number == 0)
        _set(model.g_s[6 - 2 * number], step.transpose(0, 1) / ratio, first=number == 3)
    nn.init.zeros_(model.g_a[2].bias)
    nn.init.zeros_(model.g_s[4].bias)
    model.g_a[0].bias[:12] = -0.5 * model.g_a[0].weight[:12].sum((1, 2, 3))
    model.g_s[6].bias.fill_(0.5)
    start_hyper(model, dct.frequencies(16)[sixteen], images)


def start_hyper(model: RetrainedHyperprior, places: Tensor, images: Tensor) -> None:
    """Make z a map of the magnitudes of groups of channels, and scales proportional to it.

    `places` is colour and frequencies of every channel of the latent, (channels, 3).
    """
    group = groups(places)
    count = int(group.max()) + 1
    y = torch.cat([model.g_a(one[None]) for one in images])
    usual = _into(model, 50.0, y).abs().mean((0, 2, 3)).clamp_min(1e-3)
    average = torch.zeros(count, len(group))
    average[group, torch.arange(len(group))] = 1 / usual
    average /= torch.bincount(group)[:, None]
    level = torch.stack([usual[group == g].mean() for g in range(count)])
    gather = average * (SIDE_SCALE * level.sqrt())[:, None]

    first, second, third = (model.h_a[at] for at in (0, 2, 4))
    _set_side(first, gather, torch.tensor([1.0, 2.0, 1.0]) / 4)
    _set_side(second, torch.eye(count), torch.tensor([1.0, 2.0, 2.0, 2.0, 1.0]) / 8)
    _set_side(third, torch.eye(count), torch.tensor([1.0, 2.0, 2.0, 2.0, 1.0]) / 8)
    # Free channels of z begin nearly silent, and unheard.
    third.weight[count:] *= 0.1
    up = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 8
    for layer in (model.h_s[0], model.h_s[2]):
        _set_side(layer, torch.eye(count), up)
    model.h_s[0].weight[count:] = 0
    spread = torch.zeros(len(group), count)
    # The standard deviation of a value whose mean magnitude is 1 is √(π/2) for a Gaussian.
    spread[torch.arange(len(group)), group] = usual * math.sqrt(math.pi / 2)
    spread /= SIDE_SCALE * level.sqrt()
    last = model.h_s[4]
    nn.init.zeros_(last.weight)
    _set_side(last, spread, torch.tensor([0.0, 1.0, 0.0]))
    last.bias.fill_(FLOOR)
    z = torch.cat([model.hyper_analysis(_into(model, quality, y)) for quality in QUALITIES])
    start_density(model.entropy_bottleneck, z)


#: At which z is measured.
QUALITIES = (0.0, 25.0, 50.0, 75.0, 100.0)


def start_density(prior: EntropyBottleneck, z: Tensor) -> None:
    """Make the density of every channel a logistic one of the spread that `z` has, (n, channels,
    height, width).
    """
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


def _into(model: RetrainedHyperprior, quality: float, y: Tensor) -> Tensor:
    into, _ = model.gains(torch.tensor([quality]))
    return y * into


def _set(layer: nn.Module, step: Tensor, first: bool) -> None:
    """Put `step` (outputs, inputs, 2, 2) into a convolution of 5×5 with stride 2, or into a
    transposed one as (outputs, inputs). Other inputs count for nothing, other outputs stay.

    The first layer has no inputs but its own.
    """
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    weight = layer.weight if isinstance(layer, nn.Conv2d) else layer.weight.transpose(0, 1)
    outputs, inputs = step.shape[:2]
    weight[:outputs] = 0
    weight[:outputs, :inputs, 2:4, 2:4] = step.to(weight)
    assert layer.bias is not None
    layer.bias[:outputs] = 0


def _set_side(layer: nn.Module, mix: Tensor, line: Tensor) -> None:
    """Let the first outputs of a layer be `mix` (outputs, inputs) of its first inputs, smoothed
    by `line` both ways; other outputs stay.
    """
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    weight = layer.weight if isinstance(layer, nn.Conv2d) else layer.weight.transpose(0, 1)
    outputs, inputs = mix.shape
    weight[:outputs] = 0
    weight[:outputs, :inputs] = mix[:, :, None, None] * torch.outer(line, line)
    assert layer.bias is not None
    layer.bias[:outputs] = 0

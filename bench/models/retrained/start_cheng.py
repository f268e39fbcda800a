"""First weights of cheng2020-anchor: a block DCT of 16×16 through residual blocks.

Residual branches begin at zero and pass what they get. Where a leaky ReLU is in the way, what goes
through it is positive: pixels as they are, or coefficients above a bias that the next layer takes
away. See :mod:`bench.models.retrained.start`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.models.layers import ResidualBlock
from bench.models.retrained import dct
from bench.models.retrained.start import (
    FLOOR,
    GAMMA,
    SCALES,
    groups,
    into_steps,
    magnitudes,
    parts,
    set_gamma,
    set_side,
    start_density,
)

if TYPE_CHECKING:
    from bench.models.retrained.cheng import RetrainedCheng

#: Of pixels after the first stage: GDN must leave them as they are.
PIXELS = 0.1
#: How far above the largest magnitude in photos a bias lies.
MARGIN = 1.5
SLOPE = 0.01


def start_cheng(model: RetrainedCheng, images: Tensor) -> None:
    """Set the weights from photos (n, 3, height, width) in 0 … 1."""
    width, latents = model.config.width, model.config.latents
    eight = dct.strongest(images, 8, width)
    sixteen = dct.strongest(images, 16, latents)
    for block, gamma in zip(parts(model.g_a, 2, 4), GAMMA[1:], strict=True):
        set_gamma(block.gdn, gamma)
    for part in (*model.g_a, *model.g_s):
        if isinstance(part, ResidualBlock):
            _silence(part.conv2)
    _start_analysis(model, images, eight, sixteen)
    _start_synthesis(model, eight, sixteen)
    _start_hyper(model, dct.frequencies(16)[sixteen], images)


def _start_analysis(
    model: RetrainedCheng, images: Tensor, eight: Tensor, sixteen: Tensor
) -> None:  # fmt: skip
    one, two, three, last = parts(model.g_a, 0, 2, 4, 6)
    _pass(one, _unfolding(3), PIXELS * torch.eye(12))
    # Pixels of a block of 4×4: which pixel of a 2×2 and colour, then which 2×2.
    basis = dct.kernels(4).reshape(48, 3, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(48, 48)
    _pass(two, _unfolding(12), SCALES[1] / PIXELS * basis)
    two.conv2.bias[:48] = -0.5 * SCALES[1] * basis.sum(1)
    step = SCALES[2] / SCALES[1] * dct.doubling(4)[eight]
    largest = torch.stack([dct.analysis(image[None], 8).abs().amax((0, 2, 3)) for image in images])
    above = MARGIN * SCALES[2] * largest.amax(0)[eight]
    _pass(three, step, torch.eye(len(eight)))
    three.conv1.bias.copy_(above)
    three.conv2.bias.copy_(-above)
    _set(last, dct.doubling(8)[sixteen][:, eight] / SCALES[2])


def _start_synthesis(model: RetrainedCheng, eight: Tensor, sixteen: Tensor) -> None:
    steps = [
        SCALES[2] * dct.doubling(8)[sixteen][:, eight],
        SCALES[1] / SCALES[2] * dct.doubling(4)[eight],
        SCALES[0] / SCALES[1] * dct.doubling(2),
    ]
    for block, step in zip(parts(model.g_s, 1, 3, 5), steps, strict=True):
        _silence(block.conv)
        _set_shuffled(block.upsample[0], step)
    pixels = torch.einsum("okpq,kc->ocpq", dct.doubling(1), dct.kernels(1)[:, :, 0, 0])
    last = parts(model.g_s, 7)[0][0]
    _set_shuffled(last, pixels / SCALES[0])
    last.bias.fill_(0.5)


def _start_hyper(model: RetrainedCheng, places: Tensor, images: Tensor) -> None:
    width = model.config.width
    pairs = width // 2
    y = torch.cat([model.g_a(one[None]) for one in images])
    group = _nearest(groups(places[:pairs]), places)
    gather, spread = magnitudes(group, into_steps(model, 50.0, y), pairs)
    count = len(gather)
    smooth = torch.tensor([1.0, 2.0, 1.0]) / 4
    alone = torch.tensor([0.0, 1.0, 0.0])
    # A value and its negative through a leaky ReLU add up to its magnitude.
    both = torch.eye(pairs).repeat_interleave(2, 0)
    both[1::2] *= -1
    signed, magnitude, half, between, quarter = parts(model.h_a, 0, 2, 4, 6, 8)
    set_side(signed, both, alone)
    set_side(magnitude, gather.repeat_interleave(2, 1) / (1 - SLOPE), smooth)
    for layer, line in ((half, smooth), (between, alone), (quarter, smooth)):
        set_side(layer, torch.eye(count), line)
    quarter.weight[count:] *= 0.1
    first, up, wide, up_again, last = parts(model.h_s, 0, 2, 4, 6, 8)
    set_side(first, torch.eye(count), alone)
    first.weight[:, count:] = 0
    _set_bilinear(up[0], count)
    set_side(wide, torch.eye(count), alone)
    _set_bilinear(up_again[0], count)
    # Scales come before means, which begin at zero.
    set_side(last, spread, alone)
    last.bias[: len(spread)] = FLOOR
    layers = parts(model.entropy_parameters, 0, 2, 4)
    for layer in layers:
        set_side(layer, torch.eye(len(spread)), torch.ones(1))
    layers[2].weight[len(spread) :] = 0
    nn.init.zeros_(layers[2].bias)
    start_density(model, y)


def _silence(layer: nn.Conv2d) -> None:
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


def _nearest(group: Tensor, places: Tensor) -> Tensor:
    """Return the group of every place: its own, or that of the nearest one that has a group."""
    at = torch.log2(1.0 + places)
    at[:, 0] = 8.0 * (places[:, 0] > 0) + places[:, 0]
    return group[torch.cdist(at, at[: len(group)]).argmin(1)]


def _unfolding(inputs: int) -> Tensor:
    """Return the step that puts the values of four places side by side, (4 inputs, inputs, 2, 2):
    input by input.
    """
    return torch.eye(4 * inputs).reshape(4 * inputs, inputs, 2, 2)


def _pass(block: Any, step: Tensor, mix: Tensor) -> None:
    """Let a block with stride make `step` (hidden, inputs, 2, 2), then `mix` (outputs, hidden)."""
    _set(block.conv1, step)
    outputs, hidden = mix.shape
    for layer in (block.conv2, block.skip):
        layer.weight[:outputs] = 0
        layer.bias[:outputs] = 0
    block.conv2.weight[:outputs, :hidden, 1, 1] = mix.float()


def _set(layer: Any, step: Tensor) -> None:
    """Put `step` (outputs, inputs, 2, 2) into a convolution of 3×3 with stride 2."""
    outputs, inputs = step.shape[:2]
    layer.weight[:outputs] = 0
    layer.weight[:outputs, :inputs, 1:, 1:] = step.float()
    layer.bias[:outputs] = 0


def _set_shuffled(layer: Any, step: Tensor) -> None:
    """Put the inverse of `step` (inputs, outputs, 2, 2) before a doubling pixel shuffle."""
    inputs, outputs = step.shape[:2]
    layer.weight[: 4 * outputs] = 0
    layer.weight[: 4 * outputs, :inputs, 1, 1] = step.flatten(1).T.float()
    layer.bias[: 4 * outputs] = 0


def _set_bilinear(layer: Any, count: int) -> None:
    """Let a doubling of 3×3 and a pixel shuffle interpolate its first channels."""
    near = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
    taps = torch.einsum("pi,qj->pqij", near, near).reshape(4, 3, 3)
    layer.weight[: 4 * count] = 0
    for channel in range(count):
        layer.weight[4 * channel : 4 * channel + 4, channel] = taps
    layer.bias[: 4 * count] = 0

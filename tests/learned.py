"""Random weights that behave like trained ones where entropy coding is concerned.

A freshly initialised network makes latents of nearly one value. Here the last layer of the
analysis is scaled, channel by channel, to spreads from 0.05 to 6, and the layer that predicts
scales is scaled to predict about these, so that streams have a fraction of a bit to some bits per
pixel and use scale indices all over the table.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.image import read_image
from bench.models.balle2018 import FactorizedPrior, ScaleHyperprior
from bench.models.base import CompressionModel
from bench.models.entropy_models import EntropyBottleneck
from bench.models.minnen2018 import JointPrior, MeanScaleHyperprior
from bench.models.zoo import ARCHITECTURES


def textured(shared: Path, height: int, width: int) -> Tensor:
    """Return two crops of real photos that have texture, (2, 3, height, width) in 0 … 1."""
    files = sorted((shared / "train" / "cid22_clic25").glob("*.avif"))[42:73:30]
    crops = [read_image(file).pixels[100 : 100 + height, 100 : 100 + width] for file in files]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def enliven(model: CompressionModel, x: Tensor, seed: int = 0, loudest: float = 6.0) -> None:
    """Scale the weights of `model` in place so that its latent of `x` is worth coding."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
                fan_in = part.weight[0].numel()
                if isinstance(part, nn.ConvTranspose2d):
                    fan_in = part.weight.shape[0] * part.weight[0, 0].numel() // 4
                part.weight.normal_(0, (1.6 / fan_in) ** 0.5)
                if part.bias is not None:
                    part.bias.normal_(0, 0.02)
        channels = model.g_a(x).shape[1]
        spread = torch.logspace(-1.3, torch.log10(torch.tensor(loudest)).item(), channels)
        spread = spread[torch.randperm(channels)]
        last = [part for part in model.g_a.children() if isinstance(part, nn.Conv2d)][-1]
        for _ in range(4):
            y = model.g_a(x)
            ratio = spread / y.std(dim=(0, 2, 3)).clamp(min=1e-6)
            last.weight.mul_(ratio[:, None, None, None])
            last.bias.mul_(ratio)
        y = model.g_a(x)
        spread = y.std(dim=(0, 2, 3))
        if isinstance(model, FactorizedPrior):
            _spread_prior(model.entropy_bottleneck, y)
        if isinstance(model, ScaleHyperprior):
            _spread_hyperprior(model, y, spread)
        # A reconstruction that fills the range of grey levels.
        image = model.g_s(torch.round(y))
        for part in reversed(list(model.g_s.modules())):
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
                part.weight.mul_(0.2 / image.std())
                part.bias.fill_(0.5)
                break


def _spread_hyperprior(model: ScaleHyperprior, y: Tensor, spread: Tensor) -> None:
    last_hyper = [part for part in model.h_a.children() if isinstance(part, nn.Conv2d)][-1]
    z = model.hyper_analysis(y)
    last_hyper.weight.mul_(3 / z.std())
    last_hyper.bias.mul_(3 / z.std())
    z = model.hyper_analysis(y)
    _spread_prior(model.entropy_bottleneck, z)
    z_hat = torch.round(z)
    if isinstance(model, JointPrior):
        context = model.context_prediction
        context.weight.mul_(context.mask)
        side, seen = model.h_s(z_hat), context(torch.round(y))
        for part, values in ((_last_conv(model.h_s), side), (context, seen)):
            part.weight.div_(values.std())
            part.bias.div_(values.std())
        both = torch.cat((model.h_s(z_hat), context(torch.round(y))), dim=1)
        layer, raw = _last_conv(model.entropy_parameters), model.entropy_parameters(both)
    else:
        layer, raw = _last_conv(model.h_s), model.h_s(z_hat)
    # Scales vary by a third around each channel's spread; means by a tenth of it.
    gain = spread / 3 / raw[:, : len(spread)].std(dim=(0, 2, 3)).clamp(min=1e-6)
    bias = spread.clone()
    if isinstance(model, MeanScaleHyperprior):
        mean_gain = spread / 10 / raw[:, len(spread) :].std(dim=(0, 2, 3)).clamp(min=1e-6)
        gain, bias = torch.cat((gain, mean_gain)), torch.cat((bias, torch.zeros_like(bias)))
    layer.weight.mul_(gain[:, None, None, None])
    layer.bias.copy_(bias)


def _spread_prior(prior: EntropyBottleneck, z: Tensor) -> None:
    """Give every channel a logistic density of the spread and the mean that `z` has there."""
    scale = z.std(dim=(0, 2, 3)).clamp(min=0.02) * 0.6
    centre = z.mean(dim=(0, 2, 3))
    for matrix, bias in zip(prior.matrices, prior.biases, strict=True):
        matrix.fill_(float(torch.log(torch.expm1(torch.tensor(1 / matrix.shape[1])))))
        bias.zero_()
    prior.matrices[0].copy_(
        torch.log(torch.expm1(1 / scale / prior.matrices[0].shape[1]))[:, None, None].expand_as(
            prior.matrices[0]
        )
    )
    first = torch.nn.functional.softplus(prior.matrices[0])
    prior.biases[0].copy_(-first * centre[:, None, None])
    reach = 21.5 * scale
    prior.quantiles.copy_(torch.stack((centre - reach, centre, centre + reach), dim=1)[:, None])


def _last_conv(layers: nn.Module) -> nn.Conv2d:
    return [part for part in layers.children() if isinstance(part, nn.Conv2d)][-1]


def small_model(name: str, x: Tensor, width: int = 24, latents: int = 32) -> CompressionModel:
    """Return the architecture `name`, narrow and lively, ready for coding images like `x`."""
    architecture = ARCHITECTURES[name]
    pair = len(architecture.widths[0]) == 2
    model = architecture.load()(*((width, latents) if pair else (width,)))
    enliven(model, x)
    return model.ready()


def crop_tensor(path: Path, height: int, width: int) -> Tensor:
    """Return the top left corner of an image as float32 (1, 3, height, width) in 0 … 1."""
    pixels = read_image(path).pixels[:height, :width]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).unsqueeze(0).float() / 255

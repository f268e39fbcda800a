"""Blocks of the learned branches. All tensors are float32 (batch, channels, height, width)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.hybrid.attention import TransformerBlock
from bench.models.hybrid.config import HybridConfig

SLOPE = 0.125


class SqueezeExcite(nn.Module):
    """Channel attention: every channel scaled by what the whole image says.

    References
    ----------
    J. Hu et al., "Squeeze-and-excitation networks", CVPR 2018.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(4, channels // 8)
        self.gate = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` scaled, in its shape."""
        return x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))


class ConvBlock(nn.Module):
    """Convolutions, channel attention where wanted, and the input added where residual.

    Parameters
    ----------
    kind : "basic": two 3×3; "bottleneck": 1×1 to half, 3×3, 1×1 back; "plain": two 3×3 without
        skip (VGG); "mobilenet": 1×1 to twice, depthwise 3×3, 1×1 back (inverted residual).
    """

    def __init__(self, kind: str, channels: int, squeeze_excite: bool) -> None:
        super().__init__()
        half, twice, act = max(1, channels // 2), 2 * channels, nn.LeakyReLU(SLOPE)
        layers: dict[str, list[nn.Module]] = {
            "basic": [_conv3(channels, channels), act, _conv3(channels, channels)],
            "plain": [_conv3(channels, channels), act, _conv3(channels, channels), act],
            "bottleneck": [
                nn.Conv2d(channels, half, 1), act, _conv3(half, half), act,
                nn.Conv2d(half, channels, 1),
            ],
            "mobilenet": [
                nn.Conv2d(channels, twice, 1), act, _conv3(twice, twice, groups=twice), act,
                nn.Conv2d(twice, channels, 1),
            ],
        }  # fmt: skip
        self.layers = nn.Sequential(*layers[kind])
        self.excite: nn.Module = SqueezeExcite(channels) if squeeze_excite else nn.Identity()
        self.residual = kind != "plain"

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        out: Tensor = self.excite(self.layers(x))
        return x + out if self.residual else out


class Stage(nn.Module):
    """Blocks of one resolution, told the quality."""

    def __init__(self, config: HybridConfig, channels: int, depth: int) -> None:
        super().__init__()
        self.quality = QualityScale(channels)
        self.blocks = nn.ModuleList(_block(config, channels) for _ in range(depth))
        self.checkpointing = config.checkpointing

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Return the same shape; `level` is (batch, 1, 1, 1)."""
        x = self.quality(x, level)
        for block in self.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                x = _recomputed(block, x)
            else:
                x = block(x)
        return x


class QualityScale(nn.Module):
    """Scale and shift per channel, quadratic in the quality's level; begins as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(3, channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(3, channels, 1, 1))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Return the same shape; `level` is (batch, 1, 1, 1)."""
        scale = self.scale[0] + level * self.scale[1] + level**2 * self.scale[2]
        shift = self.shift[0] + level * self.shift[1] + level**2 * self.shift[2]
        return x * (1 + scale) + shift


class Downsample(nn.Module):
    """Half the size: a strided convolution, or the mean of 2×2 and a convolution."""

    def __init__(self, inputs: int, outputs: int, pool: bool) -> None:
        super().__init__()
        self.pool = pool
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=1 if pool else 2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, outputs, height / 2, width / 2)."""
        y: Tensor = self.conv(F.avg_pool2d(x, 2) if self.pool else x)
        return F.leaky_relu(y, SLOPE)


class Upsample(nn.Module):
    """Twice the size: a transposed convolution, and beside it the nearest sample as a residual."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, outputs, height · 2, width · 2)."""
        near = F.interpolate(self.skip(x), scale_factor=2.0, mode="nearest")
        return F.leaky_relu(self.deconv(x), SLOPE) + near


def zeroed(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    """Return `layer` with weights and bias at zero: a branch that begins as nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _block(config: HybridConfig, channels: int) -> nn.Module:
    if config.backbone == "vit":
        return TransformerBlock(channels, config.heads, config.window, config.position)
    kind = config.block if config.backbone == "resnet" else config.backbone
    return ConvBlock(kind, channels, config.squeeze_excite)


def _conv3(inputs: int, outputs: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, groups=groups)


def _recomputed(block: nn.Module, x: Tensor) -> Tensor:
    from torch.utils.checkpoint import checkpoint

    y: Any = checkpoint(block, x, use_reentrant=False)
    assert isinstance(y, Tensor)
    return y

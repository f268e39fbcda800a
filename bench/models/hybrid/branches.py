"""The learned branches beside the start: from pixels to the latent, and back."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.hybrid.attention import CrossAttention, GlobalAttention, WindowAttention
from bench.models.hybrid.blocks import SLOPE, Downsample, Stage, Upsample, zeroed
from bench.models.hybrid.config import HybridConfig
from bench.models.precision import full_precision


class Mixer(nn.Sequential):
    """Self-attention at the lowest resolution: windowed, and global where wanted."""

    def __init__(self, config: HybridConfig, channels: int) -> None:
        parts: list[nn.Module] = []
        if config.attention != "none":
            parts.append(WindowAttention(channels, config.heads, config.window, config.position))
        if config.attention == "global":
            parts.append(GlobalAttention(channels, config.heads, config.position))
        super().__init__(*parts)


class AnalysisBranch(nn.Module):
    """Pixels to the latent: a stem to 1/4, stages at 1/4, 1/8 and 1/16."""

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        first, second, third = config.widths
        pool = config.downsample == "pool"
        self.stem = nn.Conv2d(3, first, 8, stride=4, padding=2)
        self.stages = nn.ModuleList(
            Stage(config, width, depth)
            for width, depth in zip(config.widths, config.depths, strict=True)
        )
        self.down = nn.ModuleList(
            [Downsample(first, second, pool), Downsample(second, third, pool)]
        )
        self.mix = Mixer(config, third)
        head = nn.Conv2d(third, config.channels, 3, padding=1)
        self.head = head if config.start == "random" else zeroed(head)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Return (batch, channels, height / 16, width / 16) for `x` (batch, 3, height, width)."""
        features = F.leaky_relu(self.stem(2 * x - 1), SLOPE)
        features = self.stages[0](features, level)
        for down, stage in zip(self.down, list(self.stages)[1:], strict=True):
            features = stage(down(features), level)
        return self._out(self.mix(features))

    @full_precision
    def _out(self, features: Tensor) -> Tensor:
        latent: Tensor = self.head(features)
        return latent


class SynthesisBranch(nn.Module):
    """The latent to pixels: stages at 1/16, 1/8 and 1/4, transposed convolutions between them.

    It sees the image that the start makes of the latent, too, from 1/4 on: what is learned first
    is to take quantisation's traces out of it.
    """

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        first, second, third = config.decoder_widths
        self.inlet = nn.Conv2d(config.channels, third, 3, padding=1)
        self.look = (
            nn.Conv2d(3, first, 8, stride=4, padding=2) if config.start != "random" else None
        )
        widths, depths = config.decoder_widths[::-1], config.depths[::-1]
        self.stages = nn.ModuleList(
            Stage(config, width, depth) for width, depth in zip(widths, depths, strict=True)
        )
        self.up = nn.ModuleList([Upsample(third, second), Upsample(second, first)])
        self.mix = Mixer(config, third)
        self.across = None
        if config.cross_attention:
            self.across = CrossAttention(third, config.hyper, config.heads, config.position)
        self.refine: nn.Module = nn.Identity()
        if config.refine:
            self.refine = WindowAttention(second, config.heads, config.window, config.position)
        outlet = nn.ConvTranspose2d(first, 3, 8, stride=4, padding=2)
        self.outlet = outlet if config.start == "random" else zeroed(outlet)

    def forward(
        self, y_hat: Tensor, level: Tensor, image: Tensor | None, z_hat: Tensor | None
    ) -> Tensor:
        """Return (batch, 3, height, width) to be added to `image`, the start's own.

        Parameters
        ----------
        y_hat : (batch, channels, height / 16, width / 16).
        z_hat : the side information; None without a hyperprior.
        """
        features = F.leaky_relu(self.inlet(y_hat), SLOPE)
        features = self.mix(self.stages[0](features, level))
        if self.across is not None and z_hat is not None:
            features = self.across(features, z_hat)
        features = self.refine(self.stages[1](self.up[0](features), level))
        features = self.up[1](features)
        if self.look is not None and image is not None:
            features = features + F.leaky_relu(self.look(2 * image - 1), SLOPE)
        return self._out(self.stages[2](features, level))

    @full_precision
    def _out(self, features: Tensor) -> Tensor:
        pixels: Tensor = self.outlet(features)
        return pixels

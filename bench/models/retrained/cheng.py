"""cheng2020-anchor as a network of all rates."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.hybrid.quantize import Noise
from bench.models.layers import (
    ResidualBlock,
    ResidualBlockUpsample,
    ResidualBlockWithStride,
    conv3x3,
    subpel_conv3x3,
)
from bench.models.minnen2018 import JointPrior
from bench.models.retrained.config import ChengConfig
from bench.models.retrained.model import OUTER_CHANNELS, Retrained
from bench.models.retrained.start import SCALES


class RetrainedCheng(Retrained, JointPrior):
    """cheng2020-anchor with gains; see :class:`ChengConfig` for arguments.

    The published network has as many latents as everything else has channels. Here the transforms
    may be narrower: the synthesis keeps the latents' number up to its first doubling.
    """

    target = "bench.models.retrained.cheng:RetrainedCheng"
    outer = ("g_a.0", "g_a.1", "g_a.2", "g_a.3", "g_s.4", "g_s.5", "g_s.6", "g_s.7")

    config: ChengConfig

    def __init__(self, **arguments: Any) -> None:
        config = ChengConfig.from_dict(arguments)
        width, latents = config.width, config.latents
        JointPrior.__init__(self, width, latents)
        # (b, 3, h, w) to (b, latents, h/16, w/16)
        self.g_a = nn.Sequential(
            ResidualBlockWithStride(3, width),
            ResidualBlock(width, width),
            ResidualBlockWithStride(width, width),
            ResidualBlock(width, width),
            ResidualBlockWithStride(width, width),
            ResidualBlock(width, width),
            conv3x3(width, latents, stride=2),
        )
        # (b, latents, h/16, w/16) to (b, 3, h, w)
        self.g_s = nn.Sequential(
            ResidualBlock(latents, latents),
            ResidualBlockUpsample(latents, width),
            ResidualBlock(width, width),
            ResidualBlockUpsample(width, width),
            ResidualBlock(width, width),
            ResidualBlockUpsample(width, width),
            ResidualBlock(width, width),
            subpel_conv3x3(width, 3, 2),
        )
        # (b, latents, h/16, w/16) to (b, width, h/64, w/64)
        self.h_a = nn.Sequential(
            conv3x3(latents, width),
            nn.LeakyReLU(inplace=True),
            conv3x3(width, width),
            nn.LeakyReLU(inplace=True),
            conv3x3(width, width, stride=2),
            nn.LeakyReLU(inplace=True),
            conv3x3(width, width),
            nn.LeakyReLU(inplace=True),
            conv3x3(width, width, stride=2),
        )
        # (b, width, h/64, w/64) to (b, 2 latents, h/16, w/16)
        self.h_s = nn.Sequential(
            conv3x3(width, width),
            nn.LeakyReLU(inplace=True),
            subpel_conv3x3(width, width, 2),
            nn.LeakyReLU(inplace=True),
            conv3x3(width, width * 3 // 2),
            nn.LeakyReLU(inplace=True),
            subpel_conv3x3(width * 3 // 2, width * 3 // 2, 2),
            nn.LeakyReLU(inplace=True),
            conv3x3(width * 3 // 2, latents * 2),
        )
        # It is always the same: no need for it to be in the file.
        masked = self.context_prediction
        masked.register_buffer("mask", masked.mask, persistent=False)
        self._finish(config)

    @torch.no_grad()
    def fit_start(self, images: Tensor) -> None:
        """See :class:`Trainable`: the start of :mod:`bench.models.retrained.start_cheng`."""
        if self.config.start == "dct":
            from bench.models.retrained.start_cheng import start_cheng

            start_cheng(self, images)

    def entropy(self, v: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Retrained`.

        The context model sees noise, or values rounded about zero, which lets all positions be
        predicted at once; the coder rounds about the mean.
        """
        z_hat, side_bits = self._side(self.hyper_analysis(v), noise)
        seen = v + noise.like(v) if self.training else torch.round(v)
        both = torch.cat((self.h_s(z_hat), self.context_prediction(seen)), dim=1)
        scales, means = (part.float() for part in self.entropy_parameters(both).chunk(2, dim=1))
        residual = v - means
        bits = self._main_bits(seen - means if self.training else torch.round(residual), scales)
        return v + (torch.round(residual) - residual).detach(), bits, side_bits

    def inner_analysis(self, coefficients: Tensor) -> Tensor:
        """See :class:`Retrained`."""
        free = self.config.width - OUTER_CHANNELS
        y: Tensor = self.g_a[4:](F.pad(SCALES[1] * coefficients, (0, 0, 0, 0, 0, free)))
        return y

    def inner_synthesis(self, y_hat: Tensor) -> Tensor:
        """See :class:`Retrained`."""
        out: Tensor = self.g_s[:4](y_hat)
        return out[:, :OUTER_CHANNELS] / SCALES[1]

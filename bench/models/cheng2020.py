"""Residual blocks with small kernels and sub-pixel convolutions, with and without attention.

The "anchor" and "attn" variants that CompressAI published: a single Gaussian in place of the
paper's mixture.

References
----------
Z. Cheng, H. Sun, M. Takeuchi, J. Katto, "Learned image compression with discretized Gaussian
mixture likelihoods and attention modules", CVPR 2020.
"""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

from bench.models.layers import (
    AttentionBlock,
    ResidualBlock,
    ResidualBlockUpsample,
    ResidualBlockWithStride,
    conv3x3,
    subpel_conv3x3,
)
from bench.models.minnen2018 import JointPrior


class Cheng2020Anchor(JointPrior):
    """cheng2020-anchor.

    Parameters
    ----------
    width : channels of everything, y and z included: 128 or 192.
    latents : channels of y, and of the synthesis up to its first doubling, where they are not those
        of everything else.
    """

    def __init__(self, width: int, latents: int | None = None) -> None:
        latents = width if latents is None else latents
        super().__init__(width, latents)
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

    @classmethod
    def for_state(cls, state: dict[str, Tensor]) -> Self:
        """See the base class."""
        return cls(len(state["g_a.0.conv1.weight"]))


class Cheng2020Attention(Cheng2020Anchor):
    """cheng2020-attn: attention after the second halving and at the latent.

    Parameters
    ----------
    width : channels of everything, y and z included: 128 or 192.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.g_a = nn.Sequential(
            ResidualBlockWithStride(3, width),
            ResidualBlock(width, width),
            ResidualBlockWithStride(width, width),
            AttentionBlock(width),
            ResidualBlock(width, width),
            ResidualBlockWithStride(width, width),
            ResidualBlock(width, width),
            conv3x3(width, width, stride=2),
            AttentionBlock(width),
        )
        self.g_s = nn.Sequential(
            AttentionBlock(width),
            ResidualBlock(width, width),
            ResidualBlockUpsample(width, width),
            ResidualBlock(width, width),
            ResidualBlockUpsample(width, width),
            AttentionBlock(width),
            ResidualBlock(width, width),
            ResidualBlockUpsample(width, width),
            ResidualBlock(width, width),
            subpel_conv3x3(width, 3, 2),
        )

"""Factorized prior and scale hyperprior.

References
----------
J. Ballé, V. Laparra, E. Simoncelli, "End-to-end optimized image compression", ICLR 2017.
J. Ballé, D. Minnen, S. Singh, S. J. Hwang, N. Johnston, "Variational image compression with a
scale hyperprior", ICLR 2018.
"""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

from bench.entropy.latents import FactorizedCoder, HyperpriorCoder
from bench.models.base import CompressionModel, Forward, LatentCoder
from bench.models.entropy_models import EntropyBottleneck, GaussianConditional
from bench.models.layers import GDN, conv, deconv


def analysis(width: int, latents: int) -> nn.Sequential:
    """g_a: (b, 3, h, w) to (b, latents, h/16, w/16)."""
    return nn.Sequential(
        conv(3, width),
        GDN(width),
        conv(width, width),
        GDN(width),
        conv(width, width),
        GDN(width),
        conv(width, latents),
    )


def synthesis(width: int, latents: int) -> nn.Sequential:
    """g_s: (b, latents, h/16, w/16) to (b, 3, h, w)."""
    return nn.Sequential(
        deconv(latents, width),
        GDN(width, inverse=True),
        deconv(width, width),
        GDN(width, inverse=True),
        deconv(width, width),
        GDN(width, inverse=True),
        deconv(width, 3),
    )


class FactorizedPrior(CompressionModel):
    """bmshj2018-factorized: every channel of the latent has one fixed density.

    Parameters
    ----------
    width : channels of the transforms, N in the paper: 128 or 192.
    latents : channels of the latent, M in the paper: 192 or 320.
    """

    stride = 16

    def __init__(self, width: int, latents: int) -> None:
        super().__init__()
        self.g_a = analysis(width, latents)
        self.g_s = synthesis(width, latents)
        self.entropy_bottleneck = EntropyBottleneck(latents)

    def forward(self, x: Tensor) -> Forward:
        """See the base class; likelihoods: y (b, latents, h/16, w/16)."""
        y_hat, likelihood = self.entropy_bottleneck(self.g_a(x))
        return Forward(self.g_s(y_hat), {"y": likelihood})

    def latent_coder(self) -> LatentCoder:
        """See the base class."""
        return FactorizedCoder(self.entropy_bottleneck)

    @classmethod
    def for_state(cls, state: dict[str, Tensor]) -> Self:
        """See the base class."""
        return cls(len(state["g_a.0.weight"]), len(state["g_a.6.weight"]))


class ScaleHyperprior(CompressionModel):
    """bmshj2018-hyperprior: side information z says the scale of every value of y.

    Parameters
    ----------
    width : channels of the transforms and of z, N in the paper: 128 or 192.
    latents : channels of y, M in the paper: 192 or 320.
    """

    stride = 64

    def __init__(self, width: int, latents: int) -> None:
        super().__init__()
        self.g_a = analysis(width, latents)
        self.g_s = synthesis(width, latents)
        self.h_a: nn.Module = nn.Sequential(
            conv(latents, width, kernel=3, stride=1),
            nn.ReLU(inplace=True),
            conv(width, width),
            nn.ReLU(inplace=True),
            conv(width, width),
        )
        self.h_s: nn.Module = nn.Sequential(
            deconv(width, width),
            nn.ReLU(inplace=True),
            deconv(width, width),
            nn.ReLU(inplace=True),
            conv(width, latents, kernel=3, stride=1),
            nn.ReLU(inplace=True),
        )
        self.entropy_bottleneck = EntropyBottleneck(width)
        self.gaussian_conditional = GaussianConditional()

    def hyper_analysis(self, y: Tensor) -> Tensor:
        """Return z (b, width, h/64, w/64) for y (b, latents, h/16, w/16)."""
        z: Tensor = self.h_a(y.abs())
        return z

    def forward(self, x: Tensor) -> Forward:
        """See the base class; likelihoods: y (b, latents, h/16, w/16), z (b, width, h/64, w/64)."""
        y = self.g_a(x)
        z_hat, z_likelihood = self.entropy_bottleneck(self.hyper_analysis(y))
        y_hat, y_likelihood = self.gaussian_conditional(y, self.h_s(z_hat))
        return Forward(self.g_s(y_hat), {"y": y_likelihood, "z": z_likelihood})

    def latent_coder(self) -> LatentCoder:
        """See the base class."""
        return HyperpriorCoder(
            self.hyper_analysis, self.h_s, self.entropy_bottleneck, self.gaussian_conditional
        )

    @classmethod
    def for_state(cls, state: dict[str, Tensor]) -> Self:
        """See the base class."""
        return cls(len(state["g_a.0.weight"]), len(state["g_a.6.weight"]))

"""Mean-scale hyperprior, and the joint autoregressive and hierarchical prior.

References
----------
D. Minnen, J. Ballé, G. Toderici, "Joint autoregressive and hierarchical priors for learned image
compression", NeurIPS 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.entropy.context import ContextCoder
from bench.entropy.latents import HyperpriorCoder
from bench.models.balle2018 import ScaleHyperprior
from bench.models.base import Forward, LatentCoder
from bench.models.layers import MaskedConv2d, conv, deconv


class MeanScaleHyperprior(ScaleHyperprior):
    """mbt2018-mean: the side information says mean and scale of every value of y.

    Parameters
    ----------
    width : channels of the transforms and of z: 128 or 192.
    latents : channels of y: 192 or 320.
    """

    def __init__(self, width: int, latents: int) -> None:
        super().__init__(width, latents)
        self.h_a = nn.Sequential(
            conv(latents, width, kernel=3, stride=1),
            nn.LeakyReLU(inplace=True),
            conv(width, width),
            nn.LeakyReLU(inplace=True),
            conv(width, width),
        )
        self.h_s = nn.Sequential(
            deconv(width, latents),
            nn.LeakyReLU(inplace=True),
            deconv(latents, latents * 3 // 2),
            nn.LeakyReLU(inplace=True),
            conv(latents * 3 // 2, latents * 2, kernel=3, stride=1),
        )

    def hyper_analysis(self, y: Tensor) -> Tensor:
        """Return z (b, width, h/64, w/64) for y (b, latents, h/16, w/16)."""
        z: Tensor = self.h_a(y)
        return z

    def forward(self, x: Tensor) -> Forward:
        """See the base class; likelihoods: y (b, latents, h/16, w/16), z (b, width, h/64, w/64)."""
        y = self.g_a(x)
        z_hat, z_likelihood = self.entropy_bottleneck(self.hyper_analysis(y))
        scales, means = self.h_s(z_hat).chunk(2, dim=1)
        y_hat, y_likelihood = self.gaussian_conditional(y, scales, means)
        return Forward(self.g_s(y_hat), {"y": y_likelihood, "z": z_likelihood})

    def latent_coder(self) -> LatentCoder:
        """See the base class."""
        return HyperpriorCoder(
            self.hyper_analysis,
            self.h_s,
            self.entropy_bottleneck,
            self.gaussian_conditional,
            means=True,
        )


class JointPrior(MeanScaleHyperprior):
    """mbt2018: mean and scale come from the side information and from what is already decoded.

    Parameters
    ----------
    width : channels of the transforms and of z: 192.
    latents : channels of y: 192 or 320.
    """

    def __init__(self, width: int, latents: int) -> None:
        super().__init__(width, latents)
        self.context_prediction = MaskedConv2d(latents, 2 * latents, kernel=5)
        self.entropy_parameters = nn.Sequential(
            nn.Conv2d(latents * 4, latents * 10 // 3, 1),
            nn.LeakyReLU(inplace=True),
            nn.Conv2d(latents * 10 // 3, latents * 8 // 3, 1),
            nn.LeakyReLU(inplace=True),
            nn.Conv2d(latents * 8 // 3, latents * 2, 1),
        )

    def forward(self, x: Tensor) -> Forward:
        """See the base class; likelihoods: y (b, latents, h/16, w/16), z (b, width, h/64, w/64).

        As in the paper y is rounded about zero here, which lets all positions be predicted at
        once; the coder rounds about the mean.
        """
        y = self.g_a(x)
        z_hat, z_likelihood = self.entropy_bottleneck(self.hyper_analysis(y))
        y_hat, _ = self.gaussian_conditional(y, torch.ones_like(y))
        both = torch.cat((self.h_s(z_hat), self.context_prediction(y_hat)), dim=1)
        scales, means = self.entropy_parameters(both).chunk(2, dim=1)
        _, y_likelihood = self.gaussian_conditional(y, scales, means)
        return Forward(self.g_s(y_hat), {"y": y_likelihood, "z": z_likelihood})

    def latent_coder(self) -> LatentCoder:
        """See the base class."""
        return ContextCoder(
            self.hyper_analysis,
            self.h_s,
            self.entropy_bottleneck,
            self.gaussian_conditional,
            self.context_prediction,
            self.entropy_parameters,
        )

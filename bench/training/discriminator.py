"""The adversary: patches of several scales, judged together with the latent that made them.

References
----------
P. Isola et al., "Image-to-image translation with conditional adversarial networks", CVPR 2017
(patches). T.-C. Wang et al., "High-resolution image synthesis and semantic manipulation with
conditional GANs", CVPR 2018 (several scales). T. Miyato et al., "Spectral normalization for
generative adversarial networks", ICLR 2018. F. Mentzer et al., "High-fidelity generative image
compression", NeurIPS 2020 (conditioned on the latent).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.errors import UsageError

Adversarial = Literal["hinge", "least-squares", "wgan-gp"]


class PatchCritic(nn.Module):
    """One scale: a score per patch, (batch, 1, about height / 8, width / 8).

    Parameters
    ----------
    channels : of the latent.
    width : of the first layer.
    spectral : normalise every weight by its largest singular value.
    """

    def __init__(self, channels: int, width: int, spectral: bool) -> None:
        super().__init__()
        wrap: Callable[[Any], Any] = lambda layer: layer  # noqa: E731
        if spectral:
            wrap = nn.utils.parametrizations.spectral_norm
        self.condition = wrap(nn.Conv2d(channels, 8, 1))
        sizes = (3 + 8, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [
                wrap(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)),
                # Of one image alone: what else is in the batch must not matter.
                nn.GroupNorm(1, outputs) if inputs != sizes[0] else nn.Identity(),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, wrap(nn.Conv2d(sizes[-1], 1, 3, padding=1)))

    def forward(self, image: Tensor, latent: Tensor) -> Tensor:
        """Return the scores of `image` (batch, 3, height, width), made from `latent`."""
        known = F.interpolate(self.condition(latent), size=image.shape[2:], mode="nearest")
        scores: Tensor = self.layers(torch.cat([2 * image - 1, known], 1))
        return scores


class Discriminator(nn.Module):
    """Critics of the image and of the image at half, a quarter … the size.

    Parameters
    ----------
    channels : of the latent it is conditioned on.
    loss : "hinge", "least-squares" or "wgan-gp", whose critic must not be normalised.
    scales, width : how many critics, and of which width.
    penalty : weight of the gradient penalty of "wgan-gp".

    Raises
    ------
    UsageError : an unknown loss, or no scale.
    """

    def __init__(
        self, channels: int, loss: Adversarial = "hinge", scales: int = 2, width: int = 32,
        penalty: float = 10.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if loss not in get_args(Adversarial):
            raise UsageError(f"gan.loss: one of {', '.join(get_args(Adversarial))}, got {loss!r}")
        if scales < 1:
            raise UsageError(f"gan.scales: one at least was expected, got {scales}")
        self.loss, self.penalty = loss, penalty
        self.critics = nn.ModuleList(
            PatchCritic(channels, width, spectral=loss != "wgan-gp") for _ in range(scales)
        )

    def forward(self, image: Tensor, latent: Tensor) -> list[Tensor]:
        """Return each scale's scores."""
        scores = []
        for critic in self.critics:
            scores.append(critic(image, latent))
            image = F.avg_pool2d(image, 2)
        return scores

    def critic_loss(self, real: Tensor, fake: Tensor, latent: Tensor) -> Tensor:
        """Return what the discriminator minimises; images and latent are taken as they are."""
        fake, latent = fake.detach(), latent.detach()
        pairs = zip(self(real, latent), self(fake, latent), strict=True)
        total = torch.stack([self._separate(*pair) for pair in pairs]).mean()
        if self.loss == "wgan-gp":
            total = total + self.penalty * self.gradient_penalty(real, fake, latent)
        return total

    def generator_loss(self, fake: Tensor, latent: Tensor) -> Tensor:
        """Return what the codec minimises to pass for real."""
        scores = self(fake, latent.detach())
        if self.loss == "least-squares":
            return torch.stack([(score - 1).square().mean() for score in scores]).mean()
        return torch.stack([-score.mean() for score in scores]).mean()

    def gradient_penalty(self, real: Tensor, fake: Tensor, latent: Tensor) -> Tensor:
        """Return how far the score's slope between real and fake is from one.

        References
        ----------
        I. Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017.
        """
        share = torch.rand(len(real), 1, 1, 1, device=real.device)
        between = (share * real + (1 - share) * fake).requires_grad_()
        scores = torch.stack([score.mean((1, 2, 3)) for score in self(between, latent)]).mean(0)
        (slope,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        length = slope.flatten(1).square().sum(1).sqrt()
        return (length - 1).square().mean()

    def _separate(self, real: Tensor, fake: Tensor) -> Tensor:
        if self.loss == "hinge":
            return (F.relu(1 - real) + F.relu(1 + fake)).mean()
        if self.loss == "least-squares":
            return ((real - 1).square() + fake.square()).mean()
        return fake.mean() - real.mean()

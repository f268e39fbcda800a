"""What `bench train` asks of a network."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bench.codec import Quality
from bench.errors import CodecError
from bench.models.base import CompressionModel, Forward
from bench.models.settings import Settings


@dataclass(frozen=True)
class Coded(Forward):
    """What a network returns while it is trained.

    Parameters
    ----------
    bits : of the latent, per image (batch,); zero for a plain autoencoder.
    side_bits : of the side information, per image (batch,).
    latent : the quantised latent in steps, what a discriminator is conditioned on.
    commitment : of a vector quantiser, per image (batch,); zero otherwise.
    """

    bits: Tensor
    side_bits: Tensor
    latent: Tensor
    commitment: Tensor


@dataclass(frozen=True)
class Lesson:
    """A batch as the losses see it.

    Parameters
    ----------
    out : what the network made of it.
    x : the images that `out` is compared with, (batch, 3, height, width) in 0 … 1.
    quality : of each, on the scale of :func:`bench.models.hybrid.model.log_step`.
    """

    out: Coded
    x: Tensor
    quality: Tensor


class Trainable(CompressionModel):
    """A network of many rates that `bench train` can train and release."""

    variable_rate = True
    #: ``module:Class``, as a card names it.
    target: ClassVar[str]
    #: Beginnings of the names of parameters that begin at nothing and learn faster, and of those
    #: that begin at what is known to be good.
    fast: ClassVar[tuple[str, ...]]
    slow: ClassVar[tuple[str, ...]]

    config: Settings
    #: What the loss weighs the squared error with, against the rate, beyond the quality's slope.
    error_weight: float = 1.0

    @property
    @abc.abstractmethod
    def latent_channels(self) -> int:
        """Channels of the latent that a discriminator sees."""

    @property
    @abc.abstractmethod
    def points(self) -> tuple[Quality, ...]:
        """Qualities at which validation writes true operating points."""

    @property
    def rate_in_loss(self) -> bool:
        """Whether the loss holds the rate."""
        return True

    @abc.abstractmethod
    def lesson(self, x: Tensor, quality: Tensor, seeds: Tensor) -> Lesson:
        """Run a training batch: `x` (batch, 3, height, width), `quality` 0 … 100 and seeds of the
        noise (batch,).
        """

    def learn_searched(self, passes: int, **settings: Any) -> None:
        """Train from now on with latents that an encoder's search has moved: with so many passes,
        for the rest with `settings` as :meth:`encode_with` takes them.

        Raises CodecError for wrong settings, or a network whose encoder has no search.
        """
        raise CodecError("this network's encoder has no search")

    @abc.abstractmethod
    def fit_start(self, images: Tensor) -> None:
        """Take the statistics of the start from photos (n, 3, height, width)."""

    @property
    def renews(self) -> bool:
        """Whether there is a :meth:`renew`."""
        return False

    def renew(self, images: Tensor) -> None:
        """Let what trained weights can do without begin anew, by photos (n, 3, height, width).

        What the network does changes little. Raises CodecError where it can't be done.
        """
        raise CodecError("this network has nothing to renew")

    def fit_prior(self, images: list[Tensor]) -> None:
        """Fit what is not learned with the rest to `images`, each (1, 3, height, width)."""

    def parameters_fit(self, state: dict[str, Tensor]) -> bool:
        """Return whether a state dictionary has every parameter in its shape."""
        own = self.named_parameters()
        return all(name in state and state[name].shape == value.shape for name, value in own)


def repeated(x: Tensor, times: int) -> Tensor:
    """Return `x` that many times, one after the other along the batch."""
    return torch.cat([x] * times)

"""What every learned codec has in common: transforms around a quantised latent."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor, nn

from bench.codec import Quality
from bench.errors import CodecError
from bench.models.entropy_models import EntropyBottleneck, EntropyModel


@dataclass(frozen=True)
class Forward:
    """What a network returns while it is trained.

    Parameters
    ----------
    x_hat : (batch, 3, height, width), about 0 … 1, not clamped.
    likelihoods : for each latent ("y", "z") the likelihood of every value, in the latent's shape;
        the estimated rate in bits is the sum of their -log2.
    """

    x_hat: Tensor
    likelihoods: dict[str, Tensor]


class LatentCoder(Protocol):
    """Turns a latent into bytes and back."""

    def encode(self, y: Tensor) -> tuple[bytes, Tensor]:
        """Return the bytes for `y` (1, channels, height, width), and what :meth:`decode` will
        make of them: the quantised latent, equal to the bit. Raises CodecError.
        """

    def decode(self, payload: bytes, size: tuple[int, int]) -> Tensor:
        """Return the float32 latent (1, channels, \\*size). Raises BitstreamError."""


class CompressionModel(nn.Module, abc.ABC):
    """An analysis transform, a quantised and entropy-coded latent, a synthesis transform.

    A subclass sets `g_a` and `g_s` and says how its latent is coded; :meth:`ready` ends training
    and makes :meth:`compress` and :meth:`decompress` usable.
    """

    #: Height and width of `x` must be multiples of this.
    stride: ClassVar[int]
    #: Height and width of the latent `y` are those of `x` divided by this.
    latent_stride: ClassVar[int] = 16
    #: Whether one set of weights serves several settings of quality.
    variable_rate: ClassVar[bool] = False
    #: Whether the first bytes of a payload are a coarser image: see :meth:`decompress_prefix`.
    progressive: ClassVar[bool] = False

    g_a: nn.Module
    g_s: nn.Module
    _coder: LatentCoder | None = None

    @abc.abstractmethod
    def forward(self, x: Tensor) -> Forward:
        """Return reconstruction and likelihoods of `x` (batch, 3, height, width) in 0 … 1."""

    @abc.abstractmethod
    def latent_coder(self) -> LatentCoder:
        """Return the coder of the latent, made from the weights as they are now."""

    @classmethod
    def for_state(cls, state: dict[str, Tensor]) -> Self:
        """Return an instance of the widths that the state dictionary `state` has.

        Where a class has one size only, this is the class without arguments.
        """
        return cls()

    def ready(self) -> Self:
        """Freeze the model for coding; pins the tables where the checkpoint brought none."""
        self.eval().requires_grad_(False)
        for part in self.modules():
            if isinstance(part, EntropyModel) and not part.pinned:
                part.pin()
        self.to(memory_format=torch.channels_last)
        # Not a module of this one: it must not appear in the state dictionary.
        object.__setattr__(self, "_coder", self.latent_coder())
        return self

    def encode_with(self, **settings: Any) -> None:
        """Let the encoder choose otherwise than it was trained to; decoders need not know.

        Raises CodecError for settings that the network's encoder does not have.
        """
        if settings:
            raise CodecError(
                f"the encoder of {type(self).__name__} has no settings: {', '.join(settings)}"
            )

    def compress(self, x: Tensor, quality: Quality) -> bytes:
        """Return the bytes for one image.

        Parameters
        ----------
        x : float32 of shape (1, 3, height, width), 0 … 1, height and width multiples of `stride`.
        quality : the setting; of use only where `variable_rate`.

        Raises
        ------
        CodecError : the latent can't be coded.
        """
        with torch.inference_mode():
            return self.coder.encode(self.analyse(x))[0]

    def decompress(self, payload: bytes, height: int, width: int) -> Tensor:
        """Return the image (1, 3, height, width), float32, 0 … 1, that :meth:`compress` coded.

        Raises
        ------
        BitstreamError : bytes that :meth:`compress` did not write for an image of this size.
        """
        with torch.inference_mode():
            size = height // self.latent_stride, width // self.latent_stride
            return self.synthesise(self.coder.decode(payload, size))

    def decompress_prefix(self, payload: bytes, height: int, width: int) -> Tensor:
        """Return the image that the first bytes of a payload hold, where the network is
        `progressive`. Raises CodecError where it is not, BitstreamError.
        """
        raise CodecError(f"{type(self).__name__} is not progressive: all of its bytes are needed")

    def analyse(self, x: Tensor) -> Tensor:
        """Return the latent of an image, not quantised."""
        y: Tensor = self.g_a(x.contiguous(memory_format=torch.channels_last))
        return y

    def synthesise(self, y_hat: Tensor) -> Tensor:
        """Return the image for a quantised latent, clamped to 0 … 1."""
        image: Tensor = self.g_s(y_hat.contiguous(memory_format=torch.channels_last))
        return image.clamp(0, 1)

    @property
    def coder(self) -> LatentCoder:
        """The coder of the latent. Raises CodecError before :meth:`ready`."""
        if self._coder is None:
            raise CodecError("the model is not ready for coding: call ready() after loading")
        return self._coder

    def auxiliary_loss(self) -> Tensor:
        """Return the loss of the factorized priors' quantiles, to be added to the main one."""
        losses = [part.loss() for part in self.modules() if isinstance(part, EntropyBottleneck)]
        return torch.stack(losses).sum()

"""The published baselines, each a network of all rates."""

from __future__ import annotations

import abc
import math
import struct
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.codec import Quality
from bench.entropy.context import ContextCoder
from bench.entropy.latents import HyperpriorCoder
from bench.errors import BitstreamError, CodecError
from bench.models.balle2018 import ScaleHyperprior
from bench.models.entropy_models import EntropyBottleneck, GaussianConditional
from bench.models.hybrid.coder import QUALITY_UNIT
from bench.models.hybrid.model import LAMBDA, QUALITY_MAX, log_step
from bench.models.hybrid.quantize import Noise
from bench.models.retrained import dct
from bench.models.retrained.config import HyperpriorConfig, RetrainedConfig
from bench.models.retrained.gains import RateGains
from bench.models.retrained.search import Search, SearchSettings
from bench.models.trainable import Coded, Lesson, Trainable

_HEAD = struct.Struct("<H")
#: Block size and coefficients that the two outermost stages make while they are fixed.
OUTER, OUTER_CHANNELS = 4, 48


class Retrained(Trainable):
    """What both baselines have in common: gains, quality in the bitstream, training.

    A payload is the quality in 1/256 (2 bytes, little-endian), then what the published network
    writes for the latent in steps.
    """

    stride = 64
    fast = ("h_a", "h_s", "entropy_", "context_", "gains")
    slow = ()
    #: Modules that :attr:`RetrainedConfig.outer` can leave as they are.
    outer: ClassVar[tuple[str, ...]]

    config: RetrainedConfig
    g_a: nn.Sequential
    g_s: nn.Sequential
    h_s: nn.Module
    entropy_bottleneck: EntropyBottleneck
    gaussian_conditional: GaussianConditional
    gains: RateGains

    def _finish(self, config: RetrainedConfig) -> None:
        """End of construction: the published network is there."""
        self.config = config
        self.encoder = SearchSettings()
        self.gains = RateGains(config.latents, config.gain_points, config.steps_of)
        # They follow the density: see :meth:`fit_prior`.
        self.entropy_bottleneck.quantiles.requires_grad_(False)
        if config.outer == "fixed":
            for name in self.outer:
                self.get_submodule(name).requires_grad_(False)

    @property
    def latent_channels(self) -> int:
        """See :class:`Trainable`."""
        return self.gains.into.shape[1]

    @property
    def points(self) -> tuple[Quality, ...]:
        """See :class:`Trainable`."""
        return (10, 35, 60, 85)

    @classmethod
    def for_state(cls, state: dict[str, Tensor]) -> Self:
        """Return the network of the default settings. Raises CodecError for others' weights."""
        model = cls()
        if not model.parameters_fit(state):
            raise CodecError(
                f"weights of {cls.__name__} of other than the default settings need them as "
                "`arguments`"
            )
        return model

    def lesson(self, x: Tensor, quality: Tensor, seeds: Tensor) -> Lesson:
        """See :class:`Trainable`; of one quality where `only` says so."""
        if self.config.only is not None:
            quality = torch.full_like(quality, self.config.only)
        return Lesson(self(x, quality, seeds), x, self.gains.on_scale(quality))

    def forward(
        self, x: Tensor, quality: Tensor | None = None, seeds: Tensor | None = None
    ) -> Coded:
        """Return reconstruction and bits for `x` (batch, 3, height, width) in 0 … 1.

        `quality` is float32 (batch,), 0 … 100, 50 for all where left out; `seeds` are of each
        sample's noise. Rates are those of noise in place of rounding while training; the image is
        made from rounded values at all times.
        """
        quality = x.new_full((len(x),), QUALITY_MAX / 2) if quality is None else quality
        fixed = self.config.outer == "fixed"
        y = self.inner_analysis(dct.analysis(x, OUTER)) if fixed else self.g_a(x)
        with torch.autocast(x.device.type, enabled=False):
            into, back = self.gains(quality)
            v = y.float() * into
        v_hat, bits, side_bits = self.entropy(v, Noise(seeds))
        y_hat = v_hat * back
        x_hat = dct.synthesis(self.inner_synthesis(y_hat), OUTER) if fixed else self.g_s(y_hat)
        return Coded(x_hat.float(), {}, bits, side_bits, v_hat, torch.zeros_like(bits))

    @abc.abstractmethod
    def inner_analysis(self, coefficients: Tensor) -> Tensor:
        """Return y of block coefficients (batch, 48, h/4, w/4): the analysis without its two
        outermost stages.
        """

    @abc.abstractmethod
    def inner_synthesis(self, y_hat: Tensor) -> Tensor:
        """Return block coefficients (batch, 48, h/4, w/4): the synthesis without its two outermost
        stages.
        """

    @abc.abstractmethod
    def entropy(self, v: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """Return the rounded latent in steps with the gradient of `v`, its bits and those of the
        side information, both (batch,).
        """

    def _side(self, z: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Return z as the hyper-synthesis gets it, and its bits."""
        with torch.autocast(z.device.type, enabled=False):
            z = z.float()
            near = self._rounded(z)
            noisy = z + noise.like(z) if self.training else near
            bits = _bits(self.entropy_bottleneck.likelihood(noisy))
            return (noisy if self.config.rate == "noisy" else z + (near - z).detach()), bits

    def _rounded(self, z: Tensor) -> Tensor:
        medians = self.entropy_bottleneck.medians[:, None, None]
        return torch.round(z - medians) + medians

    def _bits_of(self, residual: Tensor, near: Tensor, scales: Tensor, noise: Noise) -> Tensor:
        """Return the bits of a latent less its means, `near` where it is rounded.

        Of rounded values they are what the coder will write, and teach the scales; the latent
        learns from noise all the same, as rounding has no gradient: the second stage of Z. Guo et
        al., "Soft then hard: rethinking the quantization in neural image compression", ICML 2021.
        """
        if not self.training:
            return self._main_bits(near, scales)
        noisy = residual + noise.like(residual)
        if self.config.rate == "noisy":
            return self._main_bits(noisy, scales)
        smooth = self._main_bits(noisy, scales.detach())
        return self._main_bits(near.detach(), scales) + smooth - smooth.detach()

    def _main_bits(self, residual: Tensor, scales: Tensor) -> Tensor:
        """Return the bits of a latent less its means, noisy or whole."""
        with torch.autocast(residual.device.type, enabled=False):
            return _bits(self.gaussian_conditional.likelihood(residual, scales.float()))

    @torch.no_grad()
    def fit_prior(self, images: list[Tensor]) -> None:
        """Put the quantiles of z where the auxiliary loss has its minimum, in half precision."""
        self.entropy_bottleneck.fit_quantiles()
        self.entropy_bottleneck.quantiles.copy_(self.entropy_bottleneck.quantiles.half())

    def encode_with(self, **settings: Any) -> None:
        """See :class:`bench.models.retrained.search.SearchSettings`. Raises CodecError."""
        try:
            self.encoder = SearchSettings.from_dict(settings)
        except ValueError as error:
            raise CodecError(str(error)) from None

    def price(self, quality: Tensor) -> float:
        """Return the squared error, summed over a picture in 0 … 1, that training pays for a bit
        at `quality` (1,).
        """
        return LAMBDA * math.exp(2 * float(log_step(self.gains.on_scale(quality))))

    @abc.abstractmethod
    def look(self, v: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Return scales and means of a latent in steps as the coder will see them, beside what the
        hyper-synthesis says; of shapes that spread over it.
        """

    def compress(self, x: Tensor, quality: Quality) -> bytes:
        """Return the bytes for `x` (1, 3, height, width) at `quality`, 0 … 100."""
        number = round(float(quality) * QUALITY_UNIT)
        if not 0 <= number <= QUALITY_MAX * QUALITY_UNIT:
            raise CodecError(f"quality 0 … 100 was expected, got {quality}")
        coder = self.coder
        assert isinstance(coder, HyperpriorCoder | ContextCoder)
        with torch.inference_mode():
            setting = torch.tensor([number / QUALITY_UNIT])
            v = self.analyse(x) * self.gains(setting)[0]
            z = coder.hyper_analysis(v)
            if self.encoder.refine:
                v = Search(self, x, self._rounded(z), setting).run(v, self.encoder.refine)
            return _HEAD.pack(number) + coder.encode(v, z)[0]

    def decompress(self, payload: bytes, height: int, width: int) -> Tensor:
        """Return the image (1, 3, height, width). Raises BitstreamError."""
        if len(payload) < _HEAD.size:
            raise BitstreamError("the bitstream is cut within its header")
        (number,) = _HEAD.unpack_from(payload)
        if number > QUALITY_MAX * QUALITY_UNIT:
            raise BitstreamError(f"the bitstream's quality is {number / QUALITY_UNIT}, above 100")
        size = height // self.latent_stride, width // self.latent_stride
        with torch.inference_mode():
            _, back = self.gains(torch.tensor([number / QUALITY_UNIT]))
            return self.synthesise(self.coder.decode(payload[_HEAD.size :], size) * back)


class RetrainedHyperprior(Retrained, ScaleHyperprior):
    """bmshj2018-hyperprior with gains; see :class:`HyperpriorConfig` for arguments."""

    target = "bench.models.retrained.model:RetrainedHyperprior"
    outer = ("g_a.0", "g_a.1", "g_a.2", "g_a.3", "g_s.3", "g_s.4", "g_s.5", "g_s.6")

    config: HyperpriorConfig

    def __init__(self, **arguments: Any) -> None:
        config = HyperpriorConfig.from_dict(arguments)
        ScaleHyperprior.__init__(self, config.width, config.latents)
        self._finish(config)

    @torch.no_grad()
    def fit_start(self, images: Tensor) -> None:
        """See :class:`Trainable`: the start of :mod:`bench.models.retrained.start`."""
        if self.config.start == "dct":
            from bench.models.retrained.start import start_hyperprior

            start_hyperprior(self, images)

    @property
    def renews(self) -> bool:
        """See :class:`Trainable`; outer stages that stay as they are can't."""
        return self.config.outer == "trained"

    @torch.no_grad()
    def renew(self, images: Tensor) -> None:
        """See :class:`Trainable` and :mod:`bench.models.retrained.bend`."""
        from bench.models.retrained.bend import renew_hyperprior

        if not self.renews:
            return super().renew(images)
        renew_hyperprior(self, images)

    def entropy(self, v: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """See :class:`Retrained`."""
        z_hat, side_bits = self._side(self.hyper_analysis(v), noise)
        near = torch.round(v)
        bits = self._bits_of(v, near, self.h_s(z_hat), noise)
        return v + (near - v).detach(), bits, side_bits

    def look(self, v: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Retrained`."""
        return side, side.new_zeros(())

    def inner_analysis(self, coefficients: Tensor) -> Tensor:
        """See :class:`Retrained`."""
        from bench.models.retrained.start import SCALES

        conv: Any = self.g_a[4]
        seen = F.conv2d(
            SCALES[1] * coefficients, conv.weight[:, :OUTER_CHANNELS], conv.bias, 2, padding=2
        )
        y: Tensor = self.g_a[6](self.g_a[5](seen))
        return y

    def inner_synthesis(self, y_hat: Tensor) -> Tensor:
        """See :class:`Retrained`."""
        from bench.models.retrained.start import SCALES

        deconv: Any = self.g_s[2]
        out = F.conv_transpose2d(
            self.g_s[1](self.g_s[0](y_hat)), deconv.weight[:, :OUTER_CHANNELS],
            deconv.bias[:OUTER_CHANNELS], stride=2, padding=2, output_padding=1,
        )  # fmt: skip
        return out / SCALES[1]


def _bits(likelihood: Tensor) -> Tensor:
    return -torch.log2(likelihood).sum((1, 2, 3))

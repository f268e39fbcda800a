"""The hybrid codec's network."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from bench.codec import Quality
from bench.entropy.tables import Floats
from bench.errors import CodecError
from bench.models.hybrid import laplace
from bench.models.hybrid.branches import AnalysisBranch, SynthesisBranch
from bench.models.hybrid.channels import ByChannel, by_channel
from bench.models.hybrid.coder import HybridCoder
from bench.models.hybrid.config import HybridConfig
from bench.models.hybrid.contexts import Setting
from bench.models.hybrid.encoder import EncoderSettings
from bench.models.hybrid.prior import ContextModel, HyperEncoder
from bench.models.hybrid.quantize import Noise, ScalarQuantizer
from bench.models.hybrid.rdo import chosen
from bench.models.hybrid.refine import refine
from bench.models.hybrid.squares import pick
from bench.models.hybrid.transform import BlockTransform
from bench.models.hybrid.vq import ResidualVQ
from bench.models.precision import full_precision
from bench.models.trainable import Coded, Lesson, Trainable

#: Logarithm of the quantiser's step at quality 0, for samples in 0 … 1, and what a point of
#: quality takes off it: 0.638 to 0.032. Short literals, so that every machine computes the same.
LOG_COARSEST, LOG_PER_POINT = -0.45, 0.03
QUALITY_MAX = 100
#: The squared error that a bit is worth, in squared steps: what uniform quantisation of a
#: Laplacian costs at the margin.
LAMBDA = 0.13
#: The branches' outputs are scaled down: they correct a codec that works.
GENTLE = 0.1
#: Qualities at which symbols are counted for the coder's tables.
COUNTED_AT = (5, 20, 35, 50, 65, 80)
#: Range of the latent of a plain autoencoder: that of the DC coefficient of a white block.
BOUND = 16.0


def log_step(quality: Tensor) -> Tensor:
    """Return the logarithm of the step at each quality, 0 … 100, float64 in the shape of `quality`;
    the same on every machine.
    """
    return LOG_COARSEST - quality.double() * LOG_PER_POINT


class Hybrid(Trainable):
    """Transform codec, learned branches, context model; see :class:`HybridConfig` for arguments."""

    stride = 16
    target = "bench.models.hybrid.model:Hybrid"
    fast = ("context", "hyper", "side_", "quantizer", "vq")
    slow = ("start.", "gain_")

    config: HybridConfig
    log_energy: Tensor
    prior_mean: Tensor

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        config = HybridConfig.from_dict(arguments)
        self.config = config
        self.encoder = EncoderSettings.of(config)
        #: How latents are searched while the network is trained, if they are.
        self.searching: EncoderSettings | None = None
        channels = config.channels
        self.start: BlockTransform | None = None
        if config.start != "random":
            self.start = BlockTransform(
                channels, lapped=config.start == "lapped", means_first=config.lattice
            )
        self.g_a = AnalysisBranch(config) if config.widths else nn.Identity()
        self.g_s = SynthesisBranch(config) if config.decoder_widths else nn.Identity()
        #: Logarithm of each channel's scale at a step of 1: where the entropy model starts.
        self.register_buffer("log_energy", torch.zeros(channels))
        self.gain_in = nn.Parameter(torch.zeros(config.gain_points, channels))
        self.gain_out = nn.Parameter(torch.zeros(config.gain_points, channels))
        self._build_quantiser(config)
        self._start_statistics()

    def _build_quantiser(self, config: HybridConfig) -> None:
        self.vq: ResidualVQ | None = None
        self.context: ContextModel | None = None
        self.hyper: HyperEncoder | None = None
        if config.quantizer == "vq":
            self.vq = ResidualVQ(
                config.channels, config.vq_stages, config.vq_codes, config.vq_width
            )
            return
        self.tables = laplace.LaplaceModel()
        self.quantizer = ScalarQuantizer(
            config.quantizer, config.channels, follows=not config.lattice
        )
        if config.latent == "ae":
            self.register_buffer("prior_mean", torch.zeros(config.channels))
            return
        self.context = ContextModel(config)
        self.hyper = HyperEncoder(config.channels, config.context, config.hyper)
        self.side_log_scale = nn.Parameter(torch.full((config.hyper,), math.log(0.3)))

    def _start_statistics(self) -> None:
        with torch.no_grad():
            if self.start is None:
                self.log_energy.fill_(math.log(0.1))
                return
            weights = self.start.weights()
            self.gain_in.copy_(weights.log().expand_as(self.gain_in))
            self.gain_out.copy_(weights.log().expand_as(self.gain_out))
            # A Laplacian's standard deviation is √2 times its mean magnitude.
            self.log_energy.copy_((self.start.energy * weights * math.sqrt(2)).log())

    @torch.no_grad()
    def fit_start(self, images: Tensor) -> None:
        """Take order and scales of the coefficients from photos (n, 3, height, width)."""
        if self.start is not None:
            self.start.fit(images)
        self._start_statistics()

    @classmethod
    def for_state(cls, state: dict[str, Tensor]) -> Self:
        """Return the network of the default settings.

        Raises CodecError for weights of others, which are not all in the weights.
        """
        model = cls()
        if not model.parameters_fit(state):
            raise CodecError(
                "a hybrid checkpoint of other than the default settings needs them as `arguments`"
            )
        return model

    @property
    def latent_channels(self) -> int:
        """See :class:`Trainable`."""
        return self.config.channels

    @property
    def points(self) -> tuple[Quality, ...]:
        """See :class:`Trainable`."""
        return (15, 35, 55, 75)

    @property
    def rate_in_loss(self) -> bool:
        """Whether the latent is that of a variational autoencoder."""
        return self.config.latent == "vae"

    def lesson(self, x: Tensor, quality: Tensor, seeds: Tensor) -> Lesson:
        """See :class:`Trainable`."""
        return Lesson(self(x, quality, seeds), x, quality)

    def analyse(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        """Return the latent (batch, channels, height / 16, width / 16), in units of samples."""
        level = x.new_zeros(len(x), 1, 1, 1) if level is None else level
        y = 0 if self.start is None else self.start.analysis(x)
        if self.config.widths:
            learned = self.g_a(x, level)
            y = y + learned * (GENTLE if self.start is not None else 1)
        if self.config.latent == "ae":
            y = BOUND * torch.tanh(torch.as_tensor(y) / BOUND)
        assert isinstance(y, Tensor)
        return y

    def synthesise(
        self, y_hat: Tensor, level: Tensor | None = None, z_hat: Tensor | None = None
    ) -> Tensor:
        """Return the image (batch, 3, height, width), about 0 … 1, not clamped."""
        level = y_hat.new_zeros(len(y_hat), 1, 1, 1) if level is None else level
        if self.config.latent == "ae":
            inside = (y_hat / BOUND).clamp(-0.999, 0.999)
            y_hat = BOUND * torch.atanh(inside)
        image = None if self.start is None else self.start.synthesis(y_hat)
        if not self.config.decoder_widths:
            assert image is not None
            return image
        correction: Tensor = self.g_s(y_hat, level, image, z_hat)
        return correction + 0.5 if image is None else image + GENTLE * correction

    def gains(self, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Return the factors into steps and back, both (batch, channels, 1, 1)."""
        steps = log_step(quality).to(self.gain_in)
        place = quality.to(self.gain_in) / QUALITY_MAX * (self.config.gain_points - 1)
        low = place.floor().clamp(0, self.config.gain_points - 2).long()
        part = (place - low)[:, None]
        into, back = (
            torch.lerp(table[low], table[low + 1], part) for table in (self.gain_in, self.gain_out)
        )
        factors = torch.exp(into - steps[:, None]), torch.exp(steps[:, None] - back)
        into, back = (factor[:, :, None, None] for factor in factors)
        if self.vq is None and (learned := self.quantizer.steps()) is not None:
            return into / learned, back * learned
        return into, back

    def setting(self, quality: Tensor) -> Setting:
        """Return what the entropy model is told of the quality, in the dtype of `quality`."""
        steps = log_step(quality).float().to(quality)
        log_scale = self.log_energy.to(quality)[None] - steps[:, None]
        level = level_of(quality)
        return Setting(level, log_scale[:, :, None, None], self.log_steps(quality))

    def log_steps(self, quality: Tensor) -> Tensor | None:
        """Return the logarithm of the factor on each channel's step, (batch, channels, 1), in the
        dtype of `quality`, the same on every machine; None where all are 1.
        """
        if self.config.steps == 1:
            return None
        # Decoders on other machines may see another last bit of a logarithm's float64.
        share = quality.double() / QUALITY_MAX
        return by_channel(self.config.steps, self.config.channels, share).log().float().to(quality)

    def in_steps(self, v: Tensor, quality: Tensor) -> Tensor:
        """Return the latent times its gains (batch, channels, height, width) in steps."""
        log_step = self.log_steps(quality)
        return v if log_step is None else v * torch.exp(-log_step)[..., None].to(v)

    def forward(
        self, x: Tensor, quality: Tensor | None = None, seeds: Tensor | None = None
    ) -> Coded:
        """Return reconstruction and bits for `x` (batch, 3, height, width) in 0 … 1.

        `quality` is float32 (batch,), 0 … 100, 50 for all where left out; `seeds` are of each
        sample's noise.
        """
        quality = x.new_full((len(x),), QUALITY_MAX / 2) if quality is None else quality
        level, noise = level_of(quality), Noise(seeds)
        y = self.analyse(x, level)
        if self.training and self.searching is not None:
            # The analysis learns from where the search ends, as if it had got there itself.
            y = y + (refine(self, x, y, quality, self.searching) - y).detach()
        into, back = self.gains(quality)
        none = x.new_zeros(len(x))
        if self.vq is not None:
            stages = self.stages(quality)
            quantised = self.vq(y, stages)
            bits = self.vq.bits(quantised.indices, stages)
            image = self.synthesise(quantised.latent, level)
            return Coded(image, {}, bits, none, quantised.latent, quantised.commitment)
        v = y * into
        if self.context is None:
            setting = self.setting(quality)
            mean = self.prior_mean[:, None, None].to(v) * into
            drawn = noise.like(v) if self.quantizer.noisy else None
            scales = setting.log_scale.expand_as(v)
            v_hat, _ = self.quantizer(v, mean.expand_as(v), scales, None, drawn)
            return Coded(self.synthesise(v_hat * back, level), {}, none, none, v_hat, none)
        v_hat, bits, z_hat, side_bits = self._entropy(v, quality, noise)
        image = self.synthesise(v_hat * back, level, z_hat)
        return Coded(image, {}, bits, side_bits, v_hat, none)

    @full_precision
    def _entropy(
        self, v: Tensor, quality: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        assert self.context is not None
        assert self.hyper is not None
        z = self.hyper(v)
        z_hat = z + (torch.round(z) - z).detach()
        scale = self.side_log_scale[:, None, None].expand_as(z)
        if self.training:
            noisy = z + noise.like(z)
            side_bits = laplace.density_bits(noisy, scale).sum((1, 2, 3))
        else:
            side_bits = laplace.bits(z_hat, scale).sum((1, 2, 3))
        size = (v.shape[2], v.shape[3])
        bits: list[Tensor] = []
        latent = self.in_steps(v, quality)
        weights = self.rate_weights(self.config.rdo, quality.to(v))
        curvature = self.curvature(self.config.curvature, quality.to(v))
        curvature = curvature * (self.error_weight / LAMBDA)

        def take(mean: Tensor, log_scale: Tensor, part: slice, squares: Tensor | None) -> Tensor:
            own = latent[:, part]
            values = pick(own, squares)
            drawn = pick(noise.like(own), squares) if self.quantizer.noisy else None
            weight = None if weights is None else weights[:, part]
            curved = curvature[:, part]
            v_hat, cost = self.quantizer(values, mean, log_scale, weight, drawn, curved)
            bits.append(cost.sum((1, 2)))
            reconstructed: Tensor = v_hat
            return reconstructed

        side = self.context.side_features(z_hat, size)
        v_hat = self.context.walk(side, self.setting(quality), size, take)
        return v_hat, torch.stack(bits).sum(0), z_hat, side_bits

    def rate_weights(self, rdo: ByChannel, quality: Tensor) -> Tensor | None:
        """Return what a bit is worth by channel, in its squared steps, (batch, channels, 1); None
        where the rate has no weight.
        """
        return self._by_channel(rdo, quality, -2) if rdo else None

    def curvature(self, curve: ByChannel, quality: Tensor) -> Tensor:
        """Return the squared error of the picture, in squared steps of the factor 1, where a value
        is one of its own steps off, by channel: (batch, channels, 1).
        """
        return self._by_channel(curve, quality, 2)

    def _by_channel(self, curve: ByChannel, quality: Tensor, power: int) -> Tensor:
        """Return each channel's value of `curve` times a power of the factor on its step."""
        values = by_channel(curve, self.config.channels, quality / QUALITY_MAX)
        log_step = self.log_steps(quality)
        return values if log_step is None else values * torch.exp(power * log_step)

    def stages(self, quality: Tensor) -> Tensor:
        """Return how many stages of the vector quantiser serve each quality, int64 (batch,)."""
        count = torch.floor(quality / QUALITY_MAX * self.config.vq_stages) + 1
        return count.clamp(max=self.config.vq_stages).long()

    @torch.no_grad()
    def fit_prior(self, images: list[Tensor]) -> None:
        """Fit to training photos (1, 3, height, width) what is not learned with the rest: the
        factorized prior of a plain autoencoder, and tables that are counted.
        """
        if images and self.config.latent == "ae":
            self._fit_factorized(images)
        if images and self.config.tables == "counted":
            counts = [self._counts(x, point) for x in images for point in COUNTED_AT]
            self.tables.fit(np.sum(counts, 0))

    def _counts(self, x: Tensor, point: Quality) -> Floats:
        """Return what :func:`laplace.count` sees of the latent of `x` at a quality."""
        assert self.hyper is not None
        quality = x.new_full((len(x),), point)
        y = self.analyse(x, level_of(quality))
        if self.encoder.refine:
            y = refine(self, x, y, quality, self.encoder)
        v = y * self.gains(quality)[0]
        z_hat = torch.round(self.hyper(v))
        choice = chosen(self, self.in_steps(v, quality), z_hat, quality, self.encoder.rdo)
        return laplace.count(choice.symbol, choice.log_scale)

    def _fit_factorized(self, images: list[Tensor]) -> None:
        level = level_of(images[0].new_full((1,), QUALITY_MAX / 2))
        latents = torch.cat([self.analyse(x, level)[0].flatten(1) for x in images], 1)
        self.prior_mean.copy_(latents.median(1).values)
        spread = (latents - self.prior_mean[:, None]).abs().mean(1).clamp_min(1e-4)
        into = self.gain_in.mean(0)
        self.log_energy.copy_(spread.log() + into + math.log(math.sqrt(2)))

    def latent_coder(self) -> HybridCoder:
        """Return the coder of the latent, made from the weights as they are now."""
        return HybridCoder(self)

    def encode_with(self, **settings: Any) -> None:
        """See :class:`bench.models.hybrid.encoder.EncoderSettings`. Raises CodecError."""
        self.encoder = self._encoder_of(settings)

    def learn_searched(self, passes: int, **settings: Any) -> None:
        """See :class:`Trainable`."""
        self.searching = self._encoder_of({**settings, "refine": passes})

    def _encoder_of(self, settings: dict[str, Any]) -> EncoderSettings:
        try:
            return EncoderSettings.of(self.config, **settings)
        except ValueError as error:
            raise CodecError(str(error)) from None

    def compress(self, x: Tensor, quality: Quality) -> bytes:
        """Return the bytes for `x` (1, 3, height, width) at `quality`, 0 … 100."""
        with torch.inference_mode():
            return self._hybrid_coder().compress(x, float(quality))

    def decompress(self, payload: bytes, height: int, width: int) -> Tensor:
        """Return the image (1, 3, height, width). Raises BitstreamError."""
        with torch.inference_mode():
            return self._hybrid_coder().decompress(payload, height, width).clamp(0, 1)

    def _hybrid_coder(self) -> HybridCoder:
        coder = self.coder
        assert isinstance(coder, HybridCoder)
        return coder


def level_of(quality: Tensor) -> Tensor:
    """Return the quality as networks see it, -2 … 2, (batch, 1, 1, 1)."""
    return ((quality - QUALITY_MAX / 2) / (QUALITY_MAX / 4)).reshape(-1, 1, 1, 1)

"""The recurrent codec's network: each iteration codes what the ones before have left.

Before anything is learned it is an embedded transform codec: residuals go through the hybrid's
start, each chunk halves the quantiser's step, so that every chunk brings the image nearer. Branches
with memory begin at zero beside analysis and synthesis. The residual is taken from what the decoder
has, so whatever a branch adds, the next chunk corrects.

References
----------
G. Toderici et al., "Variable rate image compression with recurrent neural networks", ICLR 2016;
"Full resolution image compression with recurrent neural networks", CVPR 2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from bench.codec import Quality
from bench.errors import BitstreamError, CodecError
from bench.models.hybrid.model import GENTLE, LOG_COARSEST, LOG_PER_POINT
from bench.models.hybrid.transform import BlockTransform
from bench.models.recurrent.branches import AnalysisBranch, Memory, SynthesisBranch
from bench.models.recurrent.coder import RecurrentCoder
from bench.models.recurrent.config import RecurrentConfig
from bench.models.recurrent.prior import Known, RefinementPrior, refined
from bench.models.trainable import Coded, Lesson, Trainable, repeated

#: Logarithms of the first chunk's step and of two; short literals, the same on every machine.
LOG_FIRST, LOG_TWO = 0.25, 0.6931471805599453
GREY = 0.5


@dataclass(frozen=True)
class Iteration:
    """One chunk.

    Parameters
    ----------
    symbols : whole numbers with the gradient of the coefficients, (batch, channels, h, w).
    known : what the decoder knows of the chunk.
    v_hat : coefficients in steps, as the decoder has them.
    image : after the chunk, (batch, 3, height, width).
    """

    symbols: Tensor
    known: Known
    v_hat: Tensor
    image: Tensor


class Recurrent(Trainable):
    """Progressive codec with memory; see :class:`RecurrentConfig` for arguments."""

    stride = 16
    progressive = True
    target = "bench.models.recurrent.model:Recurrent"
    fast = ("prior",)
    slow = ("start.", "gain_")

    config: RecurrentConfig
    log_energy: Tensor

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        config = RecurrentConfig.from_dict(arguments)
        self.config = config
        self.start = BlockTransform(config.channels, lapped=config.start == "lapped")
        self.g_a = AnalysisBranch(config)
        self.g_s = SynthesisBranch(config)
        self.register_buffer("log_energy", torch.zeros(config.channels))
        self.gain_in = nn.Parameter(torch.zeros(config.channels))
        self.gain_out = nn.Parameter(torch.zeros(config.channels))
        self.prior = RefinementPrior(config)
        self._start_statistics()

    @torch.no_grad()
    def _start_statistics(self) -> None:
        weights = self.start.weights()
        self.gain_in.copy_(weights.log())
        self.gain_out.copy_(weights.log())
        # A Laplacian's standard deviation is √2 times its mean magnitude.
        self.log_energy.copy_((self.start.energy * weights * math.sqrt(2)).log())

    @torch.no_grad()
    def fit_start(self, images: Tensor) -> None:
        """See :class:`Trainable`."""
        self.start.fit(images)
        self._start_statistics()

    @classmethod
    def for_state(cls, state: dict[str, Tensor]) -> Self:
        """Return the network of the default settings. Raises CodecError for others' weights."""
        model = cls()
        if not model.parameters_fit(state):
            raise CodecError(
                "a recurrent checkpoint of other than the default settings needs them as "
                "`arguments`"
            )
        return model

    @property
    def latent_channels(self) -> int:
        """See :class:`Trainable`."""
        return self.config.channels

    @property
    def points(self) -> tuple[Quality, ...]:
        """See :class:`Trainable`."""
        return tuple(range(1, self.config.chunks + 1))

    def start_scale(self, chunk: int) -> Tensor:
        """Return the logarithms of the coefficients' scales in a chunk's steps, before anything is
        learned, (channels, 1, 1).
        """
        return (self.log_energy - log_step_of(chunk))[:, None, None]

    def iterate(self, x: Tensor, chunks: int) -> Iterator[Iteration]:
        """Yield the chunks of `x` (batch, 3, height, width), as the encoder makes them."""
        image, before = torch.full_like(x, GREY), None
        looking, drawing = Memory(), Memory()
        for chunk in range(chunks):
            step = math.exp(log_step_of(chunk))
            residual = x - image
            y = self.start.analysis(residual + GREY)
            learned = self.g_a(residual / step, looking)
            v = y * torch.exp(self.gain_in)[:, None, None] / step + GENTLE * learned
            worth = torch.zeros_like(v) if before is None else 2 * before
            symbols, v_hat = self._quantise(v, worth)
            before = refined(worth, symbols.detach())
            known = Known(chunk, self.start_scale(chunk), worth, before)
            image = self._drawn(image, v_hat, step, drawing)
            yield Iteration(symbols, known, v_hat, image)

    def _quantise(self, v: Tensor, worth: Tensor) -> tuple[Tensor, Tensor]:
        """Return symbols and what they say of `v`, both with its gradient."""
        sign = torch.sign(worth)
        told = sign != 0
        towards = torch.where(told, sign * v, v)
        with torch.no_grad():
            size = torch.floor(v.abs() + 0.5 - self.config.dead_zone)
            whole = torch.where(told, torch.floor(towards), torch.sign(v) * size)
            value = torch.where(told, sign * (whole + 0.5), whole)
        return whole + (towards - towards.detach()), value + (v - v.detach())

    def _drawn(self, image: Tensor, v_hat: Tensor, step: float, memory: Memory) -> Tensor:
        y_hat = v_hat * torch.exp(-self.gain_out)[:, None, None] * step
        nearer = image + self.start.synthesis(y_hat) - GREY
        correction: Tensor = self.g_s(v_hat, nearer, memory)
        return nearer + GENTLE * step * correction

    def forward(self, x: Tensor) -> Coded:
        """Return reconstruction and bits after each chunk, chunk by chunk along the batch."""
        images: list[Tensor] = []
        bits: list[Tensor] = []
        latents: list[Tensor] = []
        for one in self.iterate(x, self.config.chunks):
            cost = self.prior.bits(one.known, one.symbols)
            bits.append(cost + bits[-1] if bits else cost)
            images.append(one.image)
            latents.append(one.v_hat)
        total = torch.cat(bits)
        none = torch.zeros_like(total)
        return Coded(torch.cat(images), {}, total, none, torch.cat(latents), none)

    def lesson(self, x: Tensor, quality: Tensor, seeds: Tensor) -> Lesson:
        """See :class:`Trainable`; all chunks are trained at once, whatever the qualities."""
        chunks = self.config.chunks
        levels = [(LOG_COARSEST - log_step_of(chunk)) / LOG_PER_POINT for chunk in range(chunks)]
        every = quality.new_tensor(levels).repeat_interleave(len(x))
        return Lesson(self(x), repeated(x, chunks), every)

    def latent_coder(self) -> RecurrentCoder:
        """Return the coder of the refinements, made from the weights as they are now."""
        return RecurrentCoder(self)

    def analyse(self, x: Tensor, chunks: int | None = None) -> Tensor:
        """Return the refinements of an image, whole numbers (1, chunks · channels, h, w)."""
        count = self.config.chunks if chunks is None else chunks
        return torch.cat([one.symbols for one in self.iterate(x, count)], 1)

    def synthesise(self, y_hat: Tensor) -> Tensor:
        """Return the image (1, 3, height, width) in 0 … 1 for as many chunks as there are."""
        height, width = (16 * size for size in y_hat.shape[2:])
        image = y_hat.new_full((1, 3, height, width), GREY)
        memory, before = Memory(), None
        for chunk, symbols in enumerate(torch.split(y_hat, self.config.channels, 1)):
            if not symbols.shape[1]:
                break
            worth = torch.zeros_like(symbols) if before is None else 2 * before
            before, sign = refined(worth, symbols), torch.sign(worth)
            v_hat = torch.where(sign != 0, sign * (symbols + 0.5), symbols)
            image = self._drawn(image, v_hat, math.exp(log_step_of(chunk)), memory)
        return image.clamp(0, 1)

    def compress(self, x: Tensor, quality: Quality) -> bytes:
        """Return `quality` chunks of bytes for `x` (1, 3, height, width)."""
        if quality not in self.points:
            raise CodecError(f"1 … {self.config.chunks} chunks were expected, got {quality}")
        with torch.inference_mode():
            return self.coder.encode(self.analyse(x, int(quality)))[0]

    def decompress_prefix(self, payload: bytes, height: int, width: int) -> Tensor:
        """Return the image (1, 3, height, width) that the whole chunks of a cut payload hold.

        Raises BitstreamError for a payload that is damaged rather than cut.
        """
        coder, size = self.coder, (height // self.stride, width // self.stride)
        if not isinstance(coder, RecurrentCoder):
            raise BitstreamError("the network has no coder of chunks")
        with torch.inference_mode():
            return self.synthesise(coder.decode_chunks(payload, size, cut=True))


def log_step_of(chunk: int) -> float:
    """Return the logarithm of a chunk's step, the first being 0; the same on every machine."""
    return LOG_FIRST - chunk * LOG_TWO

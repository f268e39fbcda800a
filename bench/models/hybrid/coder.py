"""Bytes of the hybrid codec.

::

    2 bytes   quality in 1/256, little-endian
    …         entropy-coded: side information, then the latent pass by pass; or, for a vector
              quantiser, the indices stage by stage

A quality says all that the decoder has to know besides the image's size.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from bench.entropy.coder import Decoder, Encoder
from bench.entropy.exact import exact
from bench.entropy.latents import to_symbols
from bench.entropy.tables import Ints
from bench.errors import BitstreamError, CodecError
from bench.models.hybrid.laplace import Law
from bench.models.hybrid.prior import RATIO, ContextModel
from bench.models.hybrid.rdo import choose
from bench.models.hybrid.refine import refine
from bench.models.hybrid.squares import pick

if TYPE_CHECKING:
    from bench.models.hybrid.model import Hybrid

QUALITY_UNIT = 256
_HEAD = struct.Struct("<H")

#: Turns means and logarithms of scales of some values into whole numbers: the encoder chooses and
#: writes them, the decoder reads them.
Source = Callable[[Tensor, Tensor, slice, Tensor | None], Tensor]


class HybridCoder:
    """Encodes and decodes with one frozen network."""

    def __init__(self, model: Hybrid) -> None:
        self.model = model
        self.context: ContextModel | None = None
        if model.vq is None:
            self.tables = model.tables.tables()
            self.boundaries = model.tables.log_scales[:-1].double()
        if model.context is not None:
            self.context = exact_context(model.context)
            scales = model.side_log_scale.detach().double().cpu()
            self.side_rows: Ints = self._rows(scales)
        if model.vq is not None:
            self.stage_tables = model.vq.prior.tables()

    def compress(self, x: Tensor, quality: float) -> bytes:
        """Return the bytes for an image (1, 3, height, width) in 0 … 1.

        Raises CodecError for a quality outside 0 … 100.
        """
        number = round(quality * QUALITY_UNIT)
        if not 0 <= number <= 100 * QUALITY_UNIT:
            raise CodecError(f"quality 0 … 100 was expected, got {quality}")
        y, encoder = self._analyse(x, number), Encoder()
        if self.model.vq is not None:
            self._put_indices(encoder, y, number)
        else:
            self._put_latent(encoder, y, number)
        return _HEAD.pack(number) + encoder.finish()

    def decompress(self, payload: bytes, height: int, width: int) -> Tensor:
        """Return the image (1, 3, height, width). Raises BitstreamError."""
        if len(payload) < _HEAD.size:
            raise BitstreamError("the bitstream is cut within its header")
        (number,) = _HEAD.unpack_from(payload)
        if number > 100 * QUALITY_UNIT:
            raise BitstreamError(f"the bitstream's quality is {number / QUALITY_UNIT}, above 100")
        decoder = Decoder(payload[_HEAD.size :])
        size = (height // self.model.stride, width // self.model.stride)
        take = self._take_indices if self.model.vq is not None else self._take_latent
        y_hat, z_hat = take(decoder, number, size)
        decoder.finish()
        return self._synthesise(y_hat, z_hat, number)

    def reconstruct(self, x: Tensor, quality: float) -> Tensor:
        """Return what the decoder will make of `x`, without bytes: for tests of the contract."""
        number = round(quality * QUALITY_UNIT)
        y, encoder = self._analyse(x, number), Encoder()
        put = self._put_indices if self.model.vq is not None else self._put_latent
        return self._synthesise(*put(encoder, y, number), number)

    def encode(self, y: Tensor, quality: float = 50) -> tuple[bytes, Tensor]:
        """See :class:`bench.models.base.LatentCoder`: `y` as :meth:`Hybrid.analyse` returns it."""
        encoder, number = Encoder(), round(quality * QUALITY_UNIT)
        put = self._put_indices if self.model.vq is not None else self._put_latent
        y_hat, _ = put(encoder, y, number)
        return _HEAD.pack(number) + encoder.finish(), y_hat

    def decode(self, payload: bytes, size: tuple[int, int]) -> Tensor:
        """See :class:`bench.models.base.LatentCoder`."""
        (number,) = _HEAD.unpack_from(payload)
        decoder = Decoder(payload[_HEAD.size :])
        take = self._take_indices if self.model.vq is not None else self._take_latent
        return take(decoder, number, size)[0]

    def _analyse(self, x: Tensor, number: int) -> Tensor:
        y = self.model.analyse(x, self._level(number))
        if self.model.encoder.refine:
            quality = x.new_full((len(x),), number / QUALITY_UNIT)
            y = refine(self.model, x, y, quality, self.model.encoder)
        return y

    def _synthesise(self, y_hat: Tensor, z_hat: Tensor | None, number: int) -> Tensor:
        return self.model.synthesise(y_hat, self._level(number), z_hat)

    def _level(self, number: int) -> Tensor:
        from bench.models.hybrid.model import level_of

        device = self.model.log_energy.device
        return level_of(torch.tensor([number / QUALITY_UNIT], device=device))

    def _gains(self, number: int) -> tuple[Tensor, Tensor]:
        return self.model.gains(torch.tensor([number / QUALITY_UNIT]))

    def _put_latent(self, encoder: Encoder, y: Tensor, number: int) -> tuple[Tensor, Tensor | None]:
        into, back = self._gains(number)
        v = y * into
        size = (y.shape[2], y.shape[3])
        z_hat = None
        if self.model.hyper is not None:
            z_hat = torch.round(self.model.hyper(v))
            encoder.put(to_symbols(z_hat), self._side_rows(z_hat.shape[2:]), self.tables)
        quality = v.new_tensor([number / QUALITY_UNIT], dtype=torch.float64)
        latent = self.model.in_steps(v.double(), quality)
        weights = self.model.rate_weights(self.model.encoder.rdo, quality)

        def source(mean: Tensor, log_scale: Tensor, part: slice, squares: Tensor | None) -> Tensor:
            values = pick(latent[:, part], squares)
            weight = None if weights is None else weights[:, part].expand_as(values).flatten()
            symbols = choose(values.flatten() - mean, Law.of(log_scale), weight)
            encoder.put(to_symbols(symbols), self._rows(log_scale), self.tables)
            return symbols

        return self._walk(z_hat, number, size, source) * back, z_hat

    def _take_latent(
        self, decoder: Decoder, number: int, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor | None]:
        _, back = self._gains(number)
        z_hat = None
        if self.model.hyper is not None:
            small = (-(-size[0] // RATIO), -(-size[1] // RATIO))
            symbols = decoder.take(self._side_rows(small), self.tables)
            z_hat = torch.from_numpy(symbols).reshape(1, -1, *small).float().to(back.device)

        def source(mean: Tensor, log_scale: Tensor, part: slice, squares: Tensor | None) -> Tensor:
            symbols = decoder.take(self._rows(log_scale), self.tables)
            return torch.from_numpy(symbols).to(mean)

        return self._walk(z_hat, number, size, source) * back, z_hat

    def _walk(
        self, z_hat: Tensor | None, number: int, size: tuple[int, int], source: Source
    ) -> Tensor:
        """Return the latent times its gains, float32, from the whole numbers of `source`."""
        device = self.model.log_energy.device
        setting = self.model.setting(
            torch.tensor([number / QUALITY_UNIT], dtype=torch.float64, device=device)
        )
        if self.context is None:
            mean = self.model.prior_mean.double()[:, None, None] * self._gains(number)[0].double()
            shape = (1, self.model.config.channels, *size)
            flat, scales = mean.expand(shape), setting.log_scale.expand(shape)
            symbols = source(flat.flatten(), scales.flatten(), slice(None), None)
            return (symbols.reshape(shape) + flat).float()

        def take(mean: Tensor, log_scale: Tensor, part: slice, squares: Tensor | None) -> Tensor:
            symbols = source(mean.flatten(), log_scale.flatten(), part, squares)
            return mean + symbols.reshape(mean.shape)

        side = None
        if z_hat is not None:
            side = self.context.side_features(z_hat.double(), size)
        return self.context.walk(side, setting, size, take).float()

    def _rows(self, log_scale: Tensor) -> Ints:
        boundaries = self.boundaries.to(log_scale.device)
        index = torch.bucketize(log_scale.contiguous(), boundaries, out_int32=True)
        rows: Ints = index.flatten().cpu().numpy()
        return rows

    def _side_rows(self, size: tuple[int, int] | torch.Size) -> Ints:
        return np.repeat(self.side_rows, size[0] * size[1])

    def _put_indices(self, encoder: Encoder, y: Tensor, number: int) -> tuple[Tensor, None]:
        assert self.model.vq is not None
        stages = self.model.stages(torch.tensor([number / QUALITY_UNIT]))
        indices = self.model.vq(y, stages.to(y.device)).indices[: int(stages)]
        for stage, index in enumerate(indices):
            rows = np.full(index.numel(), stage, np.int32)
            encoder.put(to_symbols(index), rows, self.stage_tables)
        return self.model.vq.lookup(indices), None

    def _take_indices(
        self, decoder: Decoder, number: int, size: tuple[int, int]
    ) -> tuple[Tensor, None]:
        assert self.model.vq is not None
        stages = int(self.model.stages(torch.tensor([number / QUALITY_UNIT])))
        found = []
        for stage in range(stages):
            rows = np.full(size[0] * size[1], stage, np.int32)
            index = torch.from_numpy(decoder.take(rows, self.stage_tables)).long()
            if int(index.min()) < 0 or int(index.max()) >= self.model.config.vq_codes:
                raise BitstreamError("the bitstream names a code that the codebook does not have")
            found.append(index.reshape(1, *size))
        indices = torch.stack(found).to(self.model.log_energy.device)
        return self.model.vq.lookup(indices), None


def exact_context(context: ContextModel) -> ContextModel:
    """Return the context model in exact arithmetic: float64 in, float64 out."""
    twin = copy.deepcopy(context)
    twin.everywhere = True
    for name, part in context.networks():
        parent, _, child = name.rpartition(".")
        owner = twin.get_submodule(parent) if parent else twin
        if isinstance(owner, nn.ModuleList):
            owner[int(child)] = exact(part)
        else:
            setattr(owner, child, exact(part))
    return twin

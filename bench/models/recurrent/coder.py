"""Bytes of the recurrent codec: one frame per chunk, each a stream of its own.

::

    varint    bytes of the chunk, plus 1; 0 ends the stream (it may be padded)
    2 bytes   CRC-32 of the chunk and the image's size, its lower half, little-endian
    …         entropy-coded refinements, group by group, black before white squares

A stream that is cut anywhere holds all chunks that are whole.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING
from zlib import crc32

import torch
from torch import Tensor

from bench.entropy.coder import Decoder, Encoder
from bench.entropy.container import read_varint, varint
from bench.entropy.latents import to_symbols
from bench.errors import BitstreamError, CodecError
from bench.models.hybrid.squares import checkerboard
from bench.models.recurrent.prior import Known, refined

if TYPE_CHECKING:
    from bench.models.recurrent.model import Recurrent

_CHECK = struct.Struct("<H")
_LONGEST = (1 << 21) - 2

#: Given the tables' rows and where they belong (channels, squares), the symbols.
Source = Callable[[Tensor, slice, Tensor], Tensor]


class RecurrentCoder:
    """Turns refinements into bytes and back; a latent here is whole numbers, all chunks' channels
    one after the other: (1, chunks · channels, height, width).
    """

    def __init__(self, model: Recurrent) -> None:
        self.model = model
        self.tables = model.prior.tables()
        self.prior = model.prior.in_exact_arithmetic()

    def encode(self, y: Tensor) -> tuple[bytes, Tensor]:
        """See :class:`bench.models.base.LatentCoder`."""
        size, before, stream = (y.shape[2], y.shape[3]), None, bytearray()
        for chunk, symbols in enumerate(torch.split(y, self.model.config.channels, 1)):
            whole, encoder = symbols.double(), Encoder()

            def put(
                rows: Tensor, part: slice, square: Tensor,
                whole: Tensor = whole, encoder: Encoder = encoder,
            ) -> Tensor:  # fmt: skip
                values = whole[:, part][..., square]
                encoder.put(to_symbols(values), rows.cpu().numpy(), self.tables)
                return values

            before = self._walk(chunk, before, size, put)[1]
            coded = encoder.finish()
            if len(coded) > _LONGEST:
                raise CodecError(f"chunk {chunk + 1} has {len(coded)} bytes, {_LONGEST} at most")
            stream += varint(len(coded) + 1) + _CHECK.pack(_check(coded, size)) + coded
        return bytes(stream), y

    def decode(self, payload: bytes, size: tuple[int, int]) -> Tensor:
        """See :class:`bench.models.base.LatentCoder`."""
        return self.decode_chunks(payload, size, cut=False)

    def decode_chunks(self, payload: bytes, size: tuple[int, int], cut: bool) -> Tensor:
        """Return the symbols of all chunks; where the payload may be `cut`, of the whole ones.

        Raises BitstreamError.
        """
        before, found = None, []
        for chunk, coded in enumerate(self._frames(payload, size, cut)):
            decoder = Decoder(coded)

            def take(
                rows: Tensor, part: slice, square: Tensor, decoder: Decoder = decoder
            ) -> Tensor:
                values = torch.from_numpy(decoder.take(rows.cpu().numpy(), self.tables))
                return values.to(self.model.gain_in.device).double()

            symbols, before = self._walk(chunk, before, size, take)
            decoder.finish()
            found.append(symbols.float())
        if not found:
            return self.model.gain_in.new_zeros(1, 0, *size)
        return torch.cat(found, 1)

    def _frames(self, payload: bytes, size: tuple[int, int], cut: bool) -> list[bytes]:
        frames: list[bytes] = []
        at = 0
        while at < len(payload) and payload[at]:
            try:
                length, start = read_varint(payload, at)
                start += _CHECK.size
                at = start + length - 1
                if at > len(payload):
                    raise BitstreamError(f"chunk {len(frames) + 1} is cut")
            except BitstreamError:
                if cut:
                    break
                raise
            coded = payload[start:at]
            if _CHECK.unpack_from(payload, start - _CHECK.size)[0] != _check(coded, size):
                raise BitstreamError(f"chunk {len(frames) + 1} is damaged: its check is wrong")
            frames.append(coded)
        if len(frames) > self.model.config.chunks:
            raise BitstreamError(
                f"the stream holds {len(frames)} chunks, {self.model.config.chunks} at most exist"
            )
        return frames

    def _walk(
        self, chunk: int, before: Tensor | None, size: tuple[int, int], source: Source
    ) -> tuple[Tensor, Tensor]:
        """Return symbols and what coefficients are worth after the chunk, both float64."""
        model = self.model
        shape = (1, model.config.channels, *size)
        blank = torch.zeros(shape, dtype=torch.float64, device=model.gain_in.device)
        worth = blank if before is None else 2 * before
        now, symbols = blank.clone(), blank.clone()
        known = Known(chunk, model.start_scale(chunk).double(), worth, now)
        black = checkerboard(*size, blank.device)
        for group, part in enumerate(self.prior.slices):
            for square in (black, ~black):
                centre, log_scale = self.prior.parameters_of(known, group, square)
                rows = self.prior.rows(centre, log_scale).flatten()
                values = source(rows, part, square).reshape(1, part.stop - part.start, -1)
                symbols[:, part, square] = values
                now[:, part, square] = refined(worth[:, part, square], values)
        return symbols, now


def _check(coded: bytes, size: tuple[int, int]) -> int:
    return crc32(coded, crc32(struct.pack("<II", *size))) & 0xFFFF

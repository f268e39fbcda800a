"""The bytes around a payload: what a decoder needs before it can start, and a checksum.

::

    1 byte    0xB1: "bench", container version 1
    4 bytes   model: the first bytes of the SHA-256 of its checkpoint
    varint    height - 1
    varint    width - 1
    4 bytes   CRC-32 of everything else, little-endian
    …         payload

A varint has seven bits per byte, least significant first, and a set top bit where more follow: 13
bytes in all for an image of usual size. All of them count. A model that serves several settings
with one checkpoint puts what its decoder must know of them into the payload.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from zlib import crc32

from bench.errors import BitstreamError, CodecError

MARK = b"\xb1"
MODEL_BYTES = 4
#: Rows and columns at most.
MAX_SIDE = 1 << 16
#: A stream is never shorter than its pixels divided by this, 0.002 bpp. The encoder pads with
#: zeros, which count; the decoder may then take memory in proportion to what it was given.
MAX_PIXELS_PER_BYTE = 4096
_LONGEST_VARINT = 3


@dataclass(frozen=True)
class Stream:
    """A payload with what is needed to decode it.

    Parameters
    ----------
    model : the first 4 bytes of the checkpoint's SHA-256.
    height, width : of the image, 1 … 65536.
    payload : the entropy-coded latent.
    """

    model: bytes
    height: int
    width: int
    payload: bytes


def pack(stream: Stream) -> bytes:
    """Return the bytes of `stream`. Raises CodecError for an image that is too large."""
    if max(stream.height, stream.width) > MAX_SIDE:
        raise CodecError(
            f"{stream.height}×{stream.width} pixels are too many: a side has at most {MAX_SIDE}"
        )
    head = MARK + stream.model[:MODEL_BYTES]
    head += varint(stream.height - 1) + varint(stream.width - 1)
    shortest = -(-stream.height * stream.width // MAX_PIXELS_PER_BYTE)
    payload = stream.payload.ljust(shortest - len(head) - 4, b"\0")
    return head + struct.pack("<I", crc32(payload, crc32(head))) + payload


def unpack(bitstream: bytes) -> Stream:
    """Return what :func:`pack` put in.

    Raises
    ------
    BitstreamError : bytes that are cut, damaged, of another kind, or of an image that is larger
        than their number can justify.
    """
    stream, checksum = _parse(bitstream)
    at = len(bitstream) - len(stream.payload) - len(checksum)
    if struct.unpack("<I", checksum)[0] != crc32(stream.payload, crc32(bitstream[:at])):
        raise BitstreamError("the bitstream is cut or damaged: its checksum does not match")
    _check_size(stream, len(bitstream))
    return stream


def unpack_prefix(bitstream: bytes) -> Stream:
    """Return what the first bytes of a stream hold: the payload may be cut, nothing checks it.

    Raises
    ------
    BitstreamError : bytes of another kind, or too few to begin an image of their size.
    """
    stream, _ = _parse(bitstream)
    _check_size(stream, len(bitstream))
    return stream


def _parse(bitstream: bytes) -> tuple[Stream, bytes]:
    if bitstream[:1] != MARK:
        raise BitstreamError("this is no bitstream of a learned codec: its first byte is foreign")
    height, at = read_varint(bitstream, 1 + MODEL_BYTES)
    width, at = read_varint(bitstream, at)
    height, width = height + 1, width + 1
    checksum, payload = bitstream[at : at + 4], bitstream[at + 4 :]
    if len(checksum) < 4:
        raise BitstreamError("the bitstream is cut within its header")
    return Stream(bitstream[1 : 1 + MODEL_BYTES], height, width, payload), checksum


def _check_size(stream: Stream, length: int) -> None:
    pixels = stream.height * stream.width
    if max(stream.height, stream.width) > MAX_SIDE or pixels > MAX_PIXELS_PER_BYTE * length:
        raise BitstreamError(
            f"{length} bytes can't hold an image of {stream.height}×{stream.width} pixels"
        )


def varint(value: int) -> bytes:
    """Return a number from 0 to 2**21 - 1 as one to three bytes."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that stands at `at`, and where it ends. Raises BitstreamError."""
    value = 0
    for i in range(_LONGEST_VARINT):
        if at + i >= len(data):
            raise BitstreamError("the bitstream is cut within its header")
        value |= (data[at + i] & 0x7F) << 7 * i
        if not data[at + i] & 0x80:
            return value, at + i + 1
    raise BitstreamError("a number in the bitstream is too long")

"""What an image file says of itself in its first bytes, where the decoder does not tell.

Pillow and its plug-ins reduce some deep files to 8 bits without a word, and one of them shows the
first picture of an animation as if it were the only one. So the header is asked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass


def png_depth(data: bytes) -> int:
    """Return the bits per sample of a PNG (PNG specification, section 11.2.1: IHDR comes first).

    Raises ValueError where IHDR is missing.
    """
    if len(data) < 26 or data[12:16] != b"IHDR":
        raise ValueError("the PNG does not begin with its header, IHDR")
    return data[24]


def avif_depth(data: bytes) -> int:
    """Return the largest bits per sample of the coded pictures in an AVIF file.

    Read from the `av1C` properties (AV1 in ISOBMFF, section 2.3.3). Raises ValueError where there
    is none.
    """
    depths = []
    for box in _find(memoryview(data), (b"meta", b"iprp", b"ipco", b"av1C")):
        if len(box) < 4:
            raise ValueError("the AVIF has a damaged av1C box")
        high_bitdepth, twelve_bit = box[2] & 0x40, box[2] & 0x20
        depths.append(8 if not high_bitdepth else 12 if twelve_bit else 10)
    if not depths:
        raise ValueError("the AVIF does not say its bit depth: no av1C property")
    return max(depths)


def _find(data: memoryview, path: tuple[bytes, ...]) -> Iterator[memoryview]:
    """Yield the content of every box at `path` (ISO/IEC 14496-12, section 4.2)."""
    while len(data) >= 8:
        size, kind = struct.unpack_from(">I4s", data)
        head = 8
        if size == 1 and len(data) >= 16:
            (size,) = struct.unpack_from(">Q", data, 8)
            head = 16
        elif size == 0:
            size = len(data)
        if not head <= size <= len(data):
            return
        if kind == path[0]:
            # `meta` is a full box: version and flags come before its children.
            content = data[head + (4 if kind == b"meta" else 0) : size]
            if len(path) == 1:
                yield content
            else:
                yield from _find(content, path[1:])
        data = data[size:]


@dataclass(frozen=True)
class JxlHeader:
    """Size as coded (before rotation), sample format and kind of a JPEG XL file."""

    width: int
    height: int
    bits: int
    floating: bool
    animated: bool


def jxl_header(data: bytes) -> JxlHeader:
    """Read the header of a JPEG XL codestream, bare or in its container.

    ISO/IEC 18181-1, annexes A and D; 18181-2 for the container. Raises ValueError for bytes that
    are no JPEG XL.
    """
    bits = _Bits(_jxl_codestream(data))
    if bits.take(16) != 0x0AFF:
        raise ValueError("no JPEG XL codestream")
    height, width = _jxl_size(bits)
    plain = JxlHeader(width, height, bits=8, floating=False, animated=False)
    if bits.take(1):  # all fields have their defaults
        return plain
    if bits.take(1):  # extra fields
        bits.take(3)  # orientation: the decoder applies it
        if bits.take(1):
            _jxl_size(bits)  # intrinsic size: for display only
        if bits.take(1):
            _jxl_preview(bits)
        if bits.take(1):
            return JxlHeader(width, height, bits=8, floating=False, animated=True)
    floating = bool(bits.take(1))
    depth = bits.choice((32, 0), (16, 0), (24, 0), (1, 6)) if floating else 0
    depth = depth or bits.choice((8, 0), (10, 0), (12, 0), (1, 6))
    return JxlHeader(width, height, depth, floating, animated=False)


def _jxl_codestream(data: bytes) -> bytes:
    """Return the codestream, or its first part, out of the container."""
    if not data.startswith(b"\0\0\0\x0cJXL \r\n\x87\n"):
        return data
    for kind, skip in ((b"jxlc", 0), (b"jxlp", 4)):
        for box in _find(memoryview(data), (kind,)):
            return bytes(box[skip : skip + 64])
    raise ValueError("the JPEG XL container holds no codestream")


def _jxl_size(bits: _Bits) -> tuple[int, int]:
    """Return (height, width)."""
    small = bits.take(1)
    sizes = ((1, 9), (1, 13), (1, 18), (1, 30))

    def side() -> int:
        return (bits.take(5) + 1) * 8 if small else bits.choice(*sizes)

    height = side()
    ratio = bits.take(3)
    if ratio == 0:
        return height, side()
    across, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height, height * across // down


def _jxl_preview(bits: _Bits) -> None:
    """Pass over the size of the preview."""
    eighths = bits.take(1)
    sizes = (
        ((16, 0), (32, 0), (1, 5), (33, 9)) if eighths else ((1, 6), (65, 8), (321, 10), (1345, 12))
    )
    bits.choice(*sizes)
    if bits.take(3) == 0:
        bits.choice(*sizes)


class _Bits:
    """Bits of a byte string, the least significant first; a ValueError past its end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:64], "little")
        self._left = 8 * min(len(data), 64)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the header is cut short")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def choice(self, *options: tuple[int, int]) -> int:
        """Return a U32: two bits choose (offset, bits)."""
        offset, count = options[self.take(2)]
        return offset + self.take(count)

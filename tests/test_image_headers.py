"""Headers read by hand: JPEG XL and AVIF."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.image_headers import JxlHeader, avif_depth, jxl_header, png_depth

#: First bytes of files that libjxl 0.11 wrote (through imagecodecs 2026.3.6), and what was put in.
_LIBJXL = {
    "ff0a435042d1220013880200ac00": JxlHeader(16, 16, 10, False, False),
    "ff0a436042d1220013880200ac00": JxlHeader(16, 16, 12, False, False),
    "ff0a43f09350b4080013880200ac": JxlHeader(16, 16, 16, False, False),
    "ff0a43060013880200ac00b59f20": JxlHeader(16, 16, 8, False, False),
    "ff0a434024080401001c004b188b": JxlHeader(16, 16, 8, False, False),
    "ff0a310700138802004881060c00": JxlHeader(300, 200, 8, False, False),
    "ff0a022080e50013880200544210": JxlHeader(301, 1025, 8, False, False),
    "ff0a0800df221a0013880294263e": JxlHeader(70000, 2, 8, False, False),
    "ff0a43044d0020270013082800ac": JxlHeader(16, 16, 8, False, True),
}


@pytest.mark.parametrize("start", _LIBJXL)
def test_the_header_says_what_libjxl_was_given(start: str) -> None:
    assert jxl_header(bytes.fromhex(start)) == _LIBJXL[start]


@pytest.mark.parametrize("kind", [b"jxlc", b"jxlp"])
def test_the_codestream_is_found_in_its_container(kind: bytes) -> None:
    start, expected = next(iter(_LIBJXL.items()))
    stream = (b"\0\0\0\0" if kind == b"jxlp" else b"") + bytes.fromhex(start)
    data = b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I4s4s", 12, b"ftyp", b"jxl ")
    data += struct.pack(">I4s", 8 + len(stream), kind) + stream
    assert jxl_header(data) == expected


@given(st.binary(max_size=80))
def test_rubbish_has_no_header(data: bytes) -> None:
    for read in (avif_depth, png_depth):
        with pytest.raises(ValueError):  # noqa: PT011
            read(data)


@given(st.binary(max_size=80))
def test_any_codestream_is_read_or_refused(data: bytes) -> None:
    try:
        header = jxl_header(b"\xff\x0a" + data)
    except ValueError:
        return
    assert header.width > 0
    assert header.height > 0


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.mark.parametrize(
    ("flags", "depth"), [(b"\x00", 8), (b"\x0c", 8), (b"\x40", 10), (b"\x60", 12)]
)
def test_the_depth_of_an_avif_is_in_its_av1_configuration(flags: bytes, depth: int) -> None:
    """high_bitdepth and twelve_bit: AV1 in ISOBMFF, section 2.3.3."""
    colour = _box(b"av1C", b"\x81\x20" + flags + b"\0")
    alpha = _box(b"av1C", b"\x81\x20\x1c\0")
    properties = _box(b"ipco", _box(b"ispe", b"\0" * 12) + alpha + colour)
    data = _box(b"ftyp", b"avif") + _box(b"meta", b"\0\0\0\0" + _box(b"iprp", properties))
    assert avif_depth(data) == depth

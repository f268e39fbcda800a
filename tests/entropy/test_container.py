"""The header and its checksum."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.entropy.container import MAX_SIDE, Stream, pack, unpack
from bench.errors import BitstreamError, CodecError

SIDES = st.integers(1, MAX_SIDE)
STREAMS = st.builds(
    Stream,
    st.binary(min_size=4, max_size=4),
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.binary(max_size=300),
)


@given(STREAMS)
def test_what_is_packed_comes_back(stream: Stream) -> None:
    back = unpack(pack(stream))
    assert back.payload.rstrip(b"\0") == stream.payload.rstrip(b"\0")
    assert (back.model, back.height, back.width) == (stream.model, stream.height, stream.width)


@given(STREAMS, st.data())
def test_no_byte_can_be_changed_unnoticed(stream: Stream, data: st.DataObject) -> None:
    packed = bytearray(pack(stream))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BitstreamError):
        unpack(bytes(packed))


@given(STREAMS, st.data())
def test_a_cut_stream_is_noticed(stream: Stream, data: st.DataObject) -> None:
    packed = pack(stream)
    with pytest.raises(BitstreamError):
        unpack(packed[: data.draw(st.integers(0, len(packed) - 1))])


@given(st.binary(max_size=64))
def test_any_bytes_give_a_stream_or_a_bitstream_error(data: bytes) -> None:
    try:
        unpack(data)
    except BitstreamError:
        return


def test_the_header_of_a_kodak_image_has_thirteen_bytes() -> None:
    assert len(pack(Stream(b"abcd", 512, 768, b"x" * 1000))) == 1013


def test_an_image_larger_than_its_bytes_justify_is_refused_with_a_right_checksum() -> None:
    small = pack(Stream(b"abcd", 64, 64, b"x" * 10))
    head = b"\xb1abcd" + b"\xff\xff\x03" * 2
    payload = small[-10:]
    forged = head + struct.pack("<I", crc32(payload, crc32(head))) + payload
    with pytest.raises(BitstreamError, match="25 bytes can't hold an image of 65536×65536 pixels"):
        unpack(forged)


def test_a_nearly_empty_payload_is_padded_until_it_justifies_its_image() -> None:
    packed = pack(Stream(b"abcd", 1000, 1000, b""))
    assert len(packed) == 245
    assert unpack(packed).height == 1000


def test_a_side_beyond_the_limit_can_not_be_packed() -> None:
    with pytest.raises(CodecError, match="a side has at most 65536"):
        pack(Stream(b"abcd", 65537, 1, b""))

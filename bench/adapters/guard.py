"""What third-party libraries raise, as errors of ours."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import BitstreamError, CellError, CodecError, ImageError

#: What decoders in C and Python raise on bytes that are not theirs: everything but the signs of a
#: programming error (NameError, ImportError) and of the user (KeyboardInterrupt).
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImageError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
)


@contextmanager
def encoding(library: str) -> Iterator[None]:
    """Turn what `library` raises while it encodes into CodecError."""
    try:
        yield
    except CellError:
        raise
    except _FAULTS as error:
        raise CodecError(f"{library} can't encode: {_short(error)}") from error


@contextmanager
def decoding(library: str) -> Iterator[None]:
    """Turn what `library` raises or warns about while it decodes into BitstreamError."""
    try:
        # Recorded and not raised: some warnings come out of a callback that C calls.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except CellError:
        raise
    except _FAULTS as error:
        raise BitstreamError(f"{library} can't decode these bytes: {_short(error)}") from error
    for entry in caught:
        # A library that uses something old says nothing about the bytes.
        if not issubclass(entry.category, DeprecationWarning | ResourceWarning):
            raise BitstreamError(f"{library} warns of these bytes: {_short(entry.message)}")


def _short(error: BaseException | str) -> str:
    text = " ".join(str(error).split()) or "no reason given"
    return f"{text[:200]} ({type(error).__name__})"

"""What third-party libraries raise, as errors of ours."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import BitstreamError, CellError, CodecError

#: What decoders in C and Python raise on bytes that are not theirs: everything but the signs of a
#: programming error (NameError, ImportError) and of the user (KeyboardInterrupt).
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
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
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # A library that uses something old says nothing about the bytes.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    except CellError:
        raise
    except _FAULTS as error:
        raise BitstreamError(f"{library} can't decode these bytes: {_short(error)}") from error


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no reason given"
    return f"{text[:200]} ({type(error).__name__})"

"""The entropy coder: integers in and out of a stack of bits, table by table.

An asymmetric numeral system (`constriction`) is a stack: what is decoded first is encoded last.
The :class:`Encoder` therefore collects blocks in the order in which they will be decoded, and
codes them backwards at the end.

Within a block the symbols are grouped by table, so that the library is called once per table and
not once per symbol. Values outside a table are coded as an escape, followed, after the block's
plain symbols, by Elias-gamma codes of what exceeds the table.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.entropy.tables import Ints, Tables
from bench.errors import BitstreamError, CodecError

#: An escaped value exceeds its table by less than 2**(ESCAPE_BITS - 1) on either side.
ESCAPE_BITS = 20

Rows = npt.NDArray[np.integer[Any]]
_WORD = 4


class Encoder:
    """Collects blocks of symbols and returns them as bytes."""

    def __init__(self) -> None:
        self._blocks: list[tuple[Ints, Rows, Ints, Tables]] = []

    def put(self, values: Ints, rows: Rows, tables: Tables) -> None:
        """Append a block.

        Parameters
        ----------
        values : int32 of shape (n,).
        rows : integers of shape (n,): the table that codes each value.

        Raises
        ------
        CodecError : a value exceeds its table by more than the escape can say.
        """
        excess = _excess(values, rows, tables)
        if excess.size and excess.max() >= (1 << ESCAPE_BITS) - 1:
            raise CodecError(
                f"a latent of {int(np.abs(values).max())} is far outside the entropy model's "
                "range: the network does not fit the image or is broken"
            )
        self._blocks.append((values, rows, excess, tables))

    def finish(self) -> bytes:
        """Return everything that was put, as bytes."""
        import constriction

        coder = constriction.stream.stack.AnsCoder()
        for values, rows, excess, tables in reversed(self._blocks):
            _push_block(coder, values, rows, excess, tables)
        words = coder.get_compressed().astype("<u4")
        # The leading zeros of the last word say nothing; `Decoder` puts them back.
        return bytes(words.tobytes().rstrip(b"\0"))


class Decoder:
    """Takes blocks of symbols back from bytes.

    Raises BitstreamError, here and in every method, for bytes that no :class:`Encoder` wrote.
    Memory and time are bounded by what is asked for and by the length of the bytes.
    """

    def __init__(self, data: bytes) -> None:
        import constriction

        data = data.rstrip(b"\0")
        words = np.frombuffer(data + b"\0" * (-len(data) % _WORD), "<u4").astype(np.uint32)
        try:
            self._coder = constriction.stream.stack.AnsCoder(words)
        except ValueError as error:
            raise BitstreamError(f"the payload is damaged: {error}") from None

    def take(self, rows: Rows, tables: Tables) -> Ints:
        """Return the next block: int32 values of the shape (n,) of `rows`."""
        order, counts = _grouped(rows, tables)
        symbols = np.empty(len(rows), np.int32)
        start = 0
        for row in np.flatnonzero(counts).tolist():
            stop = start + int(counts[row])
            symbols[start:stop] = self._coder.decode(tables.models[row], stop - start)
            start = stop
        sorted_rows = rows[order]
        values = symbols + tables.offsets[sorted_rows]
        escaped = np.flatnonzero(symbols == tables.escapes[sorted_rows])
        if escaped.size:
            above = self._take_excess(len(escaped))
            low = tables.offsets[sorted_rows[escaped]]
            high = low + tables.escapes[sorted_rows[escaped]]
            half = above >> 1
            values[escaped] = np.where(above & 1, low - 1 - half, high + half)
        result = np.empty_like(values)
        result[order] = values
        return result

    def _take_excess(self, count: int) -> Ints:
        bits = self._coder.decode(_bit_lengths(), count)
        excess = np.empty(count, np.int32)
        for length in np.unique(bits):
            which = np.flatnonzero(bits == length)
            excess[which] = (1 << int(length)) - 1
            if length:
                excess[which] += self._coder.decode(_uniform(int(length)), len(which))
        return excess

    def finish(self) -> None:
        """Raise BitstreamError where bytes are left over: another image's, or damaged ones."""
        if not self._coder.is_empty():
            raise BitstreamError("the payload does not end where its image ends")


def _push_block(coder: Any, values: Ints, rows: Rows, excess: Ints, tables: Tables) -> None:
    order, counts = _grouped(rows, tables)
    symbols = (values - tables.offsets[rows])[order]
    escaped = np.flatnonzero(excess[order] >= 0)
    if escaped.size:
        symbols[escaped] = tables.escapes[rows[order[escaped]]]
        _push_excess(coder, excess[order[escaped]])
    stop = len(symbols)
    for row in np.flatnonzero(counts)[::-1].tolist():
        start = stop - int(counts[row])
        coder.encode_reverse(symbols[start:stop], tables.models[row])
        stop = start


def _push_excess(coder: Any, excess: Ints) -> None:
    # frexp is exact: the exponent of n is its bit length.
    bits = (np.frexp(excess + 1.0)[1] - 1).astype(np.int32)
    for length in np.unique(bits)[::-1]:
        if length:
            rest = excess[bits == length] - ((1 << int(length)) - 1)
            coder.encode_reverse(rest.astype(np.int32), _uniform(int(length)))
    coder.encode_reverse(bits, _bit_lengths())


def _excess(values: Ints, rows: Rows, tables: Tables) -> Ints:
    """Return how far each value is outside its table, folded to 0, 1, 2 …; -1 where it is not."""
    low = tables.offsets[rows]
    above = values - (low + tables.escapes[rows])
    below = low - 1 - values
    result = np.full(len(values), -1, np.int32)
    outside = np.flatnonzero((above >= 0) | (below >= 0))
    if outside.size:
        over, under = above[outside].astype(np.int64), below[outside].astype(np.int64)
        folded = np.where(over >= 0, 2 * over, 2 * under + 1)
        result[outside] = np.minimum(folded, np.iinfo(np.int32).max)
    return result


def _grouped(rows: Rows, tables: Tables) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the order that sorts by table (stable), and how many values each table codes."""
    # NumPy sorts 16-bit integers by radix.
    return (
        np.argsort(rows.astype(np.int16), kind="stable"),
        np.bincount(rows, minlength=tables.rows),
    )


@cache
def _bit_lengths() -> Any:
    import constriction

    return constriction.stream.model.Categorical(
        0.5 ** np.arange(1, ESCAPE_BITS + 1), perfect=False
    )


@cache
def _uniform(bits: int) -> Any:
    import constriction

    return constriction.stream.model.Uniform(1 << bits)

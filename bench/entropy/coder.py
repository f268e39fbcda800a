"""The entropy coder: integers in and out of a stack of bits, table by table.

An asymmetric numeral system (`constriction`) is a stack: what is decoded first is encoded last.
The :class:`Encoder` therefore collects blocks in the order in which they will be decoded, and
codes them backwards at the end.

Within a block the symbols are grouped by table, so that the library is called once per table and
not once per symbol. Values outside a table are coded as an escape, followed, after the block's
plain symbols, by Elias-gamma codes of what exceeds the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.entropy.tables import Ints, Tables
from bench.errors import BitstreamError, CodecError

#: An escaped value exceeds its table by less than 2**(ESCAPE_BITS - 1) on either side.
ESCAPE_BITS = 20

Rows = npt.NDArray[np.integer[Any]]
Keys = npt.NDArray[np.int16]
Places = npt.NDArray[np.intp]
_WORD = 4


@dataclass(frozen=True)
class _Block:
    """Values that one set of tables codes, part by part: where a part ends, another begins."""

    symbols: Ints
    rows: Keys
    ends: Sequence[int]
    tables: Tables
    escaped: Places
    excess: Ints


class Encoder:
    """Collects blocks of symbols and returns them as bytes."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []

    def put(
        self, values: Ints, rows: Rows, tables: Tables, sizes: Sequence[int] | None = None
    ) -> None:
        """Append a block, or one after the other the blocks whose `sizes` add up to n.

        Parameters
        ----------
        values : int32 of shape (n,).
        rows : integers of shape (n,): the table that codes each value.

        Raises
        ------
        CodecError : a value exceeds its table by more than the escape can say.
        """
        symbols = values - tables.offsets[rows]
        escapes = tables.escapes[rows]
        # As unsigned numbers, what is below the table is far above it.
        escaped = np.flatnonzero(symbols.view(np.uint32) >= escapes.view(np.uint32))
        excess = _folded(symbols[escaped], escapes[escaped])
        if excess.size and excess.max() >= (1 << ESCAPE_BITS) - 1:
            raise CodecError(
                f"a latent of {int(np.abs(values).max())} is far outside the entropy model's "
                "range: the network does not fit the image or is broken"
            )
        symbols[escaped] = escapes[escaped]
        ends = np.cumsum(sizes or [len(values)]).tolist()
        self._blocks.append(_Block(symbols, _keys(rows), ends, tables, escaped, excess))

    def finish(self) -> bytes:
        """Return everything that was put, as bytes."""
        import constriction

        coder = constriction.stream.stack.AnsCoder()
        for block in reversed(self._blocks):
            _push(coder, block)
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
        order, counts = _grouped(_keys(rows), tables)
        used = np.flatnonzero(counts)
        symbols = np.empty(len(rows), np.int32)
        start = 0
        for row, count in zip(used.tolist(), counts[used].tolist(), strict=True):
            symbols[start : start + count] = self._coder.decode(tables.models[row], count)
            start += count
        low = np.repeat(tables.offsets[used], counts[used])
        escapes = np.repeat(tables.escapes[used], counts[used])
        values = symbols + low
        escaped = np.flatnonzero(symbols == escapes)
        if escaped.size:
            above = self._take_excess(len(escaped))
            half = above >> 1
            below = above & 1 == 1
            values[escaped] = np.where(below, low[escaped] - 1 - half, values[escaped] + half)
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


def _push(coder: Any, block: _Block) -> None:
    models = block.tables.models
    starts = [0, *block.ends[:-1]]
    bounds = np.searchsorted(block.escaped, [0, *block.ends]).tolist()
    for part in range(len(starts) - 1, -1, -1):
        here = slice(starts[part], block.ends[part])
        order, counts = _grouped(block.rows[here], block.tables)
        symbols = block.symbols[here][order]
        if bounds[part] != bounds[part + 1]:
            which = slice(bounds[part], bounds[part + 1])
            # In the order in which their symbols are coded.
            rows = block.rows[block.escaped[which]]
            _push_excess(coder, block.excess[which][np.argsort(rows, kind="stable")])
        stop = len(symbols)
        used = np.flatnonzero(counts)[::-1]
        for row, count in zip(used.tolist(), counts[used].tolist(), strict=True):
            coder.encode_reverse(symbols[stop - count : stop], models[row])
            stop -= count


def _push_excess(coder: Any, excess: Ints) -> None:
    # frexp is exact: the exponent of n is its bit length.
    bits = (np.frexp(excess + 1.0)[1] - 1).astype(np.int32)
    for length in np.unique(bits)[::-1]:
        if length:
            rest = excess[bits == length] - ((1 << int(length)) - 1)
            coder.encode_reverse(rest.astype(np.int32), _uniform(int(length)))
    coder.encode_reverse(bits, _bit_lengths())


def _folded(symbols: Ints, escapes: Ints) -> Ints:
    """Return how far symbols are above (even) or below (odd) their table: 0, 1, 2 …"""
    wide = symbols.astype(np.int64)
    folded = np.where(symbols >= 0, 2 * (wide - escapes), -2 * wide - 1)
    result: Ints = np.minimum(folded, np.iinfo(np.int32).max).astype(np.int32)
    return result


def _keys(rows: Rows) -> Keys:
    # NumPy sorts 16-bit integers by radix.
    return rows.astype(np.int16)


def _grouped(rows: Keys, tables: Tables) -> tuple[Places, Places]:
    """Return the order that sorts by table (stable), and how many values each table codes."""
    return np.argsort(rows, kind="stable"), np.bincount(rows, minlength=tables.rows)


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

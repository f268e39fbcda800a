"""Integer frequency tables: the only probabilities that the entropy coder ever sees.

A table is a row of cumulative frequencies, 0 … 65536, over consecutive integer symbols, with one
last entry for everything outside of them (the escape). The layout is the one that CompressAI
stores in its checkpoints, so that the tables of a published model are used as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import CodecError

#: Frequencies of a table add up to this.
TOTAL = 1 << 16

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tables:
    """A set of frequency tables, one per row.

    Parameters
    ----------
    cdf : int32 of shape (rows, longest): cumulative frequencies, each row from 0 to 65536.
    lengths : int32 of shape (rows,): how many entries of a row count; one more than its symbols,
        the escape included.
    offsets : int32 of shape (rows,): the value of a row's first symbol.

    Raises
    ------
    CodecError : shapes that don't fit, or frequencies that are no probability distribution.
    """

    cdf: Ints
    lengths: Ints
    offsets: Ints

    def __post_init__(self) -> None:
        rows = len(self.lengths)
        if self.cdf.ndim != 2 or len(self.cdf) != rows or self.offsets.shape != (rows,):
            raise CodecError(
                f"frequency tables of shape {self.cdf.shape} don't fit {rows} lengths and "
                f"{self.offsets.shape} offsets"
            )
        if rows == 0 or self.lengths.min() < 3 or self.lengths.max() > self.cdf.shape[1]:
            raise CodecError("a frequency table needs a symbol and the escape at least")
        for row, length in zip(self.cdf, self.lengths, strict=True):
            if row[0] != 0 or row[length - 1] != TOTAL or np.any(np.diff(row[:length]) <= 0):
                raise CodecError("cumulative frequencies must rise from 0 to 65536 at every step")

    @property
    def rows(self) -> int:
        """How many tables there are."""
        return len(self.lengths)

    @cached_property
    def escapes(self) -> Ints:
        """The index of each row's escape: also the number of its plain symbols."""
        return self.lengths - 2

    @cached_property
    def models(self) -> Sequence[Any]:
        """One `constriction` model per row, over the symbols 0 … escape."""
        import constriction

        return [
            constriction.stream.model.Categorical(np.diff(row[:length]) / TOTAL, perfect=False)
            for row, length in zip(self.cdf.astype(np.float64), self.lengths, strict=True)
        ]


def quantise(pmf: Floats) -> Ints:
    """Return the cumulative frequencies, from 0 to 65536, that stand for the probabilities `pmf`.

    Every symbol keeps a frequency of one at least; what that costs is taken from the most frequent
    ones, where it changes the rate least.

    Parameters
    ----------
    pmf : float64 of shape (symbols,), not negative, of any positive sum; fewer than 65536 symbols.
    """
    frequencies = np.maximum(np.rint(pmf / pmf.sum() * TOTAL).astype(np.int64), 1)
    while (excess := int(frequencies.sum()) - TOTAL) != 0:
        largest = int(frequencies.argmax())
        frequencies[largest] -= min(excess, max(int(frequencies[largest]) // 2, 1))
    return np.concatenate(([0], np.cumsum(frequencies))).astype(np.int32)


def stack(pmfs: Sequence[Floats], offsets: Sequence[int]) -> Tables:
    """Return tables for probabilities whose last entry is the mass of everything else.

    Parameters
    ----------
    pmfs : a float64 array per row, of shape (symbols + 1,).
    offsets : the value of each row's first symbol.
    """
    lengths = np.array([len(pmf) + 1 for pmf in pmfs], np.int32)
    cdf = np.zeros((len(pmfs), int(lengths.max())), np.int32)
    for row, pmf in zip(cdf, pmfs, strict=True):
        row[: len(pmf) + 1] = quantise(pmf)
    return Tables(cdf, lengths, np.asarray(offsets, np.int32))


def gaussian(scales: Floats, tail: float = 1e-9) -> Tables:
    """Return a table per scale for rounded zero-mean Gaussians.

    Parameters
    ----------
    scales : float64 of shape (rows,): standard deviations.
    tail : probability of everything outside the symbols, which the escape codes.
    """
    from scipy.special import ndtr, ndtri

    reach = np.ceil(scales * -ndtri(tail / 2)).astype(int)
    pmfs = []
    for scale, centre in zip(scales, reach, strict=True):
        # By symmetry only the lower half is evaluated, where the distribution function is exact.
        distance = np.abs(np.arange(-centre, centre + 1))
        inner = ndtr((0.5 - distance) / scale) - ndtr((-0.5 - distance) / scale)
        pmfs.append(np.append(inner, 2 * ndtr((-0.5 - centre) / scale)))
    return stack(pmfs, [-int(centre) for centre in reach])

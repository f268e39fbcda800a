"""Aligned plain text for terminals."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], align: str = "") -> str:
    """Return rows as columns that line up, two spaces apart.

    Parameters
    ----------
    align : a letter per column, "l" or "r"; left where it is shorter than the row.
    """
    texts = [[str(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(_width(row[i]) for row in texts) for i in range(len(headers))]
    align = align.ljust(len(headers), "l")[: len(headers)]
    lines = ("  ".join(map(_pad, row, widths, align)) for row in texts)
    return "\n".join(line.rstrip() for line in lines)


def size(n_bytes: float) -> str:
    """Return a number of bytes as a person reads it: 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def plural(count: int, word: str) -> str:
    """Return a count with its noun: 1 cell, 2 cells."""
    return f"{count} {word}{'s' * (count != 1)}"


def _width(text: str) -> int:
    """Return how many terminal columns `text` takes: wide characters take two, marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _pad(text: str, width: int, side: str) -> str:
    space = " " * (width - _width(text))
    return space + text if side == "r" else text + space

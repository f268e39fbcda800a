"""BD tables for a terminal, and as JSON."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from bench.analysis.axis import Axis
from bench.analysis.bootstrap import FEW
from bench.analysis.compare import Comparison
from bench.analysis.curves import Convention
from bench.text import table

#: What a heading adds for curves that are no means at settings.
_CONVENTIONS: dict[Convention, str] = {
    "mean": "",
    "mse": ", PSNR of the mean squared error",
    "rate": ", curves at equal rates of all images",
}
#: Columns that say what the BD-rate is and how far it may be trusted; the others go below where
#: the terminal is too narrow for both.
_FIRST = 5


def bd_json(comparisons: Iterable[Comparison]) -> list[dict[str, Any]]:
    """Return comparisons as JSON values: a row per codec, null where there is no number.

    `bd_rate`, `ci_low` and `ci_high`, and the same of the mean of images, are in percent;
    `bd_quality` and `range` ([low, high]) on the metric's scale, in decibels for MS-SSIM; `overlap`
    is a share from 0 to 1; `reason` says why BD-rate is null, and is null otherwise.
    """
    return [
        {
            "codec": c.codec,
            "anchor": c.anchor,
            "metric": c.metric,
            "bd_rate": _number(c.bd.bd_rate),
            "ci_low": _number(c.interval[0]),
            "ci_high": _number(c.interval[1]),
            "bd_quality": _number(c.bd.bd_quality),
            "range": None if math.isnan(c.bd.range[0]) else list(c.bd.range),
            "overlap": _number(c.bd.overlap),
            "n_images": c.n_images,
            "reason": c.bd.reason or None,
            "image_mean": _number(c.image_mean),
            "image_ci_low": _number(c.image_interval[0]),
            "image_ci_high": _number(c.image_interval[1]),
            "image_n": c.n_image_bd,
            "convention": c.convention,
        }
        for c in comparisons
    ]


def bd_text(comparisons: Sequence[Comparison], axis: Axis, width: int | None = None) -> str:
    """Return comparisons with one anchor as an aligned table, best first, and what explains it.

    Parameters
    ----------
    width : columns of the terminal; a table that is wider comes in two parts. None for any width.
    """
    ordered = sorted(comparisons, key=lambda c: (math.isnan(c.bd.bd_rate), c.bd.bd_rate))
    unit = "dB" if axis.decibels else axis.unit
    headers = ["codec", "BD-rate", "95 % interval", "range", "overlap", "images"]
    headers += [
        "mean of images",
        "95 % interval",
        "of",
        "BD-quality" + (f" ({unit})" if unit else ""),
    ]
    rows = [_cells(comparison, 2 if unit == "dB" else 4) for comparison in ordered]
    filled = [i for i in range(len(headers)) if any(row[i] for row in rows)]
    whole = _part(headers, rows, filled)
    if width is not None and max(map(len, whole.splitlines())) > width:
        first = [i for i in filled if i < _FIRST]
        rest = [0, *(i for i in filled if i >= _FIRST)]
        whole = f"{_part(headers, rows, first)}\n\n{_part(headers, rows, rest)}"
    one = comparisons[0]
    heading = f"BD over {axis.metric} against {one.anchor}"
    heading += f", {one.dataset}" if one.dataset else ""
    heading += _CONVENTIONS[one.convention]
    return "\n".join([heading, "", whole, *_explanations(ordered, axis, width or 100)])


def _part(headers: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[int]) -> str:
    chosen = [[row[i] for i in columns] for row in rows]
    return table([headers[i] for i in columns], chosen, "l" + "r" * (len(columns) - 1))


def _cells(c: Comparison, digits: int) -> list[str]:
    bd = c.bd
    low, high = bd.range
    return [
        c.codec,
        _percent(bd.bd_rate),
        _interval(c.interval),
        "" if math.isnan(low) else f"{low:.{digits}f} … {high:.{digits}f}",
        "" if math.isnan(bd.overlap) else f"{100 * bd.overlap:.0f} %",
        str(c.n_images or ""),
        "" if not c.n_image_bd else _percent(c.image_mean),
        _interval(c.image_interval),
        str(c.n_image_bd or ""),
        "NA" if math.isnan(bd.bd_quality) else f"{bd.bd_quality:+.{digits}f}",
    ]


def _explanations(comparisons: Sequence[Comparison], axis: Axis, width: int) -> list[str]:
    lines = [f"NA  {_about(c, c.bd.reason)}" for c in comparisons if c.bd.reason]
    lines += [
        f"NA  {c.codec}, BD-quality: {c.bd.quality_reason}"
        for c in comparisons
        if c.bd.quality_reason and not c.bd.reason
    ]
    lines += dict.fromkeys(note for c in comparisons for note in c.notes)
    if any(1 < c.n_images < FEW and not math.isnan(c.interval[0]) for c in comparisons):
        lines.append(f"Intervals over fewer than {FEW} images are narrower than they should be.")
    if axis.decibels:
        lines.append(f"{axis.title} is compared in dB, -10 log10(1 - x); the range is in dB too.")
    if not lines:
        return []
    wrapped = [textwrap.fill(line, width, subsequent_indent="    ") for line in lines]
    return ["", *wrapped]


def _about(c: Comparison, reason: str) -> str:
    """Return a reason that names its codec, once."""
    return reason if reason.startswith(f"{c.codec}: ") else f"{c.codec}: {reason}"


def _percent(value: float) -> str:
    return "NA" if math.isnan(value) else f"{value:+.1f} %"


def _interval(interval: tuple[float, float]) -> str:
    return "" if math.isnan(interval[0]) else f"{interval[0]:+.1f} … {interval[1]:+.1f}"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""Image by image, at a target, and metric against metric: tables for a terminal, and as JSON."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.analysis.axis import Axis
from bench.analysis.bootstrap import FEW
from bench.analysis.images import best_and_worst
from bench.analysis.targets import Reading, Target
from bench.text import table


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as JSON values: an object per row, null where there is no number or text."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def images_text(
    ranking: pd.DataFrame, axis: Axis, anchor: str, dataset: str, width: int | None = None
) -> str:
    """Return where each codec saves most and least, and below it BD-rates image by image.

    Parameters
    ----------
    ranking : of :func:`~bench.analysis.images.rank_images`.
    width : columns of the terminal; codecs that don't fit go into a further table.
    """
    extremes = best_and_worst(ranking)
    rows = [
        (
            e["codec"],
            e["best"],
            _percent(e["best_bd_rate"]),
            e["worst"],
            _percent(e["worst_bd_rate"]),
            e["n_images"],
        )
        for e in extremes.to_dict("records")
    ]
    headers = ("codec", "saves most on", "BD-rate", "saves least on", "BD-rate", "of images")
    heading = f"BD over {axis.metric} against {anchor} on single images, {dataset}"
    none = "no codec has a BD-rate on a single image"
    parts = [heading, table(headers, rows, "llrlrr") if rows else none]
    grid = ranking.pivot(index="image", columns="codec", values="bd_rate")
    codecs = list(ranking["codec"].unique())
    names = [str(name) for name in grid.index]
    longest = max(map(len, ["image", *names]))
    for some in _fitting(codecs, longest, width):
        cells = [[name, *map(_percent, grid.loc[name, some])] for name in names]
        parts.append(table(["image", *some], cells, "l" + "r" * len(some)))
    if reasons := _reasons(ranking):
        parts.append("\n".join(textwrap.fill(r, width or 100, subsequent_indent="    ")
                               for r in reasons))  # fmt: skip
    return "\n\n".join(parts)


def _fitting(codecs: Sequence[str], first: int, width: int | None) -> list[list[str]]:
    """Return codecs in groups whose columns, two spaces apart, fit beside one of `first`."""
    groups: list[list[str]] = [[]]
    taken = first
    for codec in codecs:
        needed = 2 + max(len(codec), len("-100.0 %"))
        if width is not None and groups[-1] and taken + needed > width:
            groups.append([])
            taken = first
        groups[-1].append(codec)
        taken += needed
    return groups if codecs else []


def _reasons(ranking: pd.DataFrame) -> list[str]:
    undefined = ranking[ranking["bd_rate"].isna()]
    lines = []
    for (codec, reason), rows in undefined.groupby(["codec", "reason"], sort=False):
        names = ", ".join(rows["image"][:3]) + (", …" if len(rows) > 3 else "")
        lines.append(f"NA  {codec} on {len(rows)} of the images ({names}): {reason}")
    return lines


def readings_json(readings: Sequence[Reading], axis: Axis, target: Target) -> list[dict[str, Any]]:
    """Return readings as JSON values: `difference` in percent of the rate at a quality, on the
    metric's scale (decibels for MS-SSIM) at a rate.
    """
    at, what = ("rate", "quality") if target.is_rate else ("quality", "rate")
    return [
        {
            "codec": r.codec,
            "anchor": r.anchor,
            "metric": axis.metric,
            at: target.value,
            what: _plain(r.value),
            "difference": _plain(r.difference),
            "ci_low": _plain(r.interval[0]),
            "ci_high": _plain(r.interval[1]),
            "settings": None if math.isnan(r.settings[0]) else list(r.settings),
            "n_images": r.n_images,
            "reason": r.reason or None,
        }
        for r in readings
    ]


def readings_text(
    readings: Sequence[Reading], axis: Axis, target: Target, dataset: str, width: int | None = None
) -> str:
    """Return what each codec gives at a target, best first, and why some give nothing there."""
    unit = "dB" if axis.decibels else axis.unit
    digits = 2 if unit == "dB" else 4
    value = f"{target.value:g}"
    if target.is_rate:
        heading, name = (
            f"{axis.metric} at {value} bpp",
            axis.metric + (f" ({unit})" if unit else ""),
        )
    else:
        heading, name = f"rate at {axis.metric} {value}" + (f" {unit}" if unit else ""), "bpp"
    sign = 1.0 if not target.is_rate or axis.lower_is_better else -1.0
    ordered = sorted(readings, key=lambda r: (math.isnan(r.value), sign * r.value))
    rows = [
        (
            r.codec,
            "NA" if math.isnan(r.value) else f"{r.value:.{digits if target.is_rate else 4}f}",
            "anchor" if r.codec == r.anchor else _difference(r.difference, digits, target),
            "" if r.codec == r.anchor else _interval(r, digits, target),
            _between(r.settings),
            r.n_images or "",
        )
        for r in ordered
    ]
    headers = ("codec", name, f"against {readings[0].anchor}", "95 % interval", "setting", "images")
    lines = [f"NA  {r.reason}" for r in ordered if r.reason]
    if any(1 < r.n_images < FEW and not math.isnan(r.interval[0]) for r in readings):
        lines.append(f"Intervals over fewer than {FEW} images are narrower than they should be.")
    wrapped = [textwrap.fill(line, width or 100, subsequent_indent="    ") for line in lines]
    body = table(headers, rows, "lrrrrr")
    return "\n".join([f"{heading}, {dataset}" if dataset else heading, "", body,
                      *([""] if wrapped else []), *wrapped])  # fmt: skip


def agreement_text(pairs: pd.DataFrame, dataset: str) -> str:
    """Return how far metrics agree, and what that means."""
    heading = f"Agreement of metrics on which of two decodings of an image is the better, {dataset}"
    if pairs.empty:
        return f"{heading}\n\nthere is only one metric: nothing to compare"
    rows = [
        (
            p["metric"],
            p["other"],
            _correlation(p["spearman"]),
            _correlation(p["kendall"]),
            p["n_images"],
        )
        for p in pairs.to_dict("records")
    ]
    headers = ("metric", "other", "Spearman", "Kendall", "images")
    return (
        f"{heading}\n\n{table(headers, rows, 'llrrr')}\n\n"
        "Rank correlation over all decodings of an image, by every codec at every setting,\n"
        "averaged over images: 1 is full agreement, 0 none. Kendall's tau is the share of pairs\n"
        "of decodings that both metrics put in the same order, less the share that they do not."
    )


def _correlation(value: float) -> str:
    return "NA" if math.isnan(value) else f"{value:.3f}"


def _difference(value: float, digits: int, target: Target) -> str:
    if math.isnan(value):
        return "NA"
    return f"{value:+.{digits}f}" if target.is_rate else f"{value:+.1f} %"


def _interval(reading: Reading, digits: int, target: Target) -> str:
    low, high = reading.interval
    if math.isnan(low):
        return ""
    places = digits if target.is_rate else 1
    return f"{low:+.{places}f} … {high:+.{places}f}"


def _between(settings: tuple[float, float]) -> str:
    low, high = settings
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"{low:g}" if low == high else f"{low:g} … {high:g}"


def _percent(value: float) -> str:
    return "NA" if math.isnan(value) else f"{value:+.1f} %"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value == "":
        return None
    return value.item() if hasattr(value, "item") else value

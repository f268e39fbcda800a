"""Ablation tables for a terminal, for papers, and as JSON."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.analysis.ablation import Ablation, Cost, Finding
from bench.analysis.axis import axis_of
from bench.analysis.bootstrap import FEW, Interval
from bench.report.bd_text import bd_json
from bench.text import table

SCHEMA = 1
#: How a row says what is done to the base.
SIGNS = {"removed": "− ", "added": "+ ", "replaced": ""}


@dataclass(frozen=True)
class _Column:
    header: str
    align: str
    cells: list[str]


def ablation_json(ablation: Ablation) -> dict[str, Any]:
    """Return an ablation as JSON values, null where there is no number.

    `variants` has an object per variant, with its cost and under `bd` an object per metric: the
    fields of :func:`~bench.report.bd_text.bd_json`, the mean over images and the verdict. `bases`
    has their costs. Times are in seconds per megapixel.
    """
    return {
        "schema": SCHEMA,
        "dataset": ablation.dataset,
        "metrics": list(ablation.metrics),
        "times": "measured alone" if ablation.timed else "indicative",
        "bases": {base: _cost_json(cost) for base, cost in ablation.bases.items()},
        "variants": [
            {
                **vars(finding.variant),
                **_cost_json(finding.cost),
                "identical": finding.identical,
                "reason": finding.reason or None,
                "bd": {metric: _bd_json(finding, metric) for metric in finding.comparisons},
            }
            for findings in ablation.findings.values()
            for finding in findings
        ],
    }


def ablation_text(ablation: Ablation, width: int | None = None) -> str:
    """Return a table per base, and what explains them.

    Parameters
    ----------
    width : columns of the terminal; a table that is wider comes in parts. None for any width.
    """
    blocks = []
    for base, findings in ablation.findings.items():
        names = _Column("codec", "l", [base, *(f.variant.codec for f in findings)])
        groups = [_metric(findings, metric, full=True) for metric in ablation.metrics]
        groups.append(_costs([ablation.bases[base], *(f.cost for f in findings)]))
        heading = f"Against {base}, {ablation.dataset}, {_images(findings)}"
        body = _fold([names, _differs("", findings)], [names], groups, width)
        blocks.append(f"{heading}\n\n{body}")
    below = [
        textwrap.fill(note, width or 100, subsequent_indent="    ") for note in notes(ablation)
    ]
    return "\n\n".join([*blocks, "\n".join(below)])


def ablation_tables(
    ablation: Ablation,
) -> Iterator[tuple[list[str], list[list[str]], str, str]]:
    """Yield a table per base as papers have it: headers, rows, alignment, and what a caption
    should say.
    """
    for base, findings in ablation.findings.items():
        groups = [_metric(findings, metric, full=False) for metric in ablation.metrics]
        groups.append(_costs([ablation.bases[base], *(f.cost for f in findings)]))
        columns = [_differs(base, findings), *(column for group in groups for column in group)]
        rows = [list(cells) for cells in zip(*(column.cells for column in columns), strict=True)]
        caption = (
            f"Variants of {base} on {ablation.dataset}, {_images(findings)}: BD-rate of the "
            "curve of means, PCHIP over log rate where curves overlap, 95 % intervals by "
            "resampling images; better or worse where neither that interval nor the one of the "
            f"mean of images holds zero, over at least {FEW} images. {ranges(ablation, base)} "
            f"{' '.join([*seed_notes(ablation, base), _times(ablation)])}"
        )
        yield [c.header for c in columns], rows, "".join(c.align for c in columns), caption


def _images(findings: tuple[Finding, ...]) -> str:
    counts = sorted({c.n_images for f in findings for c in f.comparisons.values()})
    return f"{' or '.join(map(str, counts)) or 'no'} image{'s' * (counts != [1])}"


def ranges(ablation: Ablation, base: str) -> str:
    """Return over which quality the variants of `base` were compared: BD-rate depends on it."""
    parts = []
    for metric in ablation.metrics:
        found = [f.comparisons[metric].bd for f in ablation.findings[base] if f.comparisons]
        found = [bd for bd in found if not math.isnan(bd.range[0])]
        if found:
            widest = min(bd.range[0] for bd in found), max(bd.range[1] for bd in found)
            least = min(bd.overlap for bd in found)
            scale = axis_of(metric).scale
            parts.append(f"{scale}: {_range(widest)}, overlap at least {100 * least:.0f} %")
    return f"Compared over {'; '.join(parts)}." if parts else ""


def _differs(base: str, findings: tuple[Finding, ...]) -> _Column:
    cells = [SIGNS.get(f.variant.change, "") + f.variant.differs for f in findings]
    return _Column("what differs", "l", [base, *cells])


def _metric(findings: tuple[Finding, ...], metric: str, full: bool) -> list[_Column]:
    """Return what one metric says; the first cell is the base's own."""
    values, intervals, means, image_intervals, verdicts = [""], [""], [""], [""], [""]
    ranges, overlaps = [""], [""]
    for finding in findings:
        comparison = finding.comparisons.get(metric)
        verdicts.append(finding.verdict(metric))
        values.append("NA" if comparison is None else _percent(comparison.bd.bd_rate))
        intervals.append("" if comparison is None else _interval(comparison.interval))
        defined = comparison is not None and comparison.n_image_bd > 0
        means.append(_percent(comparison.image_mean) if comparison and defined else "")
        image_intervals.append("" if comparison is None else _interval(comparison.image_interval))
        shared = comparison is not None and not math.isnan(comparison.bd.range[0])
        ranges.append(_range(comparison.bd.range) if comparison and shared else "")
        overlaps.append(f"{100 * comparison.bd.overlap:.0f} %" if comparison and shared else "")
    title = axis_of(metric).title
    columns = [_Column(f"BD-rate, {title} (%)", "r", values)]
    columns.append(_Column("95 % interval", "r", intervals))
    if full:
        columns.append(_Column("range", "r", ranges))
        columns.append(_Column("overlap", "r", overlaps))
        columns.append(_Column("mean of images (%)", "r", means))
        columns.append(_Column("95 % interval", "r", image_intervals))
    return [*columns, _Column(f"by {title}", "l", verdicts)]


def _costs(costs: list[Cost]) -> list[_Column]:
    """Return the columns of what codecs cost, without those that nobody tells."""

    told = [cost.complexity for cost in costs]
    columns = [
        _Column("parameters", "r", [f"{c.parameters:,d}" if c else "" for c in told]),
        _Column("kMAC/pixel, encoder", "r", [f"{c.encode_kmac:.1f}" if c else "" for c in told]),
        _Column("kMAC/pixel, decoder", "r", [f"{c.decode_kmac:.1f}" if c else "" for c in told]),
        _Column("encode (ms/MP)", "r", [_milliseconds(cost.encode_s) for cost in costs]),
        _Column("decode (ms/MP)", "r", [_milliseconds(cost.decode_s) for cost in costs]),
    ]
    return [column for column in columns if any(column.cells)]


def _fold(
    first: list[_Column], again: list[_Column], groups: list[list[_Column]], width: int | None
) -> str:
    """Return columns as a table, or where that is too wide as several, no group torn apart."""
    parts, current = [], list(first)
    for group in groups:
        wider = [*current, *group]
        if width and len(current) > len(again) and _width(wider) > width:
            parts.append(current)
            wider = [*again, *group]
        current = wider
    return "\n\n".join(_text(part) for part in [*parts, current])


def _text(columns: list[_Column]) -> str:
    rows = list(zip(*(column.cells for column in columns), strict=True))
    return table([c.header for c in columns], rows, "".join(c.align for c in columns))


def _width(columns: list[_Column]) -> int:
    return max(map(len, _text(columns).splitlines()))


def notes(ablation: Ablation) -> Iterator[str]:
    """Yield what a reader of the tables must know: why a value is NA, how verdicts come about."""
    findings = [finding for group in ablation.findings.values() for finding in group]
    for finding in findings:
        name = finding.variant.codec
        if finding.reason:
            yield f"NA  {name}: {finding.reason}"
        for metric, comparison in finding.comparisons.items():
            if comparison.bd.reason:
                yield f"NA  {name}, {axis_of(metric).title}: {comparison.bd.reason}"
        if finding.identical:
            yield (
                f"{name}: every bitstream and every value is equal to {finding.variant.base}'s: "
                f"unless {finding.variant.differs!r} is about speed, it has no effect"
            )
    comparisons = [c for finding in findings for c in finding.comparisons.values()]
    yield from dict.fromkeys(note for c in comparisons for note in c.notes)
    if any(c.n_images == 1 for c in comparisons):
        yield "One image shows nothing of how images differ: there is no interval, so no verdict."
    if any(1 < c.n_images < FEW and not math.isnan(c.interval[0]) for c in comparisons):
        yield f"Intervals over fewer than {FEW} images are narrower than they should be."
    yield from (
        f"{axis.title} is compared in dB, -10 log10(1 - x)."
        for axis in map(axis_of, ablation.metrics)
        if axis.decibels
    )
    yield from seed_notes(ablation)
    verdicts = {f.verdict(metric) for f in findings for metric in ablation.metrics}
    yield from (words for verdict, words in _VERDICTS.items() if verdict in verdicts)
    yield _times(ablation)


_VERDICTS = {
    "better": "better: less rate than the base for the same quality, and no 95 % interval holds "
    "zero.",
    "too few images": f"too few images: over fewer than {FEW} nothing is said.",
    "within seeds": "within seeds: no further from the base than the base trained again.",
}


def seed_notes(ablation: Ablation, *bases: str) -> Iterator[str]:
    """Yield how far bases, all if none is named, move when trained again, where that is known."""
    for base, findings in ablation.findings.items():
        if bases and base not in bases:
            continue
        spreads = findings[0].seeds
        if spreads:
            by = "; ".join(
                f"{_interval((spread.low, spread.high))} % by {axis_of(metric).title}"
                for metric, spread in spreads.items()
            )
            n = max(spread.n for spread in spreads.values())
            yield (
                f"{base} was trained {n} times, from {n} seeds: 95 % of further trainings of it "
                f"are expected within {by} of it. A variant inside may differ by chance."
            )


def _times(ablation: Ablation) -> str:
    how = "measured alone" if ablation.timed else "indicative"
    return f"Times are per megapixel, {how}."


def _bd_json(finding: Finding, metric: str) -> dict[str, Any]:
    comparison = finding.comparisons[metric]
    low, high = comparison.image_interval
    return {
        **bd_json([comparison])[0],
        "image_mean": _number(comparison.image_mean),
        "image_ci_low": _number(low),
        "image_ci_high": _number(high),
        "image_n": comparison.n_image_bd,
        "seeds": vars(seeds) if (seeds := finding.seeds.get(metric)) else None,
        "verdict": finding.verdict(metric),
    }


def _cost_json(cost: Cost) -> dict[str, Any]:
    known = cost.complexity
    return {
        "parameters": known.parameters if known else None,
        "encode_kmac": known.encode_kmac if known else None,
        "decode_kmac": known.decode_kmac if known else None,
        "encode_s_per_mp": _number(cost.encode_s),
        "decode_s_per_mp": _number(cost.decode_s),
    }


def _percent(value: float) -> str:
    return "NA" if math.isnan(value) else f"{value:+.2f}"


def _interval(interval: Interval) -> str:
    return "" if math.isnan(interval[0]) else f"{interval[0]:+.2f} … {interval[1]:+.2f}"


def _milliseconds(seconds: float) -> str:
    return "" if math.isnan(seconds) else f"{1000 * seconds:.1f}"


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.4g} … {ends[1]:.4g}"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

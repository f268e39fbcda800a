"""The ablation section of a report: for runs of `bench ablate`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.analysis.ablation import Ablation, Cost, Finding, ablations
from bench.analysis.axis import axis_of
from bench.analysis.bootstrap import Interval
from bench.report.ablation_text import SIGNS, notes, ranges
from bench.report.fingerprint import ABLATION
from bench.report.sources import RunSource

#: A cell of a table: its lines, the first of which is what one looks for.
Cell = tuple[str, ...]


@dataclass(frozen=True)
class AblationBlock:
    """The variants of one base as a table; the first row is the base's own."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]


def ablation_blocks(runs: Iterable[RunSource]) -> tuple[AblationBlock, ...]:
    """Return a table per base of the runs that `bench ablate` made.

    Other runs may hold a codec and a variant too, but were made to compare codecs.
    """
    return tuple(
        _block(found, base)
        for run in runs
        if (run.folder / ABLATION).is_file()
        for found in ablations(run.results)
        for base in found.bases
    )


def _block(found: Ablation, base: str) -> AblationBlock:
    findings = found.findings[base]
    costs = [found.bases[base], *(finding.cost for finding in findings)]
    columns: list[tuple[str, Sequence[Cell]]] = [
        ("What differs", [(base,), *((_differs(f), f.variant.codec) for f in findings)])
    ]
    for metric in found.metrics:
        cells = [_compared(finding, metric) for finding in findings]
        columns.append((f"BD-rate, {axis_of(metric).title}", [(), *cells]))
    columns += _cost_columns(costs)
    below = notes(found) if base == list(found.bases)[-1] else ()
    return AblationBlock(
        title=f"Variants of {base} on {found.dataset}",
        headers=tuple(header for header, _ in columns),
        rows=tuple(zip(*(cells for _, cells in columns), strict=True)),
        notes=tuple(_typeset(note) for note in (ranges(found, base), *below) if note),
    )


def _typeset(note: str) -> str:
    """Return a terminal's line with the minus that pages have."""
    return re.sub(r"(?<!\w)-(?=\d)", "−", note)


def _differs(finding: Finding) -> str:
    return SIGNS.get(finding.variant.change, "") + finding.variant.differs


def _compared(finding: Finding, metric: str) -> Cell:
    comparison = finding.comparisons.get(metric)
    if comparison is None or math.isnan(comparison.bd.bd_rate):
        return ("NA",)
    interval = _interval(comparison.interval)
    return (_percent(comparison.bd.bd_rate), interval, finding.verdict(metric))


def _cost_columns(costs: Sequence[Cost]) -> list[tuple[str, Sequence[Cell]]]:
    columns: list[tuple[str, Sequence[Cell]]] = []
    told = [cost.complexity for cost in costs]
    if any(told):
        sizes = [(f"{c.parameters:,d}",) if c else () for c in told]
        work = [(f"{c.encode_kmac:.1f}", f"{c.decode_kmac:.1f}") if c else () for c in told]
        columns += [("Parameters", sizes), ("kMAC per pixel, encoder and decoder", work)]
    times = [tuple(map(_milliseconds, (cost.encode_s, cost.decode_s))) for cost in costs]
    return [*columns, ("Encode and decode per megapixel", times)]


def _interval(interval: Interval) -> str:
    return "" if math.isnan(interval[0]) else f"{_percent(interval[0])} … {_percent(interval[1])}"


def _percent(value: float) -> str:
    # Two digits: a tool may be worth a tenth of a percent.
    return f"{value:+.2f}\u202f%".replace("-", "−")


def _milliseconds(seconds: float) -> str:
    return "" if math.isnan(seconds) else f"{1000 * seconds:.1f} ms"

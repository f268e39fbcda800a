"""The PDF report: typeset by Typst, from data, so that no text needs escaping."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import __version__, paths
from bench.analysis.bootstrap import CURVE_DRAWS
from bench.report.content import BDRow, MetricContent, SectionContent
from bench.report.prose import Prose
from bench.report.references import NO_INTERVAL, Reference, ranked
from bench.report.spread_figure import MOST_DOTS
from bench.report.static import StaticFigure
from bench.report.verdict import signed

#: Metrics with a table of their own, at most; the others are in bd.csv and in the HTML report.
_MOST_TABLES = 6
_MOST_FAILURES = 20


def render_pdf(
    sections: Sequence[SectionContent],
    prose: Prose,
    figures: Sequence[Sequence[StaticFigure]],
    more: Sequence[Mapping[str, str]],
    fingerprint: str,
) -> bytes:
    """Return the report as a PDF.

    Parameters
    ----------
    figures : of each section, its curves over each metric.
    more : of each section, further figures by name, as SVG.
    fingerprint : of what the report is made from; kept among the document's keywords.
    """
    import typst

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i, drawn in enumerate(figures):
            for figure in drawn:
                (folder / f"figure-{i}-{figure.metric}.svg").write_text(figure.svg, "utf-8")
        for i, further in enumerate(more):
            for kind, text in further.items():
                (folder / f"{kind}-{i}.svg").write_text(text, "utf-8")
        described = [
            _section(section, i, [figure.metric for figure in drawn])
            | {kind: f"{kind}-{i}.svg" if kind in more[i] else None for kind in ("front", "spread")}
            for i, (section, drawn) in enumerate(zip(sections, figures, strict=True))
        ]
        data = {
            "title": prose.title,
            "subtitle": prose.subtitle,
            "version": __version__,
            "keyword": f"bench-report {fingerprint}",
            "draws": f"{CURVE_DRAWS:,}",
            "problems": prose.problems,
            "remarks": prose.remarks,
            "sections": described,
            "speed_note": prose.speed_note,
            "costs": [asdict(row) for row in prose.costs],
            "cost_headings": prose.cost_headings,
            "ablations": [asdict(block) for block in prose.ablations],
            "failures": [vars(failure) for failure in prose.failures[:_MOST_FAILURES]],
            "failures_left_out": max(0, len(prose.failures) - _MOST_FAILURES),
            "runs": [_run(run) for run in prose.runs],
        }
        text = json.dumps(data, ensure_ascii=False)
        (folder / "data.json").write_text(text, "utf-8")
        template = (paths.catalogue("reports") / "report.typ").read_bytes()
        (folder / "report.typ").write_bytes(template)
        # The same page on every machine, with the fonts that Typst brings, unless a file's or a
        # codec's name is in a script that these lack: then the machine's own help out.
        made: bytes = typst.compile(
            str(folder / "report.typ"), root=str(folder), ignore_system_fonts=_is_covered(text)
        )
    return made


def _is_covered(text: str) -> bool:
    """Whether text is in scripts that the fonts in Typst's wheel have: Latin, Greek, Cyrillic and
    the signs of mathematics.
    """
    return all(c < "\u0530" or "\u1e00" <= c < "\u2c00" for c in text)


def _section(section: SectionContent, index: int, drawn: Sequence[str]) -> dict[str, Any]:
    names = shown(section)
    codecs = section.codecs
    return {
        "title": section.title,
        "anchor": section.anchor,
        "images": len(section.images),
        "metrics": [
            _metric(section, name, f"figure-{index}-{name}.svg" if name in drawn else None)
            for name in names
        ],
        "left_out": [name for name in section.metrics if name not in names],
        "codecs": [
            {"name": codec, "title": section.section.codec_title(codec)} for codec in codecs
        ],
        "speeds": [
            {
                "codec": speed.codec,
                "encode": _seconds(speed.encode_s),
                "decode": _seconds(speed.decode_s),
                "bd": "anchor"
                if speed.codec == section.anchor
                else _percent(_row(section, speed.codec).bd_rate),
            }
            for speed in section.speeds
        ]
        if section.metrics
        else [],
        "unpublished": section.unpublished,
        "indicative": not all(speed.measured for speed in section.speeds),
        "dots": len(section.images) <= MOST_DOTS,
        "on_front": _on_front(section) if section.metrics else [],
        "extremes": _extremes(section) if section.metrics else [],
        "agreement": _agreement(section),
        "speed_metric": section.metrics[section.first_metric].axis.title if section.metrics else "",
    }


def _on_front(section: SectionContent) -> list[dict[str, str]]:
    """Return by codec its settings on the front, those with most first."""
    points = section.metrics[section.first_metric].front
    found = []
    for codec in section.codecs:
        mine = [point for point in points if point.codec == codec]
        kinds = {
            "front": [p.setting for p in mine if p.front],
            "time": [p.setting for p in mine if p.front_with_time and not p.front],
            "beaten": [p.setting for p in mine if not (p.front or p.front_with_time)],
        }
        found.append((kinds, {"codec": codec} | {k: ", ".join(f"{v:g}" for v in some) or "none"
                                                 for k, some in kinds.items()}))  # fmt: skip
    found.sort(key=lambda pair: [-len(pair[0][kind]) for kind in ("front", "time")])
    return [texts for _, texts in found]


def _extremes(section: SectionContent) -> list[dict[str, str]]:
    """Return by codec the images of the first metric on which it saves most and least."""
    return [
        {
            "codec": e.codec,
            "best": e.best,
            "best_bd": _percent(e.best_bd),
            "worst": e.worst,
            "worst_bd": _percent(e.worst_bd),
        }
        for e in section.metrics[section.first_metric].extremes
    ]


def _agreement(section: SectionContent) -> dict[str, Any] | None:
    """Return how alike the metrics that have a table rank, as a triangle; None for one metric."""
    names = shown(section)
    found = {(a.metric, a.other): a for a in section.agreements}
    if len(names) < 2:
        return None
    titles = [section.metrics[name].axis.title for name in names]
    rows = [
        [[_correlation(a.spearman), _correlation(a.kendall)]
         for other in names[:i] if (a := found[other, name])]
        for i, name in enumerate(names)
    ]  # fmt: skip
    return {"heads": titles[:-1], "rows": [
        {"title": title, "cells": row} for title, row in zip(titles[1:], rows[1:], strict=True)
    ]}  # fmt: skip


def shown(section: SectionContent) -> list[str]:
    """Return the metrics with a table: not the decibels of one that is compared in decibels."""
    names = section.metrics
    doubled = {f"{name}-db" for name in names if names[name].axis.decibels}
    return [name for name in names if name not in doubled][:_MOST_TABLES]


def _row(section: SectionContent, codec: str) -> BDRow:
    rows = section.metrics[section.first_metric].rows
    return next(row for row in rows if row.codec == codec)


def _metric(section: SectionContent, name: str, figure: str | None) -> dict[str, Any]:
    metric: MetricContent = section.metrics[name]
    digits = 2 if metric.axis.decibels or metric.axis.unit == "dB" else 4
    return {
        "name": name,
        "title": metric.axis.title,
        "scale": metric.axis.scale,
        "lower": metric.axis.lower_is_better,
        "headline": metric.verdict.headline,
        "details": " ".join(metric.verdict.details),
        "figure": figure,
        "rows": [
            {
                "codec": row.codec,
                "anchor": row.codec == section.anchor,
                "bd": _percent(row.bd_rate),
                "interval": _interval(row.ci_low, row.ci_high),
                "mean": _percent(row.image_mean),
                "mean_interval": _interval(row.image_ci_low, row.image_ci_high),
                "quality": _number(row.bd_quality, digits, sign=True),
                "range": "" if math.isnan(row.range_low) else
                f"{_number(row.range_low, digits)} … {_number(row.range_high, digits)}",
                "overlap": "" if math.isnan(row.overlap) else f"{100 * row.overlap:.0f}\u202f%",
                "images": str(row.n_images),
                "note": "; ".join(text for text in (row.reason, row.note) if text),
            }
            for row in metric.rows
        ],
        "published": [
            _published(r, digits) for r in ranked(metric.references) if r.drawn
        ],
        "no_interval": NO_INTERVAL,
    }  # fmt: skip


def _published(reference: Reference, digits: int) -> dict[str, str]:
    """Return a published curve as a row of the table."""
    bd, entry = reference.comparison.bd, reference.entry
    low, high = bd.range
    return {
        "codec": entry.label,
        "source": entry.reference or entry.source.title,
        "bd": _percent(bd.bd_rate),
        "quality": _number(bd.bd_quality, digits, sign=True),
        "range": "" if math.isnan(low) else f"{_number(low, digits)} … {_number(high, digits)}",
        "overlap": "" if math.isnan(bd.overlap) else f"{100 * bd.overlap:.0f}\u202f%",
        "note": reference.note,
    }


def _run(run: Any) -> dict[str, Any]:
    return {
        "name": run.name,
        "command": run.command,
        "facts": [list(fact) for fact in run.facts],
        "codecs": [vars(codec) for codec in run.codecs],
    }


def _percent(value: float) -> str:
    return "NA" if math.isnan(value) else signed(value)


def _interval(low: float, high: float) -> str:
    """Return an interval in percent, without the sign: tables are narrow."""
    return (
        "" if math.isnan(low) else f"{_number(low, 1, sign=True)} … {_number(high, 1, sign=True)}"
    )


def _number(value: float, digits: int, *, sign: bool = False) -> str:
    if math.isnan(value):
        return "NA"
    return (f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}").replace("-", "−")


def _correlation(value: float) -> str:
    return "NA" if math.isnan(value) else _number(value, 3)


def _seconds(value: float) -> str:
    if math.isnan(value):
        return "NA"
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.1f} ms"

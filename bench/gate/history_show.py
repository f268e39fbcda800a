"""The history of baselines as text and as one HTML file that needs nothing beside it."""

from __future__ import annotations

import html
import math
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.gate.history import Point, Step
from bench.text import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEADERS = (
    *("codec", "step", "date", "BD-rate since start", "since last"),
    *("encode s/MP", "decode s/MP", "changed here"),
)
_STYLE = """
:root { color-scheme: light dark; --line: #ddd; --mark: #fff3d6 }
@media (prefers-color-scheme: dark) { :root { --line: #444; --mark: #4a3d1a } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem }
h1 { font-size: 1.5rem; line-height: 1.2 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--line) }
th { vertical-align: bottom }
td { white-space: nowrap }
th:nth-child(-n+3), td:nth-child(-n+3), th:last-child, td:last-child { text-align: left }
tr.changed { background: var(--mark) }
svg { max-width: 100%; min-width: 30rem; height: auto; background: #fff; border-radius: .3rem }
"""


def text(steps: Sequence[Step], points: Sequence[Point]) -> str:
    """Return a table for a terminal, a line per codec and step."""
    headers, rows = _columns(steps, points)
    return table(headers, rows, "lll" + "r" * (len(headers) - 4) + "l")


def to_json(steps: Sequence[Step], points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return a row per codec and step; null where there is no number."""
    return [
        {
            "codec": p.codec,
            "step": steps[p.step].label,
            "created": steps[p.step].baseline.provenance.created or None,
            "bd_rate_since_start": _null(p.since_start),
            "bd_rate_since_last": _null(p.since_last),
            "encode_s_per_megapixel": _null(p.encode_s),
            "decode_s_per_megapixel": _null(p.decode_s),
            "changes": list(p.changes),
        }
        for p in points
    ]


def page(steps: Sequence[Step], points: Sequence[Point], metric: str) -> str:
    """Return the history as an HTML page with its figure inside."""
    headers, rows = _columns(steps, points)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in headers)
    body = "\n".join(
        f"<tr{' class=changed' * bool(p.changes)}>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for p, row in zip(points, rows, strict=True)
    )
    dataset = html.escape(steps[-1].baseline.dataset.name)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>History of {dataset}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{len(steps)} baselines on {dataset}</h1>\n"
        f"<p>BD-rate over {html.escape(metric)} against each codec's first baseline: below zero is "
        "better. Marked: the steps at which it, or the speed on the same machine, changed.</p>\n"
        f'<div class="wide">{_svg(_figure(steps, points, metric))}</div>\n'
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n'
        "</table></div>\n"
        "</body>\n</html>\n"
    )


def _columns(steps: Sequence[Step], points: Sequence[Point]) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows, without the columns of times where no baseline holds any."""
    rows = [_row(steps, p) for p in points]
    shown = [
        i for i, name in enumerate(_HEADERS) if "s/MP" not in name or any(row[i] for row in rows)
    ]
    return [_HEADERS[i] for i in shown], [[row[i] for i in shown] for row in rows]


def _row(steps: Sequence[Step], point: Point) -> tuple[str, ...]:
    return (
        point.codec,
        steps[point.step].label,
        steps[point.step].date,
        _percent(point.since_start),
        _percent(point.since_last),
        _seconds(point.encode_s),
        _seconds(point.decode_s),
        "; ".join(point.changes),
    )


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.3f} %"


def _seconds(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _figure(steps: Sequence[Step], points: Sequence[Point], metric: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from bench.report.figures import style

    panels: list[tuple[str, Callable[[Point], float]]] = [
        (f"BD-rate over {metric} (%)", lambda p: 0.0 if math.isnan(p.since_last) and not p.changes
         else p.since_start),
    ]  # fmt: skip
    if any(not math.isnan(p.decode_s) for p in points):
        panels += [("Encode (s/MP)", lambda p: p.encode_s), ("Decode (s/MP)", lambda p: p.decode_s)]
    codecs = list(dict.fromkeys(p.codec for p in points))
    with style():
        figure = Figure(figsize=(7.5, 2.4 * len(panels)), layout="constrained")
        for place, (label, value) in enumerate(panels, 1):
            axes = figure.add_subplot(len(panels), 1, place)
            for codec in codecs:
                mine = [p for p in points if p.codec == codec]
                x, y = [p.step for p in mine], [value(p) for p in mine]
                (line,) = axes.plot(x, y, marker="o", markersize=3, label=codec)
                changed = [(p.step, value(p)) for p in mine if p.changes]
                for step, level in changed:
                    axes.plot([step], [level], marker="o", markersize=9, fillstyle="none",
                              color=line.get_color())  # fmt: skip
            axes.set_ylabel(label)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
            axes.set_xlim(-0.5, len(steps) - 0.5)
            axes.xaxis.set_major_formatter(
                lambda x, _: steps[int(x)].label if x == int(x) and 0 <= x < len(steps) else ""
            )
        if len(codecs) > 1:
            figure.axes[0].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
        else:
            figure.axes[0].set_title(codecs[0])
    return figure


def _svg(figure: Figure) -> str:
    """Return a figure as an element of HTML: without the XML declaration and document type."""
    from bench.report.figures import save

    with tempfile.TemporaryDirectory() as folder:
        (path,) = save(figure, Path(folder) / "history", ["svg"])
        drawn = path.read_text("utf-8")
    return re.sub(r"^.*?(?=<svg)", "", drawn, count=1, flags=re.DOTALL)

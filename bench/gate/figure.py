"""Both curves, before and now, and the rate between them, as a small figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.bd import bd, rows_of
from bench.analysis.curves import Array, Curve
from bench.analysis.results import Results
from bench.gate.align import Aligned
from bench.gate.baseline import Baseline
from bench.gate.verdict import Verdict
from bench.report.figures import MARKS, axis_label, save, style
from bench.report.palette import Look, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Codecs whose curves can be told apart in a small figure.
MOST = 3
_INCHES = (7.2, 3.4)
#: Least reach of the axis of rates, in percent: less is the rounding of a digit, drawn as a line.
_LEAST = 0.5
_POINTS = 200


@dataclass(frozen=True, eq=False)
class _Both:
    """The curves of a codec over the cells that both have, and what it looks like."""

    codec: str
    was: Curve
    now: Curve
    look: Look


def draw(verdict: Verdict, run: Results, baseline: Baseline, out: Path) -> bool:
    """Write an SVG of the curves of the offending codecs, of the first ones where none offends.

    Returns
    -------
    drawn : False where run and baseline have no curve in common; then nothing is written.
    """
    metrics = [name for name in baseline.metrics if name in run.metrics]
    named = [finding.codec for finding in verdict.ordered if finding.codec in baseline.codecs]
    codecs = [name for name in dict.fromkeys([*named, *baseline.codecs]) if name in run.codecs]
    if not metrics or not codecs:
        return False
    metric = next((f.metric for f in verdict.offending if f.metric in metrics), metrics[0])
    was, now = Aligned(baseline, run).curves(metric)
    colours = looks(codecs)
    pairs = [
        pair
        for name in codecs[:MOST]
        if _has_points((pair := _Both(name, was[name].mean(), now[name].mean(), colours[name])).was)
        and _has_points(pair.now)
    ]
    if not pairs:
        return False
    save(_figure(pairs), out.with_suffix(""), ["svg"])
    if out.suffix != ".svg":
        out.with_suffix(".svg").replace(out)
    return True


def _figure(pairs: list[_Both]) -> Figure:
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=_INCHES, layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
        for pair in pairs:
            _curves(left, pair)
            _rate(right, pair)
        first = pairs[0].was
        left.set_title(f"{first.dataset}, mean over {first.n_images} images")
        left.set_xlabel("Rate (bits per pixel)")
        left.set_ylabel(axis_label(first.axis))
        left.set_xlim(left=0)
        left.legend(loc="upper left" if first.axis.lower_is_better else "lower right")
        right.set_title("Rate at equal quality")
        right.set_xlabel(axis_label(first.axis))
        right.set_ylabel("Change (%), above 0 is worse")
        right.axhline(0, color="#555555", linewidth=1, linestyle=(0, (4, 2)))
        low, high = right.get_ylim()
        right.set_ylim(min(low, -_LEAST), max(high, _LEAST))
    return figure


def _curves(axes: Axes, pair: _Both) -> None:
    """Draw both curves, the baseline's dashed and on top, so that it shows where they are one."""
    mark: dict[str, Any] = {
        "color": pair.look.light,
        "marker": MARKS[pair.look.marker],
        "markersize": 4,
    }
    axes.plot(
        pair.now.rate, pair.now.scaled, label=f"{pair.codec}, this run", linewidth=1.3, **mark
    )
    axes.plot(
        pair.was.rate, pair.was.scaled, label=f"{pair.codec}, baseline", linewidth=1,
        linestyle=(0, (4, 2)), **{**mark, "color": "#333333", "markerfacecolor": "white"},
    )  # fmt: skip


def _rate(axes: Axes, pair: _Both) -> None:
    """Draw what BD-rate is the mean of, with a mark at each setting of the baseline; nothing where
    it is undefined.
    """
    compared = bd(pair.was, pair.now)
    if not np.isfinite(compared.bd_rate):
        return
    low, high = sorted(compared.range)
    line = np.linspace(low, high, _POINTS)
    marks = pair.was.scaled[(pair.was.scaled >= low) & (pair.was.scaled <= high)]
    look: dict[str, Any] = {"color": pair.look.light, "linewidth": 1.3}
    axes.plot(line, _change(pair, line), **look)
    axes.plot(
        marks, _change(pair, marks), linestyle="none", marker=MARKS[pair.look.marker],
        markersize=4, **look,
    )  # fmt: skip


def _change(pair: _Both, quality: Array) -> Array:
    """Return the change of the rate in percent at equal quality."""
    was, now = (_log_rate(curve, quality) for curve in (pair.was, pair.now))
    return np.asarray(100 * np.expm1(now - was))


def _log_rate(curve: Curve, quality: Array) -> Array:
    """Return the logarithm of a sound curve's rate, interpolated as for BD-rate."""
    from scipy.interpolate import PchipInterpolator

    rows = rows_of(curve)
    knots = slice(int(rows.count[0]))
    between = PchipInterpolator(rows.quality[0, knots], rows.log_rate[0, knots])
    return np.asarray(between(curve.axis.rising(quality)))


def _has_points(curve: Curve) -> bool:
    return bool(np.isfinite(curve.rate).any())

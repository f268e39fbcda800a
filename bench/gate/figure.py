"""Both curves, before and now, as a small figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.analysis.curves import Curve
from bench.analysis.results import Results
from bench.gate.align import Aligned
from bench.gate.baseline import Baseline
from bench.gate.verdict import Verdict
from bench.report.figures import draw_curves, save

#: Codecs whose curves can be told apart in a small figure.
MOST = 3
_INCHES = (5.2, 3.0)


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
    curves = [
        curve
        for name in codecs[:MOST]
        for curve in (
            replace(was[name].mean(), codec=f"{name}, baseline"),
            replace(now[name].mean(), codec=f"{name}, this run"),
        )
    ]
    figure = draw_curves([curve for curve in curves if _has_points(curve)])
    if figure is None:
        return False
    figure.set_size_inches(*_INCHES)
    save(figure, out.with_suffix(""), ["svg"])
    if out.suffix != ".svg":
        out.with_suffix(".svg").replace(out)
    return True


def _has_points(curve: Curve) -> bool:
    return bool(np.isfinite(curve.rate).any())

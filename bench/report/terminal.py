"""What a run prints at its end: a line per codec."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.metrics.metric import column
from bench.text import table

if TYPE_CHECKING:
    import pandas as pd

    from bench.api import Run

#: Columns of metrics that fit a terminal, first those that most readers look for.
_SHOWN = ("psnr", "ms-ssim-db", "lpips", "ssim", "psnr-y", "ms-ssim")


def summary_table(run: Run) -> str:
    """Return a table with the range of rate and quality that each codec covers, the best first.

    BD-rate is over the curve of the first metric, in percent against the anchor; times are means
    over all cells.
    """
    metrics = [name for name in _SHOWN if name in run.info["metrics"]][:3]
    bd, anchor = _bd_rates(run, metrics)
    headers = ["codec", "cells", "bpp", *metrics, "encode", "decode"]
    rows = []
    for codec in sorted(run.info["codecs"], key=lambda name: _rank(name, bd, anchor)):
        cells = run.results[run.results["codec"] == codec]
        means = run.summary[run.summary["codec"] == codec]
        done = int((cells["status"] == "ok").sum())
        rows.append(
            [
                codec,
                str(done) if done == len(cells) else f"{done}/{len(cells)}",
                _range(means["bpp"], 3),
                *(_range(means[column(name)], 2 if "lpips" not in name else 3) for name in metrics),
                _milliseconds(means["encode_s"]),
                _milliseconds(means["decode_s"]),
            ]
        )
        if anchor:
            rate = bd.get(codec)
            shown = "" if rate is None else "NA" if math.isnan(rate) else f"{rate:+.1f} %"
            rows[-1].insert(2, shown)
    if anchor:
        headers.insert(2, f"BD-rate vs {anchor}")
    note = "" if run.info["timing"] else "\n(times are indicative; for speed: --timing)"
    return table(headers, rows, "l" + "r" * (len(headers) - 1)) + note


def _bd_rates(run: Run, metrics: list[str]) -> tuple[dict[str, float], str]:
    """Return BD-rates in percent by codec, and the anchor; nothing where no metric has a curve."""
    rows = run.bd[run.bd["metric"] == metrics[0]] if metrics else run.bd[:0]
    if not len(rows):
        return {}, ""
    rates = rows["bd_rate"].astype(float)
    return dict(zip(rows["codec"].astype(str), rates, strict=True)), str(rows["anchor"].iloc[0])


def _rank(codec: str, bd: dict[str, float], anchor: str) -> float:
    """Return the BD-rate by which codecs are sorted: the anchor at 0, NA last."""
    rate = 0.0 if codec == anchor else bd.get(codec, math.nan)
    return math.inf if math.isnan(rate) else rate


def _range(values: pd.Series[float], digits: int) -> str:
    known = values.dropna()
    if known.empty:
        return "NA"
    return f"{known.min():.{digits}f} … {known.max():.{digits}f}"


def _milliseconds(seconds: pd.Series[float]) -> str:
    return f"{1000 * seconds.mean():.1f} ms" if len(seconds) else ""

"""The tables that follow from a run's cells: `bd.csv` and the points of the curves."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.bootstrap import Bootstrap
from bench.analysis.compare import Comparer, Comparison
from bench.analysis.curves import CellIndex
from bench.analysis.interpolate import Method
from bench.analysis.results import Results
from bench.analysis.rows import Range
from bench.errors import UnknownNameError
from bench.files import whole
from bench.metrics.metric import column

log = logging.getLogger("bench")

DEFAULT_ANCHOR = "jpeg"

COLUMNS = (
    *("dataset", "metric", "codec", "anchor"),
    *("bd_rate", "ci_low", "ci_high"),
    *("image_mean", "image_ci_low", "image_ci_high", "image_n"),
    *("bd_quality", "range_low", "range_high", "overlap", "n_points", "anchor_points"),
    *("n_images", "reason", "note"),
)


def bd_table(
    results: Results,
    anchor: str | None = None,
    metrics: Sequence[str] | None = None,
    *,
    method: Method = "pchip",
    within: Range | None = None,
    bootstrap: Bootstrap | None = None,
) -> pd.DataFrame:
    """Return every codec of a run against the anchor: a row per data set, metric and codec.

    Call it as ``bd_table(results)``; ``results`` is what
    :func:`~bench.analysis.results.read_results` returns, or
    :func:`~bench.analysis.results.results_of` makes of a frame in memory.

    Parameters
    ----------
    anchor : a codec of the run; jpeg where present, else the first codec.
    metrics : names of metrics that were measured; all that are known here if None.
    within : only this interval of quality.
    bootstrap : where intervals come from; seed 0 if None.

    Returns
    -------
    table : columns :data:`COLUMNS`. `bd_rate`, percent, is over the curve of means, with
        `ci_low` and `ci_high`; `image_mean` is the mean of `image_n` per-image BD-rates with its
        interval; `bd_quality` and the range are on the metric's scale (decibels for MS-SSIM).
        NaN where undefined, with `reason`. Empty for a run of one codec or none.

    Raises
    ------
    UnknownNameError : the run has no codec `anchor`.
    UsageError : a metric that was not measured, or a wrong `within`.
    """
    anchor = default_anchor(results.codecs) if anchor is None else anchor
    if results.codecs and anchor not in results.codecs:
        raise UnknownNameError("codec of this run", anchor, results.codecs)
    draws = bootstrap or Bootstrap()
    rows = [
        row(comparison)
        for dataset in results.datasets
        for comparison in _compare(
            CellIndex.of(results, dataset),
            anchor,
            known_metrics(results) if metrics is None else metrics,
            method,
            within,
            draws,
        )
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _compare(
    cells: CellIndex,
    anchor: str,
    metrics: Sequence[str],
    method: Method,
    within: Range | None,
    draws: Bootstrap,
) -> Iterator[Comparison]:
    for metric in metrics:
        curves = cells.curves(metric)
        # A codec can be missing from one data set of several.
        if anchor not in curves:
            continue
        comparer = Comparer(curves[anchor], method, within, bootstrap=draws)
        for codec, curve in curves.items():
            if codec != anchor:
                yield comparer.compare(curve)


def point_table(results: Results, dataset: str | None = None) -> pd.DataFrame:
    """Return the operating points of every codec: means over images at each setting.

    All means of a codec are over the same images: those with all its settings, on which every
    metric is defined. A metric that is undefined on every image is left out.

    Returns
    -------
    points : columns `codec, setting, n_images, bpp`, one per metric under its column's name,
        `encode_s, decode_s`; by codec in the order of the run, then by rate.
    """
    cells = CellIndex.of(results, dataset)
    frame = cells.results.frame
    everywhere = frame[frame["status"] == "ok"]
    columns = [column(name) for name in results.metrics]
    columns = [name for name in columns if everywhere[name].notna().any()]
    values = frame[["bpp", *columns, "encode_s", "decode_s"]].to_numpy(np.float64, copy=True)
    values[(frame["status"] != "ok").to_numpy()] = np.nan
    # What the row -1 reads: a cell that was not measured.
    values = np.vstack([values, np.full((1, values.shape[1]), np.nan)])
    tables = []
    for codec, rows in cells.rows.items():
        grid = values[rows]
        used = ~np.isnan(grid).any(axis=2)
        settings = used.any(axis=0)
        complete = used[:, settings].all(axis=1) & settings.any()
        if not complete.any():
            continue
        means = grid[complete][:, settings].mean(axis=0)
        table = pd.DataFrame(means, columns=["bpp", *columns, "encode_s", "decode_s"])
        table.insert(0, "codec", codec)
        table.insert(1, "setting", cells.settings[codec][settings])
        table.insert(2, "n_images", int(complete.sum()))
        tables.append(table.sort_values("bpp", kind="stable"))
    if not tables:
        names = ["codec", "setting", "n_images", "bpp", *columns, "encode_s", "decode_s"]
        return pd.DataFrame(columns=names)
    return pd.concat(tables, ignore_index=True)


def known_metrics(results: Results) -> tuple[str, ...]:
    """Return the run's metrics whose direction is known here; others are warned about."""
    from bench.registry import metrics

    unknown = [name for name in results.metrics if name not in metrics()]
    for name in unknown:
        log.warning(
            "%s: the metric %s is left out: no installed package has it", results.path, name
        )
    return tuple(name for name in results.metrics if name not in unknown)


def default_anchor(codecs: Sequence[str]) -> str:
    """Return jpeg where present, else the first codec; empty for none."""
    return DEFAULT_ANCHOR if DEFAULT_ANCHOR in codecs else next(iter(codecs), "")


def row(comparison: Comparison) -> tuple[object, ...]:
    """Return a comparison as a row of :data:`COLUMNS`."""
    bd = comparison.bd
    return (
        *(comparison.dataset, comparison.metric, comparison.codec, comparison.anchor),
        *(bd.bd_rate, *comparison.interval),
        *(comparison.image_mean, *comparison.image_interval, comparison.n_image_bd),
        *(bd.bd_quality, *bd.range, bd.overlap, bd.n_points[1], bd.n_points[0]),
        *(comparison.n_images, bd.reason, "; ".join(comparison.notes)),
    )


def write_bd_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table of :func:`bd_table`, whole or not at all.

    Six significant digits: more would be noise, and a rerun gives the same file.
    """
    with whole(path) as part:
        table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n", encoding="utf-8")

"""A run as tables for other programs, for papers, and in the formats of public peers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.ablation import ablations
from bench.analysis.agreement import rank_correlation
from bench.analysis.axis import axis_of
from bench.analysis.images import image_ranking
from bench.analysis.results import Results
from bench.analysis.tables import bd_table, default_anchor, known_metrics, point_table
from bench.errors import UsageError
from bench.files import whole, write_whole
from bench.metrics.metric import column
from bench.report.ablation_text import ablation_tables
from bench.report.export_json import codec_compare, compressai
from bench.report.markup import latex_table, markdown_table

log = logging.getLogger("bench")


def export(results: Results, to: str, folder: str | Path) -> list[Path]:
    """Write a run in another format; return the files.

    Parameters
    ----------
    to : one of :data:`FORMATS`. "csv", "latex" and "markdown" write the points of the curves, the
        BD table and, where the run has variants of a codec, the ablation table; "csv" also BD
        image by image and the agreement of metrics; "parquet" these and all cells; "compressai"
        and "codec-compare" a JSON file per codec (and the list that codec-compare's viewer is
        pointed to); "figures" curves and Pareto fronts as SVG, PDF and PNG.
    folder : where to; made if need be.

    Raises
    ------
    UsageError : an unknown format, a run without a cell that worked, a folder that is not
        writable.
    """
    if to not in FORMATS:
        raise UsageError(f"no format is called {to!r}; there are: {', '.join(FORMATS)}")
    if not (results.frame["status"] == "ok").any():
        raise UsageError(f"{results.path} holds no cell that worked: there is nothing to export")
    return list(FORMATS[to](results, Path(folder)))


def _csv(results: Results, folder: Path) -> Iterator[Path]:
    for name, frame in _frames(results).items():
        path = folder / f"{name}.csv"
        with whole(path) as part:
            frame.to_csv(part, index=False, lineterminator="\n", encoding="utf-8")
        yield path


def _parquet(results: Results, folder: Path) -> Iterator[Path]:
    for name, frame in ({"cells": results.frame} | _frames(results)).items():
        path = folder / f"{name}.parquet"
        with whole(path) as part:
            frame.to_parquet(part, index=False)
        yield path


def _frames(results: Results) -> dict[str, pd.DataFrame]:
    anchor = default_anchor(results.codecs)
    images = [
        image_ranking(results, metric, anchor, dataset).assign(
            dataset=dataset, metric=metric, anchor=anchor
        )
        for dataset in results.datasets
        for metric in known_metrics(results)
        if anchor in results.only(dataset).codecs
    ]
    agreement = [rank_correlation(results, d).assign(dataset=d) for d in results.datasets]
    frames = {
        "points": _points(results),
        "bd": bd_table(results),
        "images": _first(pd.concat(images, ignore_index=True), "dataset", "metric", "anchor"),
        "agreement": _first(pd.concat(agreement, ignore_index=True), "dataset"),
    }
    if found := ablations(results):
        frames["ablation"] = pd.concat([one.table() for one in found], ignore_index=True)
    return frames


def _first(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return a table with these columns before the others."""
    return frame[[*columns, *(name for name in frame.columns if name not in columns)]]


def _figures(results: Results, folder: Path) -> Iterator[Path]:
    from bench.report.export_figures import write_figures

    yield from write_figures(results, folder)


def _latex(results: Results, folder: Path) -> Iterator[Path]:
    yield from _text(results, folder, "tex", latex_table)


def _markdown(results: Results, folder: Path) -> Iterator[Path]:
    yield from _text(results, folder, "md", markdown_table)


def _text(
    results: Results, folder: Path, ending: str, render: Callable[..., str]
) -> Iterator[Path]:
    ablation = [table for one in ablations(results) for table in ablation_tables(one)]
    documents = {"points": _point_texts(results), "bd": _bd_texts(results)}
    for name, tables in (documents | ({"ablation": ablation} if ablation else {})).items():
        path = folder / f"{name}.{ending}"
        write_whole(path, "\n".join(render(*table) for table in tables))
        yield path


#: Headers, rows, alignment, and what a caption should say.
_Table = tuple[list[str], list[list[str]], str, str]


def _point_texts(results: Results) -> Iterator[_Table]:
    for dataset in results.datasets:
        points = point_table(results, dataset)
        metrics = [name for name in known_metrics(results) if column(name) in points]
        units = {name: axis_of(name).unit for name in metrics}
        headers = ["codec", "setting", "bpp", *(_header(name) for name in metrics)]
        rows = [
            [
                str(point["codec"]),
                f"{point['setting']:g}",
                f"{point['bpp']:.4f}",
                *(f"{point[column(m)]:.{2 if units[m] == 'dB' else 4}f}" for m in metrics),
                f"{1000 * point['encode_s']:.1f}",
                f"{1000 * point['decode_s']:.1f}",
            ]
            for point in points.to_dict("records")
        ]
        headers += ["encode (ms)", "decode (ms)"]
        images = " or ".join(str(count) for count in sorted(set(points["n_images"])))
        caption = f"Operating points on {dataset}: means over {images} images."
        yield headers, rows, "lr" + "r" * (len(headers) - 2), caption


def _bd_texts(results: Results) -> Iterator[_Table]:
    """Yield for each data set codecs by metrics: BD-rate with its interval."""
    table = bd_table(results)
    for dataset, rows in table.groupby("dataset", sort=False):
        metrics = list(rows["metric"].unique())
        cells: dict[str, dict[str, list[str]]] = {}
        for row in rows.to_dict("records"):
            cells.setdefault(row["codec"], {})[row["metric"]] = _bd_cells(row)
        headers = ["codec"]
        for metric in metrics:
            headers += [f"BD-rate, {axis_of(metric).title} (%)", "95 % interval"]
        body = [
            [codec, *(text for metric in metrics for text in found.get(metric, ["", ""]))]
            for codec, found in cells.items()
        ]
        images = " or ".join(str(count) for count in sorted(set(rows["n_images"])))
        caption = (
            f"BD-rate against {rows['anchor'].iloc[0]} on {dataset}, {images} images: of the curve "
            "of means, PCHIP over log rate where curves overlap; intervals by resampling images."
        )
        yield headers, body, "l" + "r" * (len(headers) - 1), caption


def _bd_cells(row: dict[Any, Any]) -> list[str]:
    if pd.isna(row["bd_rate"]):
        return ["NA", ""]
    interval = "" if pd.isna(row["ci_low"]) else f"{row['ci_low']:+.1f} … {row['ci_high']:+.1f}"
    return [f"{row['bd_rate']:+.1f}", interval]


def _header(metric: str) -> str:
    axis = axis_of(metric)
    return f"{axis.title} ({axis.unit})" if axis.unit else axis.title


def _points(results: Results) -> pd.DataFrame:
    frames = []
    for dataset in results.datasets:
        frame = point_table(results, dataset)
        frame.insert(0, "dataset", dataset)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


FORMATS: dict[str, Callable[[Results, Path], Iterator[Path]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "latex": _latex,
    "markdown": _markdown,
    "compressai": compressai,
    "codec-compare": codec_compare,
    "figures": _figures,
}

"""A run as tables for other programs, for papers, and in the formats of public peers."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.ablation import ablations
from bench.analysis.axis import axis_of
from bench.analysis.results import Results
from bench.analysis.tables import bd_table, known_metrics, point_table
from bench.errors import UsageError
from bench.files import whole, write_whole
from bench.metrics.metric import column
from bench.report.ablation_text import ablation_tables
from bench.report.markup import latex_table, markdown_table

log = logging.getLogger("bench")


def export(results: Results, to: str, folder: str | Path) -> list[Path]:
    """Write a run in another format; return the files.

    Parameters
    ----------
    to : one of :data:`FORMATS`. "csv", "latex" and "markdown" write the points of the curves, the
        BD table and, where the run has variants of a codec, the ablation table; "parquet" these
        and all cells; "compressai" and "codec-compare" a JSON file
        per codec (and the list that codec-compare's viewer is pointed to).
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
    frames = {"points": _points(results), "bd": bd_table(results)}
    if found := ablations(results):
        frames["ablation"] = pd.concat([one.table() for one in found], ignore_index=True)
    return frames


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


#: What CompressAI's files call a metric of ours; others go under our own name.
_COMPRESSAI = {"psnr": "psnr-rgb", "ms-ssim": "ms-ssim-rgb"}


def _compressai(results: Results, folder: Path) -> Iterator[Path]:
    for dataset in results.datasets:
        points = point_table(results, dataset)
        # Decibels are left to its plots: they convert whatever has ms-ssim in its name.
        metrics = [n for n in results.metrics if column(n) in points and n != "ms-ssim-db"]
        for codec, rows in points.groupby("codec", sort=False):
            values = {_COMPRESSAI.get(n, n): rows[column(n)] for n in metrics}
            values |= {"bpp": rows["bpp"]}
            values |= {"encoding_time": rows["encode_s"], "decoding_time": rows["decode_s"]}
            finite = {name: list(v) for name, v in values.items() if np.isfinite(v).all()}
            document = {
                "name": codec,
                "description": _title(results, str(codec)),
                "meta": {"dataset": dataset, "n_images": int(rows["n_images"].iloc[0])},
                "results": finite,
            }
            path = folder / f"{_file_name(results, dataset, str(codec))}.json"
            write_whole(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
            yield path


#: Our columns to the fields of codec-compare's viewer, with their descriptions.
_FIELDS = {
    "image": ("original_name", "File name of the original image"),
    "width": ("width", "Pixel columns of the original image"),
    "height": ("height", "Pixel rows of the original image"),
    "quality": ("quality", "Setting of the encoder"),
    "bytes": ("encoded_size", "Size of the bitstream in bytes"),
    "bpp": ("bpp", "Encoded bits per pixel"),
    "encode_s": ("encoding_time", "Encoding duration in seconds"),
    "decode_s": ("decoding_time", "Decoding duration in seconds"),
    "ms_ssim": ("msssim", "MS-SSIM, mean over R, G and B"),
}
_WHOLE = {"width", "height", "bytes"}


def _codec_compare(results: Results, folder: Path) -> Iterator[Path]:
    metrics = {column(name): name for name in results.metrics}
    columns = [*list(_FIELDS)[:-1], *metrics]
    written = []
    for dataset in results.datasets:
        cells = results.only(dataset).frame
        for codec, rows in cells[cells["status"] == "ok"].groupby("codec", sort=False):
            # Its loader takes numbers only, as many in every row.
            kept = [c for c in columns if c not in metrics or np.isfinite(rows[c]).any()]
            numbers = [c for c in kept if c != "image"]
            defined = np.isfinite(rows[numbers].to_numpy(np.float64)).all(axis=1)
            finite = rows.loc[list(rows.index[defined]), kept]
            if len(finite) < len(rows):
                log.warning(
                    "%s: %d of %d cells are not exported: a value is undefined or infinite",
                    codec, len(rows) - len(finite), len(rows),
                )  # fmt: skip
            document = _batch(results, str(codec), dataset, finite, metrics)
            path = folder / f"{_file_name(results, dataset, str(codec))}.json"
            write_whole(path, json.dumps(document, ensure_ascii=False, allow_nan=False))
            written.append(path)
            yield path
    index = folder / "batches.json"
    write_whole(index, json.dumps([[path.name] for path in written]))
    yield index


def _batch(
    results: Results, codec: str, dataset: str, cells: pd.DataFrame, metrics: dict[str, str]
) -> dict[str, Any]:
    identity = _identity(results, codec)
    constants = {
        "name": ("Name of this batch", f"{_title(results, codec)} on {dataset}"),
        "codec": ("Name of the codec", codec),
        "version": ("Identity of the codec in the run", identity),
        "time": ("When the run started", str(results.info.get("started", ""))),
        "source data set": ("Data set of the original images", dataset),
    }
    constants = {name: known for name, known in constants.items() if known[1]}
    fields = [
        _FIELDS.get(name) or (name, _described(metrics[name]) if name in metrics else name)
        for name in cells.columns
    ]
    rows = cells.astype(dict.fromkeys(_WHOLE & set(cells.columns), "int64"))
    return {
        "constant_descriptions": [{name: text} for name, (text, _) in constants.items()],
        "constant_values": [value for _, value in constants.values()],
        "field_descriptions": [{name: text} for name, text in fields],
        "field_values": rows.astype(object).to_numpy().tolist(),
    }


def _identity(results: Results, codec: str) -> str:
    """Return the identity that a codec was measured under."""
    frame = results.frame
    return str(frame.loc[frame["codec"] == codec, "codec_id"].iloc[0])


def _described(metric: str) -> str:
    axis = axis_of(metric)
    return axis.title + (f", {axis.unit}" if axis.unit else "")


def _title(results: Results, codec: str) -> str:
    card = results.info.get("codecs", {}).get(codec, {})
    return str(card.get("title", "") or codec)


def _file_name(results: Results, dataset: str, codec: str) -> str:
    """Return a name that is a plain file name, whatever a data set or codec is called."""
    name = codec if len(results.datasets) == 1 else f"{dataset}-{codec}"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "curve"


FORMATS: dict[str, Callable[[Results, Path], Iterator[Path]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "latex": _latex,
    "markdown": _markdown,
    "compressai": _compressai,
    "codec-compare": _codec_compare,
}

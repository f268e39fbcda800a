"""A run in the JSON formats of public peers: CompressAI's results, codec-compare's batches.

References
----------
CompressAI, `compressai.utils.plot`, which reads the first; webmproject/codec-compare, README, "Plug
data at serve time", and `src/entry_loader.ts`, which reads the second.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.axis import axis_of
from bench.analysis.results import Results
from bench.analysis.tables import point_table
from bench.files import write_whole
from bench.metrics.metric import column

log = logging.getLogger("bench")

#: What CompressAI's files call a metric of ours; others go under our own name.
_COMPRESSAI = {"psnr": "psnr-rgb", "ms-ssim": "ms-ssim-rgb"}


def compressai(results: Results, folder: Path) -> Iterator[Path]:
    """Write each codec's points as a results file of CompressAI; yield the paths.

    A metric that is infinite or undefined at a setting is left out: JSON has no such numbers.
    """
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


def codec_compare(results: Results, folder: Path) -> Iterator[Path]:
    """Write each codec's cells as a batch of codec-compare, then the list of them that its viewer
    is pointed to; yield the paths. Cells that JSON can't hold are left out with a warning.
    """
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
    return plain_name(name)


def plain_name(name: str) -> str:
    """Return what can be the name of a file or folder anywhere, for a data set's or a codec's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "curve"

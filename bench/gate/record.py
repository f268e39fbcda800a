"""From a run to a baseline, and back to rows that the analysis reads."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pandas as pd

from bench.analysis.results import Results, read_results, results_of
from bench.cards import plain_number
from bench.errors import RunError
from bench.gate.baseline import (
    Baseline,
    BaselineCell,
    BaselineCodec,
    BaselineDataset,
    BaselineImage,
    BaselineTimes,
    Provenance,
)
from bench.gate.times import read_times
from bench.metrics.metric import column

#: What of the machine can matter to bytes and times; the rest would only make diffs longer.
_MACHINE = ("processor", "architecture", "cores")
#: Digits that are kept of a metric's value: more would differ between machines.
_DIGITS = 9


def baseline_of(run: str | Path) -> Baseline:
    """Return the baseline that a finished run makes.

    Raises
    ------
    RunError : no run, an unfinished one, one without cells, or one of which cells failed.
    """
    results = read_results(run)
    info = results.info
    _check(results)
    frame = results.frame
    names = [column(name) for name in results.metrics]
    cells = tuple(
        BaselineCell(
            row["codec"],
            plain_number(row["quality"]),
            row["image"],
            int(row["bytes"]),
            row["bitstream_sha256"],
            tuple(_rounded(row[name]) for name in names),
        )
        for row in records(frame)
    )
    images = {
        row["image"]: BaselineImage(row["image_sha256"], int(row["width"]), int(row["height"]))
        for row in records(frame)
    }
    return Baseline(
        provenance=Provenance(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=_commit(),
            run=results.name,
            command=tuple(_command(info.get("command", ()))),
            machine={k: v for k, v in info.get("machine", {}).items() if k in _MACHINE},
            timing=dict(info.get("timing") or {}),
        ),
        dataset=BaselineDataset(
            name=results.datasets[0], sha256=str(info.get("dataset", {}).get("sha256", ""))
        ),
        metrics={name: results.metric_identity(name) for name in results.metrics},
        versions=dict(info.get("versions", {})),
        codecs={name: codec_of(results, name) for name in results.codecs},
        images=images,
        cells=cells,
        times=_times(results) if info.get("timing") else (),
    )


def codec_of(results: Results, name: str) -> BaselineCodec:
    """Return what a run says of one of its codecs."""
    known = results.info.get("codecs", {}).get(name, {})
    mine = results.frame["codec"] == name
    return BaselineCodec(
        id=str(known.get("id") or results.frame.loc[mine, "codec_id"].iloc[0]),
        title=known.get("title", ""),
        better=known.get("better", "higher"),
        bytes_depend_on_processor=known.get("bytes_depend_on_processor", True),
        identity=known.get("identity", {}),
    )


def results_of_baseline(baseline: Baseline) -> Results:
    """Return a baseline's cells as if a run had left them."""
    rows = []
    for cell in baseline.cells:
        image = baseline.images[cell.image]
        values = dict(zip(map(column, baseline.metrics), cell.values, strict=True))
        bpp = 8 * cell.bytes / (image.width * image.height)
        rows.append(
            {
                "codec": cell.codec,
                "codec_id": baseline.codecs[cell.codec].id,
                "quality": float(cell.quality),
                "dataset": baseline.dataset.name,
                "image": cell.image,
                "image_sha256": image.sha256,
                "width": float(image.width),
                "height": float(image.height),
                "bytes": float(cell.bytes),
                "bitstream_sha256": cell.bitstream_sha256,
                "bpp": bpp,
                "compression_ratio": 24 / bpp,
                "encode_s": math.nan,
                "decode_s": math.nan,
                "status": "ok",
                "error": "",
                "na": "",
                **{name: math.nan if v is None else v for name, v in values.items()},
            }
        )
    return results_of(pd.DataFrame(rows), info={"metrics": baseline.metrics}, name="baseline")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as mappings."""
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


def _check(results: Results) -> None:
    path = results.path.parent
    status = results.info.get("status", "finished")
    if not results.info:
        raise RunError(f"{path} has no run.json: a baseline needs versions and machine")
    if status != "finished":
        raise RunError(f"{path} is not finished but {status}; run into the folder again")
    if results.frame.empty:
        raise RunError(f"{path} holds no cell: nothing was measured")
    if len(results.datasets) > 1:
        raise RunError(f"{path} holds several data sets; a baseline is of one")
    if len(results.failures):
        first = results.failures.iloc[0]
        raise RunError(
            f"{path}: {len(results.failures)} cells failed, the first {first['codec']} at "
            f"{first['quality']:g} on {first['image']}: {first['error']}; a baseline holds what "
            "worked: repair the codec or leave it out"
        )


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.{_DIGITS}g}")


def _times(results: Results) -> tuple[BaselineTimes, ...]:
    times = read_times(results.path.parent)
    return tuple(
        BaselineTimes(
            codec,
            plain_number(quality),
            image,
            tuple(float(f"{s:.4g}") for s in both[0]),
            tuple(float(f"{s:.4g}") for s in both[1]),
        )
        for (codec, quality, image), both in sorted(times.items())
    )


def _command(words: Iterable[object]) -> list[str]:
    """Return a command without the folders of the machine it was typed on."""
    return [Path(word).name if Path(word).is_absolute() else word for word in map(str, words)]


def _commit() -> str:
    """Return the commit that is checked out, with a + where files differ; empty without git."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()

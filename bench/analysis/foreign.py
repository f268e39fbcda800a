"""Curves in CompressAI's JSON format: read, checked, and kept under a name of the user's.

The format holds the means over a data set at each setting::

    {"name": …, "description": …, "meta": {"dataset": …},
     "results": {"bpp": […], "psnr-rgb": […], "ms-ssim-rgb": […], "encoding_time": […], …}}

Older files write `psnr` and `ms-ssim`; some give `ms-ssim-db-rgb` alone.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import paths
from bench.analysis.axis import axis_of
from bench.analysis.curves import Curve
from bench.errors import UnknownNameError, UsageError
from bench.files import whole

Array = npt.NDArray[np.float64]
PREFIX = "imported:"

#: Our metric to the names it goes by there.
_NAMES: dict[str, tuple[str, ...]] = {
    "psnr": ("psnr-rgb", "psnr"),
    "ms-ssim": ("ms-ssim-rgb", "ms-ssim"),
}
_MS_SSIM_DB = ("ms-ssim-db-rgb", "ms-ssim-db")
#: What the ones below are not: metrics that may go by our own name.
_OTHER = {"bpp", "encoding_time", "decoding_time", "encode_time", "decode_time"}


@dataclass(frozen=True, eq=False)
class ForeignCurve:
    """A curve of somebody's file.

    Parameters
    ----------
    name : as the file says, else the file's own name.
    dataset, n_images : as the file says; empty and 0 where it does not.
    rate : shape (points,), bits per pixel.
    values : metric name (ours) to shape (points,), on the metric's own scale.
    """

    name: str
    dataset: str
    n_images: int
    rate: Array
    values: dict[str, Array]

    def curve(self, metric: str, label: str = "") -> Curve:
        """Return it for comparison, called `label`. Raises UsageError for a metric it lacks."""
        if metric not in self.values:
            known = ", ".join(self.values)
            raise UsageError(f"{label or self.name} has no {metric}; it has: {known}")
        order = np.argsort(self.rate, kind="stable")
        silent = not (self.dataset and self.n_images)
        return Curve(
            codec=label or self.name,
            axis=axis_of(metric),
            dataset=self.dataset,
            rate=self.rate[order],
            quality=self.values[metric][order],
            settings=np.full(len(order), np.nan),
            n_images=self.n_images,
            origin="imported",
            note="the file does not say which images it is over" if silent else "",
        )


def read_foreign(path: str | Path) -> ForeignCurve:
    """Read a file in CompressAI's format.

    Raises
    ------
    UsageError : no such file, no JSON, or not that format: names the field and what was expected.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no {path}") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{path} is no JSON") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path} is no results file of CompressAI: an object was expected")
    results = document.get("results", document)
    if not isinstance(results, dict) or "bpp" not in results:
        raise UsageError(f"{path} is no results file of CompressAI: results.bpp is missing")
    rate = _numbers(results["bpp"], "bpp", path)
    if not (np.isfinite(rate).all() and (rate > 0).all()):
        raise UsageError(f"{path}: results.bpp: numbers above 0 were expected")
    values = _values(results, path, len(rate))
    if not values:
        raise UsageError(
            f"{path}: results: no metric that is known here; expected psnr-rgb or ms-ssim-rgb"
        )
    meta = document.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    n_images = meta.get("n_images")
    return ForeignCurve(
        name=str(document.get("name") or path.stem),
        dataset=str(meta.get("dataset") or ""),
        n_images=n_images if isinstance(n_images, int) else 0,
        rate=rate,
        values=values,
    )


def import_file(path: str | Path, name: str = "", *, replace: bool = False) -> str:
    """Check a file and keep a copy, to be compared with as ``imported:NAME``; return the name.

    Raises
    ------
    UsageError : as :func:`read_foreign`; a name that is none; a name taken by another curve.
    """
    curve = read_foreign(path)
    name = name or re.sub(r"[^a-z0-9._-]+", "-", curve.name.lower()).strip("-.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise UsageError(f"{name!r} is no name: lower case letters, digits, '-', '_' and '.'")
    content = Path(path).read_bytes()
    target = _folder() / f"{name}.json"
    if target.exists() and target.read_bytes() != content and not replace:
        raise UsageError(f"{PREFIX}{name} is another curve; choose --name, or --replace it")
    with whole(target) as part:
        part.write_bytes(content)
    return name


def imported() -> dict[str, Path]:
    """Return the curves that were imported: name to file."""
    return {path.stem: path for path in sorted(_folder().glob("*.json"))}


def imported_curve(name: str, metric: str) -> Curve:
    """Return an imported curve. Raises UnknownNameError, or UsageError for a metric it lacks."""
    name = name.removeprefix(PREFIX)
    files = imported()
    if name not in files:
        hint = "(`bench import FILE.json` imports one)"
        raise UnknownNameError("imported curve", name, files, hint)
    return read_foreign(files[name]).curve(metric, PREFIX + name)


def _folder() -> Path:
    return paths.data_dir() / "curves"


def _values(results: dict[str, Any], path: Path, points: int) -> dict[str, Array]:
    from bench.metrics.metric import column
    from bench.registry import metrics

    found: dict[str, Array] = {}
    for metric in metrics().names():
        for key in (*_NAMES.get(metric, ()), metric, column(metric)):
            if key in results and key not in _OTHER and metric not in found:
                found[metric] = _numbers(results[key], key, path, points)
    if "ms-ssim" not in found:
        for key in _MS_SSIM_DB:
            if key in results:
                decibels = _numbers(results[key], key, path, points)
                found["ms-ssim"] = 1 - np.power(10.0, -decibels / 10)
    # A mean of decibels or decibels of a mean: such files do not say, and it is another metric.
    found.pop("ms-ssim-db", None)
    return found


def _numbers(values: object, key: str, path: Path, points: int | None = None) -> Array:
    if not isinstance(values, list) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    ):
        raise UsageError(f"{path}: results.{key}: a list of numbers was expected")
    if points is not None and len(values) != points:
        raise UsageError(f"{path}: results.{key}: {points} numbers were expected, as for bpp")
    if not values or any(math.isnan(value) for value in values):
        raise UsageError(f"{path}: results.{key}: a list of numbers was expected, without gaps")
    return np.array(values, np.float64)

"""What a run left behind, read once and checked: the one typed reader of `results.csv`.

Analysis, reports and gates start here. What comes out holds: every column is there and of its
type, every cell occurs once, every status is known; what the file can't vouch for is an error that
names the file and the line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.errors import RunError, SchemaError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = 1

_TEXT = ("codec", "codec_id", "dataset", "image", "image_sha256", "bitstream_sha256")
_NUMBERS = ("quality", "width", "height", "bytes", "bpp", "compression_ratio")
_TIMES = ("encode_s", "decode_s")
_OUTCOME = ("status", "error", "na")
#: Columns that every results.csv has; all others are metrics.
COLUMNS = (*_TEXT, *_NUMBERS, *_TIMES, *_OUTCOME)
_OPTIONAL = {"na"}
_STATUS = ("ok", "failed")

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Results:
    """All cells of one run.

    Parameters
    ----------
    frame : one row per cell, columns as in results.csv, sorted as in the file. Text is str,
        numbers are float64 (NaN where the cell failed or a metric is undefined, inf for the PSNR
        of identical images).
    metrics : names of the metrics measured, as given to ``--metrics``, in the file's order.
    name : what to call the run: the name of its folder.
    info : `run.json` as it is; empty where there was none beside the file.
    path : where it was read from, for messages.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    name: str = "run"
    info: Mapping[str, Any] = field(default_factory=dict)
    path: Path = Path("results.csv")

    @cached_property
    def codecs(self) -> tuple[str, ...]:
        """Names of the codecs, in the order of the file."""
        return tuple(pd.unique(self.frame["codec"]))

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets, in the order of the file."""
        return tuple(pd.unique(self.frame["dataset"]))

    @cached_property
    def failures(self) -> pd.DataFrame:
        """The rows of the cells that failed."""
        return self.frame[self.frame["status"] == "failed"]

    def metric_identity(self, metric: str) -> str:
        """Return which version of the metric measured this run; empty where run.json has none."""
        return str(self.info.get("metrics", {}).get(metric, ""))

    def only(self, dataset: str) -> Results:
        """Return the cells of one data set. Raises UsageError where the run has none."""
        if dataset not in self.datasets:
            known = ", ".join(self.datasets) or "none"
            raise UsageError(f"{self.path} holds no data set {dataset!r}; it holds: {known}")
        if len(self.datasets) == 1:
            return self
        frame = self.frame[self.frame["dataset"] == dataset].reset_index(drop=True)
        return Results(frame, self.metrics, self.name, self.info, self.path)


def read_results(path: str | Path) -> Results:
    """Read a run's folder, or a `results.csv` with the `run.json` beside it.

    Raises
    ------
    RunError : nothing there, an empty or cut file, or one that no run of ours wrote.
    SchemaError : written by a version of bench with another schema.
    """
    path = Path(path)
    file = path / "results.csv" if path.is_dir() else path
    info = _read_info(file.with_name("run.json"))
    frame = _read_csv(file, str(info.get("results_sha256", "")))
    _check_cells(frame, file)
    return results_of(frame, info=info, name=file.resolve().parent.name, path=file)


def results_of(
    frame: pd.DataFrame,
    *,
    info: Mapping[str, Any] | None = None,
    name: str = "run",
    path: Path = Path("results.csv"),
) -> Results:
    """Return a frame with the columns of results.csv, in memory already, as results.

    Every column that is none of :data:`COLUMNS` is taken for a metric's.
    """
    info = info or {}
    columns = [str(column) for column in frame.columns if column not in COLUMNS]
    return Results(frame, _metric_names(columns, info.get("metrics", {})), name, info, path)


def _read_info(file: Path) -> Mapping[str, Any]:
    try:
        info = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunError(f"{file} can't be read: {error.strerror}") from None
    except ValueError:
        raise RunError(f"{file} is no JSON: cut or not written by bench") from None
    if not isinstance(info, dict) or "schema" not in info:
        raise RunError(f"{file} is no run.json of bench: it has no field 'schema'")
    if info["schema"] != SCHEMA:
        raise SchemaError(
            f"{file}: schema {info['schema']!r} is not read by this version of bench, which reads "
            f"schema {SCHEMA}; a newer bench may: pip install --upgrade rdbench"
        )
    if not isinstance(info.get("metrics", {}), dict):
        raise RunError(f"{file}: metrics: a mapping from name to identity was expected")
    return info


def _read_csv(file: Path, digest: str) -> pd.DataFrame:
    """Return all columns as text. A file that ends within a row, or that is not the one whose
    SHA-256 the run recorded, is refused: what is missing would not be seen in any mean.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        hint = "is that the folder of a run? `bench run --out DIR` writes one"
        raise RunError(f"there is no {file}; {hint}") from None
    except OSError as error:
        raise RunError(f"{file} can't be read: {error.strerror}") from None
    again = "run into the folder again to make it whole"
    if not content:
        raise RunError(f"{file} is empty; {again}")
    if not content.endswith(b"\n"):
        raise RunError(f"{file} is cut: its last line has no end; {again}")
    if digest and sha256(content).hexdigest() != digest:
        raise RunError(f"{file} is not the file that run.json was written with; {again}")
    try:
        return _parse(content, file)
    except UnicodeDecodeError:
        raise RunError(f"{file} is no CSV file in UTF-8") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise RunError(f"{file} is no CSV file: {' '.join(str(error).split())}") from None


def _parse(content: bytes, file: Path) -> pd.DataFrame:
    columns = list(pd.read_csv(BytesIO(content), nrows=0).columns)
    missing = [name for name in COLUMNS if name not in columns and name not in _OPTIONAL]
    if missing:
        raise RunError(
            f"{file} is no results.csv of bench: the column{'s' * (len(missing) > 1)} "
            f"{', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing"
        )
    numbers = [name for name in columns if name not in (*_TEXT, *_OUTCOME)]
    try:
        # Only a number can be missing: an image may well be called "NA".
        frame = pd.read_csv(
            BytesIO(content),
            dtype={name: np.float64 if name in numbers else str for name in columns},
            keep_default_na=False,
            na_values={name: ["", "nan"] for name in numbers},
        )
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError | pd.errors.ParserError):
            raise
        _name_what_is_no_number(content, numbers, file)
        raise
    if "na" not in frame:
        frame["na"] = ""
    return frame


def _name_what_is_no_number(content: bytes, numbers: list[str], file: Path) -> None:
    frame = pd.read_csv(BytesIO(content), dtype=str, keep_default_na=False)
    for name in numbers:
        texts = frame[name]
        wrong = pd.to_numeric(texts, errors="coerce").isna() & ~texts.isin(["", "nan"])
        if wrong.any():
            text = texts[wrong].iloc[0]
            line = _line(wrong)
            raise RunError(f"{file}: line {line}, column {name}: {text!r} is no number") from None


def _check_cells(frame: pd.DataFrame, file: Path) -> None:
    unknown = ~frame["status"].isin(_STATUS)
    if unknown.any():
        found = frame["status"][unknown].iloc[0]
        raise RunError(
            f"{file}: line {_line(unknown)}, column status: {found!r} is neither ok nor failed"
        )
    rateless = (frame["status"] == "ok") & ~(frame["bpp"] > 0)
    if rateless.any():
        raise RunError(f"{file}: line {_line(rateless)}: a cell that is ok has no bpp above 0")
    twice = frame.duplicated(["codec", "quality", "dataset", "image"])
    if twice.any():
        cell = frame[twice].iloc[0]
        raise RunError(
            f"{file}: line {_line(twice)}: {cell['codec']} at {cell['quality']:g} on "
            f"{cell['image']} occurs twice"
        )


def _line(mask: pd.Series[Any]) -> int:
    """Return the number of the first marked row's line, the header being line 1.

    Right as long as no field before it holds a line break.
    """
    return int(np.argmax(mask.to_numpy())) + 2


def _metric_names(columns: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return the metrics' own names for their columns (`ms_ssim` → "ms-ssim").

    A name that has an underscore of its own is told from run.json or from the registry; otherwise
    `_` stands for `-`.
    """
    from bench.metrics.metric import column
    from bench.registry import metrics

    names = {column(name): name for name in (*metrics().names(), *known)}
    return tuple(names.get(name, name.replace("_", "-")) for name in columns)

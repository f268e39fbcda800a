"""The runs that a report is made from, each with what is missing in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.results import COLUMNS, Results, read_results, results_of
from bench.errors import RunError, SchemaError


@dataclass(frozen=True, eq=False)
class RunSource:
    """A run's folder, read.

    Parameters
    ----------
    name : what the report calls it; no two runs of a report have the same.
    problems : what is missing or wrong, a sentence each; empty for a complete run.
    remarks : what was not asked for or not possible from the start: codecs left out.
    """

    folder: Path
    name: str
    results: Results
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def info(self) -> dict[str, Any]:
        """The contents of run.json; empty where there is none."""
        return dict(self.results.info)

    def codec_info(self, codec: str) -> dict[str, Any]:
        """Return what run.json says of a codec; empty where it says nothing."""
        return dict(self.info.get("codecs", {}).get(codec, {}))


def read_runs(folders: Iterable[str | Path]) -> list[RunSource]:
    """Read the folders of runs; an empty, failed or partial one is read as far as it goes.

    Raises
    ------
    RunError : a path that is no folder of a run, or none given.
    SchemaError : a run that another version of bench wrote.
    """
    paths = list(dict.fromkeys(Path(folder).resolve() for folder in folders))
    if not paths:
        raise RunError("a report is made from the folder of a run: bench report runs/NAME")
    names = _names(paths)
    return [_read(path, name) for path, name in zip(paths, names, strict=True)]


def _read(path: Path, name: str) -> RunSource:
    folder = path.parent if path.is_file() else path
    if not (folder / "run.json").is_file() and not (folder / "results.csv").is_file():
        raise RunError(
            f"{path} is no folder of a run: it holds neither run.json nor results.csv; "
            "`bench run --out DIR` writes one"
        )
    try:
        results = read_results(folder)
    except SchemaError:
        raise
    except RunError as error:
        return _without_rows(folder, name, str(error))
    return RunSource(folder, name, results, tuple(_problems(results)), _remarks(results.info))


def _without_rows(folder: Path, name: str, why: str) -> RunSource:
    """Return a run whose results can't be read: what run.json says is all there is."""
    info: dict[str, Any] = {}
    problems = [why]
    try:
        found = json.loads((folder / "run.json").read_text("utf-8"))
        info = found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        problems.append("run.json is missing or can't be read: the run can't be repeated from it")
    results = results_of(pd.DataFrame(columns=list(COLUMNS)), info=info, name=name)
    return RunSource(folder, name, results, (*problems, *_status(info)), _remarks(info))


def _problems(results: Results) -> Iterable[str]:
    info = results.info
    if not info:
        yield "run.json is missing: versions, machine and command of this run are unknown"
    yield from _status(info)
    frame = results.frame
    if frame.empty:
        yield "no cell was measured"
        return
    total = info.get("cells", {}).get("total", len(frame))
    if total > len(frame):
        yield (
            f"{total - len(frame):,} of {total:,} cells have not been measured; "
            "the same command again continues the run"
        )
    failed = Counter(results.failures["codec"])
    if failed:
        parts = ", ".join(f"{codec} {count:,}" for codec, count in failed.most_common())
        yield f"{sum(failed.values()):,} of {len(frame):,} cells failed ({parts})"
    measured = set(results.codecs)
    yield from (f"{codec} has no cell" for codec in info.get("codecs", {}) if codec not in measured)


def _remarks(info: Any) -> tuple[str, ...]:
    left_out = info.get("left_out", {})
    return tuple(f"{codec} was left out: {reason}" for codec, reason in left_out.items())


def _status(info: Any) -> Iterable[str]:
    status = info.get("status", "finished")
    if status == "running":
        yield "the run is still going on, or was killed"
    elif status != "finished":
        yield f"the run was {status} before its end"


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the folders' names, with as many parents as it takes to tell them apart."""
    folders = [path.parent if path.is_file() else path for path in paths]
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    raise RunError("the same run was given twice")

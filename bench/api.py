"""The Python interface, ``bench.run(codecs=…, dataset=…)``; the command line adds nothing to it."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from bench import paths
from bench.engine.environment import machine, usable_cores, versions
from bench.engine.execute import Execution, Origin
from bench.engine.folder import (
    RESULTS,
    SUMMARY,
    TIMES,
    RunFolder,
    results_frame,
    summary_frame,
    times_frame,
)
from bench.engine.plan import Plan, Qualities, Timing
from bench.engine.planner import CodecSpec, Request, make_plan
from bench.engine.progress import Progress
from bench.engine.store import Store, blob_limit
from bench.errors import UsageError
from bench.profile.codecs import costs_of

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.results import Results
    from bench.data.cards import DatasetCard

log = logging.getLogger("bench")

BD = "bd.csv"
CURVES = "curves"
#: Files that follow from results.csv; made again only where that has changed.
DERIVED = (BD, f"{CURVES}.svg", f"{CURVES}.png")
#: Seconds that a cell may take where neither the user nor the card says otherwise.
TIMEOUT = 600.0


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and what is in it.

    Attributes
    ----------
    folder : where the files are.
    info : the contents of run.json.
    results : one row per cell (codec, setting, image).
    summary : means per codec and setting.
    times : one row per repeat; empty outside the timing mode.
    """

    folder: Path
    info: dict[str, Any]
    results: pd.DataFrame
    summary: pd.DataFrame
    times: pd.DataFrame

    @property
    def failed(self) -> int:
        """Number of cells that failed."""
        return int(self.info["cells"]["failed"])

    @cached_property
    def bd(self) -> pd.DataFrame:
        """BD-rates of every codec against jpeg where present, else the first: bd.csv."""
        from bench.analysis.tables import bd_table

        return bd_table(self._measured())

    def complete(self) -> bool:
        """Return whether everything that follows from the rows is in the folder."""
        return all((self.folder / name).is_file() for name in DERIVED)

    def write_derived(self, published: str | Sequence[str] | None = None) -> None:
        """Write what follows from the rows: BD-rates, and the curves of the first metric.

        Parameters
        ----------
        published : curves to draw beside them, as in :func:`run`.
        """
        from bench.analysis.tables import write_bd_csv
        from bench.report.figures import plot_curves
        from bench.report.references import beside

        write_bd_csv(self.bd, self.folder / BD)
        titles = {name: codec["title"] for name, codec in self.info["codecs"].items()}
        results = self._measured()
        for metric in list(self.info["metrics"])[:1]:
            drawn = beside(results, metric, published)
            plot_curves(results, metric, self.folder / CURVES, published=drawn, titles=titles)

    def _measured(self) -> Results:
        from bench.analysis.results import results_of

        return results_of(self.results, info=self.info, name=self.folder.name)


@dataclass(frozen=True)
class Drawn:
    """What is made of a run's rows: reports, and the published curves in them and in the figure."""

    report: Sequence[str]
    published: str | list[str] | None


def run(
    codecs: CodecSpec = "all",
    dataset: str | Path | DatasetCard = "kodak",
    *,
    quality: Qualities | None = None,
    metrics: str | Sequence[str] | None = None,
    images: int | str | None = None,
    jobs: int | None = None,
    out: str | Path | None = None,
    cache: bool = True,
    repeats: int | None = None,
    threads: int = 1,
    timeout: float = TIMEOUT,
    device: str = "cpu",
    data_root: str | Path | None = None,
    download: bool = False,
    report: Sequence[str] = (),
    published: str | Sequence[str] | None = None,
    quiet: bool = True,
) -> Run:
    """Measure codecs over a data set; return the run.

    Parameters
    ----------
    codecs : names, groups, globs and paths of cards as a comma list or a sequence; cards and
        declared classes too.
    dataset : name of a data set, or a folder of images.
    quality : settings for every codec, or a mapping of codec name or glob to settings; the
        codecs' ladders if left out.
    metrics : names as a comma list or a sequence; the default metrics if left out.
    images : the first N images, or a glob over their names.
    jobs : worker processes, one core each; all cores if left out, 0 for this very process.
    out : the run's folder; ``runs/DATASET-PLAN`` if left out. A folder that holds the same plan
        is continued.
    cache : whether to take what was measured before from the cache.
    repeats : the timing mode: each cell so many times, by one worker, nothing from the cache.
    threads : threads that a codec may use, in the timing mode.
    timeout : seconds that one cell may take.
    device : "cpu", or a torch device for codecs that can use one.
    data_root : where a copy of the data set lies already.
    download : whether data sets and checkpoints may be fetched.
    report : reports to write into the folder: "html", "pdf".
    published : names of published curves to draw beside a run over Kodak, "none" or "all"; some
        well-known ones if left out.
    quiet : no progress, no failure lines.

    Raises
    ------
    BenchError : what is wrong with the request, before any work starts.
    KeyboardInterrupt : after what was measured has been kept and written.
    """
    request = make_request(
        codecs, dataset, quality=quality, metrics=metrics, images=images, repeats=repeats,
        threads=threads, device=device, data_root=data_root, download=download,
    )  # fmt: skip
    jobs = check_jobs(jobs, request)
    drawn = Drawn(report, _check_published(published))
    if not timeout > 0:
        raise UsageError(f"the time limit must be a positive number of seconds, not {timeout}")
    with closing(Store(paths.cache_dir())) as store:
        plan = make_plan(request, store, max(jobs, 1))
        path = Path(out) if out is not None else default_folder(plan)
        with RunFolder(path).opened(plan) as folder:
            if cache and not plan.timing:
                return _run(plan, folder, store, jobs, timeout, drawn, quiet=quiet)
            return _run_aside(plan, folder, jobs, timeout, drawn, quiet=quiet)


def plan_run(request: Request) -> tuple[Plan, int]:
    """Return the plan for a request and how many of its cells the cache knows already."""
    with closing(Store(paths.cache_dir())) as store:
        plan = make_plan(request, store, usable_cores())
        return plan, len(plan.cells) - Execution(plan, store, TIMEOUT).open_cells


def make_request(
    codecs: CodecSpec, dataset: str | Path | DatasetCard, *, repeats: int | None = None,
    data_root: str | Path | None = None, threads: int = 1, **rest: Any,
) -> Request:  # fmt: skip
    """Return a request from the arguments of :func:`run`. Raises UsageError."""
    if repeats is not None and repeats < 1:
        raise UsageError(f"the timing mode repeats each cell at least once, not {repeats} times")
    if threads < 1:
        raise UsageError(f"a codec needs at least one thread, not {threads}")
    timing = None if repeats is None else Timing(repeats)
    root = None if data_root is None else Path(data_root)
    return Request(codecs, dataset, timing=timing, data_root=root, threads=threads, **rest)


def check_jobs(jobs: int | None, request: Request) -> int:
    """Return the number of worker processes. Raises UsageError."""
    if jobs is not None and jobs < 0:
        raise UsageError(f"the number of jobs can't be negative, got {jobs}")
    if request.timing:
        if jobs not in (None, 0, 1):
            raise UsageError("the timing mode uses one worker, so that nothing disturbs it")
        return 1 if jobs is None else jobs
    return usable_cores() if jobs is None else jobs


def _check_published(names: str | Sequence[str] | None) -> str | list[str] | None:
    """Return names of published curves as run.json keeps them. Raises as the report would."""
    if names is not None:
        from bench.report.references import choose

        choose(names)
    return names if names is None or isinstance(names, str) else list(names)


def default_folder(plan: Plan) -> Path:
    """Return the folder of a run that was given none: the same plan always has the same."""
    return Path("runs") / f"{plan.dataset.name}-{plan.digest[:8]}"


def _run_aside(
    plan: Plan,
    folder: RunFolder,
    jobs: int,
    timeout: float,
    drawn: Drawn,
    *,
    quiet: bool,
) -> Run:
    """Run with a store of its own inside the run's folder, so that a stopped run can go on."""
    aside = folder.path / ".store"
    with closing(Store(aside)) as store:
        finished = _run(plan, folder, store, jobs, timeout, drawn, quiet=quiet)
    shutil.rmtree(aside, ignore_errors=True)
    return finished


def _run(
    plan: Plan,
    folder: RunFolder,
    store: Store,
    jobs: int,
    timeout: float,
    drawn: Drawn,
    *,
    quiet: bool,
) -> Run:
    begin = time.monotonic()
    before = folder.info() or {}
    execution = Execution(plan, store, timeout)
    info = _describe(plan, jobs, timeout) | {"status": "running", "published": drawn.published}
    folder.write_info({**before, **info, "cells": _counts(plan, execution)})
    try:
        with Progress(plan, len(plan.cells) - execution.open_cells, quiet=quiet) as progress:
            execution.run(jobs, progress)
        info["status"] = "finished"
    except BaseException:
        info["status"] = "interrupted"
        raise
    finally:
        info["finished"] = _now()
        info["cells"] = _counts(plan, execution)
        info["seconds"] = {
            "wall": round(time.monotonic() - begin, 3),
            "codecs": round(execution.outcome.codec_s, 3),
            "metrics": round(execution.outcome.metric_s, 3),
        }
        finished = _write_tables(plan, folder, execution, info)
    _tell_costs(plan, folder, store, finished, timeout, quiet=quiet)
    same = all(before.get(key) == info[key] for key in ("results_sha256", "published"))
    if not same or not finished.complete():
        finished.write_derived(drawn.published)
    if drawn.report:
        from bench.report.build import write_report

        cards = {codec.card.name: codec.card for codec in plan.codecs}
        write_report(
            [folder.path], drawn.report, published=drawn.published, cards=cards, reuse=True
        )
    store.prune(max_bytes=blob_limit())
    return finished


def _describe(plan: Plan, jobs: int, timeout: float) -> dict[str, Any]:
    """Return what run.json says of a run before it starts."""
    return {
        "plan": plan.digest,
        "command": sys.argv,
        "started": _now(),
        "dataset": {
            "name": plan.dataset.name,
            "title": plan.dataset.title,
            "reference": plan.dataset.reference,
            "folder": str(plan.dataset.folder or ""),
            "n_images": len(plan.images),
            "sha256": sha256("".join(i.sha256 for i in plan.images).encode()).hexdigest(),
        },
        "metrics": plan.metrics,
        "codecs": {
            codec.card.name: {
                "id": codec.codec_id,
                "title": codec.card.label,
                "qualities": codec.qualities,
                "better": codec.card.quality.better,
                "setting": codec.card.quality.label,
                "reference": codec.card.reference,
                "bytes_depend_on_processor": codec.card.bytes_depend_on_processor,
                "source": Path(codec.card.source).name,
                "card": codec.card.model_dump(mode="json", by_alias=True, exclude_defaults=True),
                "card_file": codec.card.source,
                "identity": codec.identity,
            }
            for codec in plan.codecs
        },
        "left_out": dict(plan.left_out),
        "device": plan.device,
        "jobs": jobs,
        "timeout_s": timeout,
        "timing": None
        if plan.timing is None
        else {
            "repeats": plan.timing.repeats,
            "warmup": plan.timing.warmup,
            "threads": plan.threads,
        },
        "times": "measured alone, see times.csv" if plan.timing else "indicative",
        "versions": versions(),
        "machine": machine(),
    }


def _tell_costs(
    plan: Plan, folder: RunFolder, store: Store, finished: Run, timeout: float, *, quiet: bool
) -> None:
    """Add to run.json what networks cost on any machine; see bench.analysis.complexity."""

    def announce(name: str) -> None:
        if not quiet:
            log.info("measuring what %s costs", name)

    for codec in plan.codecs:
        costs = costs_of(
            codec.card,
            codec.qualities,
            store,
            device=plan.device,
            timeout=timeout,
            announce=announce,
        )
        told = [cost.to_json() for cost in costs]
        finished.info["codecs"][codec.card.name]["complexity"] = told
    folder.write_info(finished.info)


def _counts(plan: Plan, execution: Execution) -> dict[str, int]:
    outcome = execution.outcome
    return {
        "total": len(plan.cells),
        **{origin: outcome.count(origin) for origin in get_args(Origin)},
    }


def _write_tables(plan: Plan, folder: RunFolder, execution: Execution, info: dict[str, Any]) -> Run:
    """Write what was measured, and run.json last: it vouches for the rest."""
    results = results_frame(plan, execution.outcome.records)
    summary = summary_frame(results, tuple(plan.metrics))
    times = times_frame(plan, execution.outcome.records)
    folder.write_frame(RESULTS, results)
    folder.write_frame(SUMMARY, summary)
    if plan.timing:
        folder.write_frame(TIMES, times)
    info["results_sha256"] = sha256((folder.path / RESULTS).read_bytes()).hexdigest()
    folder.write_info(info)
    return Run(folder.path, info, results, summary, times)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

"""A run laid beside its baseline, cell by cell; what keeps them from being compared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.analysis.curves import CellIndex, ImageCurves
from bench.analysis.results import Results, results_of
from bench.gate.baseline import Baseline, BaselineCell, BaselineImage
from bench.gate.record import records, results_of_baseline
from bench.gate.verdict import Finding, Outcome
from bench.metrics.metric import column


@dataclass(frozen=True)
class Now:
    """What the run has for a cell; `error` is why it failed, or empty."""

    bytes: int
    bitstream_sha256: str
    values: dict[str, float]
    error: str


@dataclass(frozen=True)
class Pair:
    """A cell of the baseline and what the run has for it, or None."""

    was: BaselineCell
    now: Now | None

    @property
    def sound(self) -> Now | None:
        """The run's side, where it was measured and worked."""
        return self.now if self.now and not self.now.error else None


@dataclass(frozen=True, eq=False)
class Aligned:
    """A baseline with the cells of a run that belong to it; the run may hold more.

    Images are the same where their pixels are, whatever their names and order.
    """

    baseline: Baseline
    run: Results

    @cached_property
    def pairs(self) -> dict[str, list[Pair]]:
        """The baseline's cells by codec."""
        metrics = [name for name in self.baseline.metrics if name in self.run.metrics]
        found: dict[tuple[str, float, str], Now] = {}
        for row in records(self.run.frame):
            failed = row["status"] != "ok"
            found.setdefault(
                (row["codec"], row["quality"], row["image_sha256"]),
                Now(
                    0 if failed else int(row["bytes"]),
                    row["bitstream_sha256"],
                    {name: row[column(name)] for name in metrics},
                    (row["error"] or "no reason was recorded") if failed else "",
                ),
            )
        pairs: dict[str, list[Pair]] = {name: [] for name in self.baseline.codecs}
        for cell in self.baseline.cells:
            key = (cell.codec, float(cell.quality), self.baseline.images[cell.image].sha256)
            pairs[cell.codec].append(Pair(cell, found.get(key)))
        return pairs

    def index(self, metric: str) -> int:
        """Return the place of a metric among a baseline cell's values."""
        return list(self.baseline.metrics).index(metric)

    def curves(self, metric: str) -> tuple[dict[str, ImageCurves], dict[str, ImageCurves]]:
        """Return the per-image curves of baseline and run by codec, over the cells of both."""
        return self._indices[0].curves(metric), self._indices[1].curves(metric)

    @cached_property
    def _indices(self) -> tuple[CellIndex, CellIndex]:
        was = results_of_baseline(self.baseline)
        now = was.frame.copy()
        sound = {
            (p.was.codec, float(p.was.quality), p.was.image): p.sound
            for pairs in self.pairs.values()
            for p in pairs
        }
        cells = [sound[(r["codec"], r["quality"], r["image"])] for r in records(now)]
        pixels = (now["width"] * now["height"]).to_numpy(np.float64)
        sizes = np.array([cell.bytes if cell else math.nan for cell in cells])
        now["bytes"], now["bpp"] = sizes, 8 * sizes / pixels
        # Both sides lack what one lacks: curves of other settings would be another quantity.
        was.frame["status"] = now["status"] = ["ok" if cell else "failed" for cell in cells]
        for name in self.baseline.metrics:
            now[column(name)] = [c.values.get(name, math.nan) if c else math.nan for c in cells]
        return CellIndex.of(was), CellIndex.of(results_of(now, info=was.info, name="this run"))


def scope(aligned: Aligned) -> Iterator[Finding]:
    """Yield what keeps the whole or a codec from being compared; nothing where all is there."""
    run, baseline = aligned.run, aligned.baseline
    if run.frame.empty:
        yield _open("run", "the run holds no cell: nothing was measured")
        return
    there = set(run.frame["image_sha256"])
    lost = [name for name, image in baseline.images.items() if image.sha256 not in there]
    if lost:
        yield _other_data(aligned, lost)
    if len(lost) == len(baseline.images):
        return
    for codec, pairs in aligned.pairs.items():
        if codec not in run.codecs:
            reason = run.info.get("left_out", {}).get(codec, "")
            yield _open(
                "codec",
                f"{codec} is in the baseline and not in the run" + (reason and f": {reason}"),
                codec,
            )
            continue
        missing = [p.was for p in pairs if p.now is None and p.was.image not in lost]
        if missing:
            settings = ", ".join(f"{q:g}" for q in sorted({cell.quality for cell in missing}))
            yield _open(
                "cells",
                f"{codec}: {len(missing)} of {len(pairs)} cells were not measured (settings "
                f"{settings}; the first on {missing[0].image}): give the run the baseline's "
                "settings",
                codec,
            )


def metric_faults(aligned: Aligned, metrics: list[str]) -> dict[str, str]:
    """Return why a metric that a rule needs can't be compared, by metric."""
    faults = {}
    for name in metrics:
        if name not in aligned.baseline.metrics:
            known = ", ".join(aligned.baseline.metrics) or "none"
            faults[name] = f"the baseline holds no {name} (it holds {known})"
        elif name not in aligned.run.metrics:
            faults[name] = f"the run did not measure {name}: add it with --metrics"
        else:
            was, now = aligned.baseline.metrics[name], aligned.run.metric_identity(name)
            if was != now:
                faults[name] = (
                    f"another version of {name}: {was or 'unknown'} in the baseline, "
                    f"{now or 'unknown'} in the run; measure the old code again with this one"
                )
    return faults


def notes(aligned: Aligned) -> Iterator[str]:
    """Yield what differs and decides nothing: machine, versions, what the baseline lacks."""
    baseline, run = aligned.baseline, aligned.run
    was, now = baseline.provenance.machine, run.info.get("machine", {})
    if (
        was
        and now
        and (was.get("processor"), was.get("architecture"))
        != (
            now.get("processor"),
            now.get("architecture"),
        )
    ):
        yield f"another machine: {was.get('processor')} in the baseline, {now.get('processor')} now"
    for name, codec in baseline.codecs.items():
        identity = run.info.get("codecs", {}).get(name, {}).get("identity", {})
        yield from (f"{name}: {text}" for text in changes(codec.identity, identity))
    extra = [name for name in run.codecs if name not in baseline.codecs]
    if extra:
        yield f"not in the baseline, so not gated: {', '.join(extra)}"
    known = {image.sha256 for image in baseline.images.values()}
    more = len(set(run.frame["image_sha256"]) - known)
    if more:
        are = "image of the run is" if more == 1 else "images of the run are"
        yield f"{more} {are} not in the baseline, so not gated"
    if run.datasets and baseline.dataset.name not in run.datasets:
        yield f"the data set is called {baseline.dataset.name} there and {run.datasets[0]} here"


def changes(was: dict[str, object], now: dict[str, object], name: str = "") -> Iterator[str]:
    """Yield in words how two identities of a codec differ."""
    for key in sorted(was.keys() | now.keys()) if was and now else ():
        before, after = was.get(key), now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from changes(before, after, key)
        elif before != after:
            yield f"{name + ' ' if name else ''}{key} changed: {_short(before)} → {_short(after)}"


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    hexadecimal = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return text[:8] if hexadecimal else text


def _other_data(aligned: Aligned, lost: list[str]) -> Finding:
    baseline, run = aligned.baseline, aligned.run
    names: dict[str, BaselineImage] = baseline.images
    shown = ", ".join(lost[:3]) + (", …" if len(lost) > 3 else "")
    if len(lost) == len(names):
        return _open(
            "data",
            f"other data: the baseline is of {baseline.dataset.name} and none of its "
            f"{len(names)} images is in the run, which is of {', '.join(run.datasets)}",
        )
    again = any((run.frame["image"] == name).any() for name in lost)
    why = "their pixels are others" if again else "they were not measured"
    return _open("data", f"{len(lost)} of {len(names)} images are not in the run ({shown}): {why}")


def _open(rule: str, message: str, codec: str = "") -> Finding:
    return Finding(rule, Outcome.UNDECIDABLE, message, codec)

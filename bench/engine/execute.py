"""Running a plan: what the store has is taken from there, the rest is measured and kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Literal

from bench.engine.cells import CellResult, Group, Setup, Task
from bench.engine.plan import Cell, Plan
from bench.engine.pool import SMALLEST_GROUP, Executor, ProcessPool, SerialExecutor
from bench.engine.store import Measurement, Store
from bench.metrics.measure import Value

#: How a cell came by its row: taken from the cache; metrics computed from the kept bitstream;
#: encoded and decoded now; no measurement.
Origin = Literal["cached", "scored", "measured", "failed"]


@dataclass(frozen=True)
class CellRecord:
    """A cell with what became of it; `values` by metric name."""

    cell: Cell
    origin: Origin
    error: str = ""
    n_bytes: int = 0
    bitstream_sha256: str = ""
    encode_s: float = math.nan
    decode_s: float = math.nan
    values: dict[str, Value] = field(default_factory=dict)
    repeats: tuple[tuple[float, float], ...] = ()


@dataclass
class Outcome:
    """What a run has so far: records by cell index, and where the workers' seconds went."""

    records: dict[int, CellRecord] = field(default_factory=dict)
    codec_s: float = 0.0
    metric_s: float = 0.0

    def count(self, origin: Origin) -> int:
        """Return how many records are of this origin."""
        return sum(record.origin == origin for record in self.records.values())


class Execution:
    """One plan against one store.

    Parameters
    ----------
    plan : what to measure.
    store : where measurements are looked up and kept; the timing mode does not look up.
    timeout : seconds that a cell may take where its codec's card names no other limit.
    """

    def __init__(self, plan: Plan, store: Store, timeout: float) -> None:
        self.plan = plan
        self.store = store
        self.outcome = Outcome()
        self._timeout = timeout
        self._tasks: dict[int, Task] = {}
        self._look_up()

    @property
    def open_cells(self) -> int:
        """Number of cells that are still to be measured."""
        return len(self._tasks)

    def _look_up(self) -> None:
        """Sort the plan's cells into known, impossible and open ones."""
        plan = self.plan
        known = {} if plan.timing else self.store.lookup(cell.key for cell in plan.cells)
        for cell in plan.cells:
            image = plan.images[cell.image]
            measurement = known.get(cell.key)
            if image.error:
                self._record(CellRecord(cell, "failed", error=image.error))
            elif measurement is None:
                self._tasks[cell.index] = self._task(cell, tuple(plan.metrics))
            else:
                self._take(cell, measurement)
        self.store.touch(
            record.bitstream_sha256
            for record in self.outcome.records.values()
            if record.bitstream_sha256
        )

    def _take(self, cell: Cell, measurement: Measurement) -> None:
        """Use what the store knows of a cell; ask for the metrics that it lacks."""
        lacking = tuple(n for n, i in self.plan.metrics.items() if i not in measurement.values)
        if lacking:
            self._tasks[cell.index] = self._task(cell, lacking, measurement.bitstream_sha256)
        else:
            self._record(self._known(cell, measurement, "cached"))

    def _known(self, cell: Cell, known: Measurement, origin: Origin) -> CellRecord:
        return CellRecord(
            cell,
            origin,
            n_bytes=known.n_bytes,
            bitstream_sha256=known.bitstream_sha256,
            encode_s=known.encode_s,
            decode_s=known.decode_s,
            values={name: known.values[known_as] for name, known_as in self.plan.metrics.items()},
        )

    @staticmethod
    def _task(cell: Cell, metrics: tuple[str, ...], bitstream: str | None = None) -> Task:
        return Task(cell.index, cell.codec, cell.quality, metrics, bitstream)

    def _record(self, record: CellRecord) -> None:
        self.outcome.records[record.cell.index] = record

    def run(self, jobs: int, progress: Callable[[CellRecord], None]) -> Outcome:
        """Measure the open cells; every result is committed before `progress` hears of it.

        Parameters
        ----------
        jobs : worker processes; 0 runs everything in this process.
        """
        if self._tasks:
            for result in self._executor(jobs).run(self._groups()):
                progress(self._keep(result))
        return self.outcome

    def _executor(self, jobs: int) -> Executor:
        plan = self.plan
        setup = Setup(
            cards=tuple(codec.card for codec in plan.codecs),
            metrics=tuple(plan.metrics),
            blobs=self.store.blobs.folder,
            device=plan.device,
            threads=plan.threads,
            timing=plan.timing,
        )
        if jobs == 0:
            return SerialExecutor(setup)
        useful = 1 if plan.timing else math.ceil(len(self._tasks) / SMALLEST_GROUP)
        return ProcessPool(setup, min(jobs, useful), self._limit)

    def _limit(self, index: int) -> float:
        card = self.plan.codecs[self.plan.cells[index].codec].card
        return card.timeout or self._timeout

    def _groups(self) -> Iterator[Group]:
        cells: Iterable[Cell] = (self.plan.cells[index] for index in self._tasks)
        for image, members in groupby(cells, key=lambda cell: cell.image):
            yield Group(self.plan.images[image], tuple(self._tasks[cell.index] for cell in members))

    def _keep(self, result: CellResult) -> CellRecord:
        cell = self.plan.cells[result.index]
        if result.error:
            record = CellRecord(cell, "failed", error=result.error)
        else:
            record = self._commit(cell, result)
        self._record(record)
        self.outcome.codec_s += result.encode_s + result.decode_s
        self.outcome.metric_s += result.metric_s
        return record

    def _commit(self, cell: Cell, result: CellResult) -> CellRecord:
        codec = self.plan.codecs[cell.codec]
        image = self.plan.images[cell.image]
        measured = Measurement(
            result.n_bytes,
            result.bitstream_sha256,
            result.encode_s,
            result.decode_s,
            {self.plan.metrics[name]: value for name, value in result.values.items()},
        )
        self.store.put(
            cell.key, codec.card.name, codec.codec_id, cell.quality, image.sha256, measured,
            encoded=result.encoded,
        )  # fmt: skip
        whole = measured if result.encoded else self.store.lookup([cell.key])[cell.key]
        record = self._known(cell, whole, "measured" if result.encoded else "scored")
        return replace(record, repeats=result.repeats)

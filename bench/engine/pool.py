"""Executors: who runs the cells.

The pool keeps worker processes busy with groups. A worker that hangs or dies is killed and
replaced alone: the cell it was at is recorded as failed, the rest of its group goes to another.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import IO, Any, Protocol

from bench.engine.cells import CellResult, CellRunner, Group, Setup
from bench.engine.worker import thread_environment
from bench.errors import CellTimeoutError, RunError, WorkerDiedError

#: Seconds a worker may take to import what it needs.
START_LIMIT = 300.0
#: Cells in the smallest group that is worth reading and preparing an image again.
SMALLEST_GROUP = 4


class Executor(Protocol):
    """Runs groups of cells somewhere and yields their results as they come, in any order."""

    def run(self, groups: Iterable[Group]) -> Iterator[CellResult]:
        """Yield one result for every task of every group."""


class SerialExecutor:
    """Runs everything in this process: for debuggers. A codec that hangs or dies takes us along."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def run(self, groups: Iterable[Group]) -> Iterator[CellResult]:
        """Yield results in order."""
        runner = CellRunner(self._setup, started=lambda index: None)
        try:
            for group in groups:
                yield from runner.run(group)
        finally:
            runner.close()


class Schedule:
    """Hands out groups: whole images first, smaller shares towards the end.

    With few cells left per worker a group is cut (guided self-scheduling), so that no worker sits
    idle while another has a whole image before it, and 24 images keep 64 workers busy.
    """

    def __init__(self, groups: Iterable[Group], workers: int, *, cut: bool) -> None:
        self._groups = deque(groups)
        self._left = sum(len(group.tasks) for group in self._groups)
        self._workers = workers
        self._cut = cut

    def __bool__(self) -> bool:
        return bool(self._groups)

    def next(self) -> Group:
        """Return the next group; raises IndexError where none is left."""
        group = self._groups.popleft()
        share = max(SMALLEST_GROUP, math.ceil(self._left / (2 * self._workers)))
        if self._cut and len(group.tasks) > share:
            self._groups.appendleft(replace(group, tasks=group.tasks[share:]))
            group = replace(group, tasks=group.tasks[:share])
        self._left -= len(group.tasks)
        return group

    def put_back(self, group: Group) -> None:
        """Take back what a worker did not get to."""
        self._groups.appendleft(group)
        self._left += len(group.tasks)


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    group: Group | None = None
    done: set[int] = field(default_factory=set)
    #: Index of the cell it is at, and when it must have reported again.
    cell: int | None = None
    deadline: float = math.inf
    ready: bool = False

    def last_words(self) -> str:
        """Return the last line the worker wrote to stderr."""
        self.log.seek(max(0, self.log.seek(0, os.SEEK_END) - 2000))
        lines = self.log.read().decode("utf-8", "replace").strip().splitlines()
        return " ".join(lines[-1].split())[:300] if lines else ""

    def kill(self) -> None:
        """End the process and every program it started."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.log):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()


class ProcessPool:
    """Runs groups in worker processes of one thread each (`setup.threads` of them if more).

    Parameters
    ----------
    setup : what each worker is told.
    workers : number of processes.
    limit : index of a cell -> seconds it may take.
    """

    def __init__(self, setup: Setup, workers: int, limit: Callable[[int], float]) -> None:
        self._setup = setup
        self._count = workers
        self._limit = limit
        self._events: queue.Queue[tuple[_Worker, tuple[Any, ...] | None]] = queue.Queue()
        self._workers: set[_Worker] = set()

    def run(self, groups: Iterable[Group]) -> Iterator[CellResult]:
        """Yield results as they come. Raises RunError where workers can't even start."""
        # Timed groups stay whole: their rounds compare codecs under the same conditions.
        schedule = Schedule(groups, self._count, cut=self._setup.timing is None)
        try:
            while schedule or any(worker.group for worker in self._workers):
                self._assign(schedule)
                yield from self._next_event(schedule)
        finally:
            for worker in self._workers:
                worker.kill()
            self._workers.clear()

    def _assign(self, schedule: Schedule) -> None:
        """Give work to idle workers, and start workers while there is work for one more."""
        for worker in self._workers:
            if schedule and worker.ready and worker.group is None:
                self._give(worker, schedule.next())
        while schedule and len(self._workers) < self._count:
            self._workers.add(self._start())

    def _start(self) -> _Worker:
        log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the worker)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.engine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours to handle; a kill reaches grandchildren
            env={
                **os.environ,
                **thread_environment(self._setup.threads),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
        )
        worker = _Worker(process, log, deadline=time.monotonic() + START_LIMIT)
        threading.Thread(target=self._read, args=(worker,), daemon=True).start()
        self._send(worker, sys.path)
        self._send(worker, self._setup)
        return worker

    def _read(self, worker: _Worker) -> None:
        """Pass on what a worker says; None when it falls silent for good."""
        assert worker.process.stdout is not None
        with worker.process.stdout as stream:
            try:
                while True:
                    self._events.put((worker, pickle.load(stream)))
            except (EOFError, OSError, pickle.UnpicklingError):
                self._events.put((worker, None))

    @staticmethod
    def _send(worker: _Worker, message: object) -> None:
        assert worker.process.stdin is not None
        # A worker that has died meanwhile is noticed by its silence.
        with contextlib.suppress(BrokenPipeError):
            pickle.dump(message, worker.process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            worker.process.stdin.flush()

    def _next_event(self, schedule: Schedule) -> Iterator[CellResult]:
        nearest = min(worker.deadline for worker in self._workers)
        try:
            worker, message = self._events.get(
                timeout=min(max(0.0, nearest - time.monotonic()), 3600.0)
            )
        except queue.Empty:
            yield from self._end_the_late(schedule)
            return
        if worker not in self._workers:
            return  # the last words of one that was killed
        if message is None:
            yield from self._bury(worker, schedule, self._cause_of_death(worker))
            return
        yield from self._handle(worker, message)

    def _handle(self, worker: _Worker, message: tuple[Any, ...]) -> Iterator[CellResult]:
        kind = message[0]
        if kind == "started":
            worker.cell = message[1]
            worker.deadline = time.monotonic() + self._limit(message[1])
        elif kind == "result":
            result: CellResult = message[1]
            worker.done.add(result.index)
            worker.cell = None
            worker.deadline = time.monotonic() + START_LIMIT
            yield result
        else:
            worker.ready, worker.group, worker.cell = True, None, None
            worker.deadline = math.inf

    def _give(self, worker: _Worker, group: Group) -> None:
        worker.group = group
        worker.done.clear()
        worker.deadline = time.monotonic() + START_LIMIT
        self._send(worker, group)

    def _end_the_late(self, schedule: Schedule) -> Iterator[CellResult]:
        now = time.monotonic()
        for worker in [worker for worker in self._workers if worker.deadline <= now]:
            limit = self._limit(worker.cell) if worker.cell is not None else START_LIMIT
            reason = CellTimeoutError(f"took longer than {limit:g} s and was stopped")
            yield from self._bury(worker, schedule, reason)

    @staticmethod
    def _cause_of_death(worker: _Worker) -> WorkerDiedError:
        code = worker.process.wait()
        cause = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                cause = signal.Signals(-code).name
        words = worker.last_words()
        return WorkerDiedError(f"the codec's process died ({cause}){': ' + words if words else ''}")

    def _bury(self, worker: _Worker, schedule: Schedule, reason: Exception) -> Iterator[CellResult]:
        """Remove a worker; blame the cell it was at and hand the rest of its group on."""
        worker.kill()
        self._workers.discard(worker)
        if not worker.ready:
            raise RunError(f"a worker process can't start: {reason}")
        if worker.group is None:
            return
        left = [task for task in worker.group.tasks if task.index not in worker.done]
        if not left:
            return
        # Without a cell of its own to blame it died between two: the next one pays, so that a
        # worker that always dies there can't go on for ever.
        blamed = next((task for task in left if task.index == worker.cell), left[0])
        rest = tuple(task for task in left if task is not blamed)
        if rest:
            schedule.put_back(replace(worker.group, tasks=rest))
        yield CellResult(blamed.index, error=str(reason))

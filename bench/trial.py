"""Calls of a codec in a process of their own: what hangs or crashes there is told, not suffered.

``python -m bench.trial`` reads a pickled :class:`Job` from stdin and writes one pickled
:class:`Answer` per call to what was stdout; what the codec prints lands on stderr.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal

import psutil

from bench.cards import CodecCard
from bench.codec import Quality
from bench.image import Image

#: Seconds that importing and opening a codec may take.
START_LIMIT = 300.0


@dataclass(frozen=True)
class Encode:
    """Encode `image`; the answer: what encode returned, and whether it changed the image."""

    image: Image
    quality: Quality


@dataclass(frozen=True)
class Decode:
    """Decode `bitstream`: the answer is what decode returned."""

    bitstream: bytes


Call = Encode | Decode


@dataclass(frozen=True)
class Job:
    """What a process is to do."""

    card: CodecCard
    calls: tuple[Call, ...]
    threads: int


@dataclass(frozen=True)
class Answer:
    """What became of a call.

    `error` is empty where the call returned, else the exception's class and message, or how the
    process ended; `kind` says which of them.
    """

    value: Any = None
    error: str = ""
    kind: Literal["returned", "raised", "died", "hung"] = "returned"
    seconds: float = 0.0


def run_calls(
    card: CodecCard, calls: Sequence[Call], limit: float, threads: int = 1
) -> list[Answer]:
    """Return an answer for every call, all made in one fresh process.

    A call that takes that process down, or longer than `limit` seconds, has this as its answer,
    and the calls after it go on in another fresh process. What goes wrong while the codec is
    opened is the answer to every call.
    """
    answers: list[Answer] = []
    while len(answers) < len(calls):
        opened, found = _run(Job(card, tuple(calls[len(answers) :]), threads), limit)
        if not opened:
            return answers + found * (len(calls) - len(answers))
        answers += found
    return answers


def _run(job: Job, limit: float) -> tuple[bool, list[Answer]]:
    """Return whether the codec could be opened, and answers up to the first call that broke."""
    with tempfile.TemporaryFile() as log, _process(log) as process:
        assert process.stdin is not None
        inbox: queue.Queue[Answer | None] = queue.Queue()
        threading.Thread(target=_listen, args=(process, inbox), daemon=True).start()
        with contextlib.suppress(BrokenPipeError):
            pickle.dump((sys.path, job), process.stdin)
            process.stdin.close()
        answers: list[Answer] = []
        for number in range(len(job.calls) + 1):  # the first answer is that the codec is open
            allowed = limit if number else START_LIMIT
            try:
                answer = inbox.get(timeout=allowed)
            except queue.Empty:
                answer = Answer(error=f"no answer within {allowed:g} s", kind="hung")
            if answer is None:
                answer = Answer(error=_cause_of_death(process, log), kind="died")
            if number == 0:
                if answer.error:
                    return False, [answer]
                continue
            answers.append(answer)
            if answer.kind in ("died", "hung"):
                break
        return True, answers


@contextlib.contextmanager
def _process(log: IO[bytes]) -> Any:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "bench.trial"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.wait()


def _listen(process: subprocess.Popen[bytes], inbox: queue.Queue[Answer | None]) -> None:
    assert process.stdout is not None
    with process.stdout as stream, contextlib.suppress(OSError, pickle.UnpicklingError, EOFError):
        while True:
            inbox.put(pickle.load(stream))
    inbox.put(None)


def _cause_of_death(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    status = process.wait()
    log.seek(max(0, log.seek(0, os.SEEK_END) - 1000))
    said = log.read().decode("utf-8", "replace").strip().splitlines()
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"the process died ({how}){': ' + said[-1][:200] if said else ''}"


def main() -> None:
    """Do one job."""
    outbox = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.path[:], job = pickle.load(sys.stdin.buffer)

    def send(answer: Answer) -> None:
        pickle.dump(answer, outbox)
        outbox.flush()

    from bench.adapters.make import make_codec

    start = time.perf_counter()
    try:
        codec = make_codec(job.card)
        codec.open("cpu", job.threads)
    except Exception as error:  # noqa: BLE001  (a codec can raise anything; it becomes a record)
        send(Answer(error=_explain(error), kind="raised"))
        return
    send(Answer(seconds=time.perf_counter() - start))
    for call in job.calls:
        start = time.perf_counter()
        try:
            value = _make(codec, call)
        except Exception as error:  # noqa: BLE001
            answer = Answer(error=_explain(error), kind="raised")
        else:
            answer = Answer(value, seconds=time.perf_counter() - start)
        try:
            send(answer)
        except Exception as error:  # noqa: BLE001  (what the codec returned can't be pickled)
            send(Answer(error=f"returned what can't leave the process: {error}", kind="raised"))
    codec.close()


def _make(codec: Any, call: Call) -> Any:
    if isinstance(call, Decode):
        return codec.decode(call.bitstream)
    before = call.image.pixels.copy()
    bitstream = codec.encode(call.image, call.quality)
    return bitstream, bool((before != call.image.pixels).any())


def _explain(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


if __name__ == "__main__":
    # Classes must be those of the module that the other side knows.
    from bench import trial

    trial.main()

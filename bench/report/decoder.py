"""Decodes pictures in processes of their own: a decoder that crashes or hangs costs one picture.

A child is this module, run as a program. Pickled requests go to its stdin and answers come back
on what was its stdout, as with the engine's workers.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from bench.cards import CodecCard
from bench.engine.worker import limit_threads, private_streams, thread_environment
from bench.errors import BenchError

Pixels = npt.NDArray[np.uint8]

#: Seconds for what a codec loads at its first picture, besides those for decoding.
START_LIMIT = 120.0
#: Crashes and time-outs after which a codec's further pictures are not tried.
_MOST_DEATHS = 2


class PictureError(BenchError):
    """A picture that could not be decoded: the reason."""


@dataclass(eq=False)
class Decoder:
    """Decodes bitstreams in a child process, which is started anew where it has died."""

    _process: subprocess.Popen[bytes] | None = None
    _log: IO[bytes] | None = None
    _opened: set[str] = field(default_factory=set)
    _deaths: Counter[str] = field(default_factory=Counter)

    def decode(self, codec: str, card: CodecCard, bitstream: bytes, limit: float) -> Pixels:
        """Return the picture that a bitstream holds, shape (height, width, 3).

        Parameters
        ----------
        codec : what the report calls the codec of `card`.
        limit : seconds that it may take; a codec's first picture gets :data:`START_LIMIT` more.

        Raises
        ------
        PictureError : what went wrong, a crash and a time-out among it.
        """
        if self._deaths[codec] >= _MOST_DEATHS:
            raise PictureError(f"not tried after {_MOST_DEATHS} crashes of the codec")
        if codec not in self._opened:
            limit += START_LIMIT
        answer, value = self._ask((codec, card, bitstream), limit, codec)
        self._opened.add(codec)
        if answer == "error":
            raise PictureError(value)
        pixels: Pixels = value
        return pixels

    def close(self) -> None:
        """End the child."""
        if self._process is None:
            return
        if hasattr(os, "killpg"):
            # It leads a session of its own: programs that a codec started end with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process, self._log = None, None
        self._opened.clear()

    def _ask(self, request: object, limit: float, codec: str) -> tuple[str, Any]:
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit, end)
        timer.start()
        try:
            pickle.dump(request, process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
            answer: tuple[str, Any] = pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            timer.cancel()
            self._deaths[codec] += 1
            why = f"took longer than {limit:.0f} s" if late.is_set() else self._cause_of_death()
            self.close()
            raise PictureError(why) from None
        finally:
            timer.cancel()
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the child)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.report.decoder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            env={
                **os.environ,
                **thread_environment(1),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
        )
        return self._process

    def _cause_of_death(self) -> str:
        assert self._process is not None
        assert self._log is not None
        code = self._process.wait()
        cause = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                cause = signal.Signals(-code).name
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - 2000))
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        words = " ".join(lines[-1].split())[:200] if lines else ""
        return f"the codec's process died ({cause})" + (f": {words}" if words else "")


class Decoders:
    """As many decoders as may work at once; any thread may ask.

    Parameters
    ----------
    count : of child processes, started when they are first needed.
    """

    def __init__(self, count: int) -> None:
        # A codec that crashes is given up by all of them.
        deaths: Counter[str] = Counter()
        self._all = [Decoder(_deaths=deaths) for _ in range(count)]
        self._idle: queue.LifoQueue[Decoder] = queue.LifoQueue()
        for decoder in self._all:
            self._idle.put(decoder)
        self._closed = False

    def decode(self, codec: str, card: CodecCard, bitstream: bytes, limit: float) -> Pixels:
        """See :meth:`Decoder.decode`; waits until a decoder is idle."""
        decoder = self._idle.get()
        try:
            if self._closed:
                raise PictureError("the report was stopped")
            return decoder.decode(codec, card, bitstream, limit)
        finally:
            self._idle.put(decoder)

    def close(self) -> None:
        """End the children; who still waits for one gets a PictureError."""
        self._closed = True
        for decoder in self._all:
            decoder.close()


def main() -> None:
    """Answer requests until stdin ends."""
    from bench.adapters.make import make_codec, missing
    from bench.codec import Codec

    inbox, outbox = private_streams()
    limit_threads(1)
    codecs: dict[str, Codec] = {}

    def decode(name: str, card: CodecCard, bitstream: bytes) -> Pixels:
        if name not in codecs:
            if lacking := missing(card):
                raise BenchError(str(lacking))
            codec = make_codec(card)
            codec.open()
            codecs[name] = codec
        return codecs[name].decode(bitstream).pixels

    with contextlib.suppress(EOFError):
        while True:
            request = pickle.load(inbox)
            answer: tuple[str, Pixels | str]
            try:
                answer = ("ok", decode(*request))
            except BenchError as error:
                answer = ("error", str(error))
            except Exception as error:  # noqa: BLE001  (the codec's edge: a reason, not a crash)
                answer = ("error", f"{type(error).__name__}: {error}")
            pickle.dump(answer, outbox, protocol=pickle.HIGHEST_PROTOCOL)
            outbox.flush()
    for codec in codecs.values():
        codec.close()


if __name__ == "__main__":
    main()

"""A worker process: ``python -m bench.engine.worker``.

Pickled messages come in on stdin and go out on what was stdout. What a codec prints lands on
stderr, which the parent keeps in a file and quotes when the process dies. The process ends when
its parent does, in the middle of a cell too.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from typing import IO, Any


def main() -> None:
    """Serve groups until stdin ends."""
    inbox, outbox = private_streams()
    tasks: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_listen, args=(inbox, tasks), daemon=True).start()

    def send(*message: object) -> None:
        pickle.dump(message, outbox, protocol=pickle.HIGHEST_PROTOCOL)
        outbox.flush()

    sys.path[:] = tasks.get()
    setup = tasks.get()
    limit_threads(setup.threads)

    from bench.engine.cells import CellRunner

    runner = CellRunner(setup, started=lambda index: send("started", index))
    send("idle")
    while True:
        group = tasks.get()
        for result in runner.run(group):
            send("result", result)
        send("idle")


def limit_threads(threads: int) -> None:
    """Tell the libraries that have a thread pool of their own how many threads to use."""
    import cv2

    cv2.setNumThreads(threads)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)


def thread_environment(threads: int) -> dict[str, str]:
    """Return the environment variables that say the same to libraries not yet loaded."""
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "RAYON")
    return {f"{name}_NUM_THREADS": str(threads) for name in names}


def private_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Return stdin and stdout for our messages alone; prints of codecs go to stderr."""
    inbox = os.fdopen(os.dup(0), "rb")
    outbox = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    return inbox, outbox


def _listen(inbox: IO[bytes], tasks: queue.Queue[Any]) -> None:
    while True:
        try:
            tasks.put(pickle.load(inbox))
        except EOFError:
            _end()


def _end() -> None:
    """End this process and the programs it started: the parent is gone or wants no more."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main()

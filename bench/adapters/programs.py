"""Running an external program: no shell, a time limit, its words in the error, none left over."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import psutil

from bench.errors import CellTimeoutError, CodecError, UnavailableError

#: Bytes of a program's output that are kept, from its end.
_KEPT = 4000


def find_program(name: str) -> Path:
    """Return where the program is. Raises UnavailableError.

    Links are not followed: some programs go by the name they are called by, and the python of a
    virtual environment by the place.
    """
    found = shutil.which(name)
    if found is None:
        raise UnavailableError(f"the program {name} is not on the PATH")
    return Path(found).absolute()


def run_program(argv: Sequence[str], folder: Path, timeout: float, threads: int) -> str:
    """Run a program to its end and return the last of what it wrote to stdout and stderr.

    It stays in our process group, so that whoever ends our group ends it too.

    Parameters
    ----------
    argv : the program and its arguments.
    folder : its working directory.
    timeout : seconds it may take; then it is killed with everything it started.
    threads : what OpenMP inside it is told.

    Raises
    ------
    CodecError : it can't be started, was killed by a signal or exited with another status than 0.
    CellTimeoutError : it took longer than `timeout`.
    """
    name = Path(argv[0]).name
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
    except OSError as error:
        raise CodecError(f"{name} can't be started: {error.strerror}") from None
    output = _Tail(process)
    try:
        status = output.wait(timeout)
    finally:
        _kill_tree(process)
    if status is None:
        raise CellTimeoutError(f"{name} took longer than {timeout:g} s and was stopped")
    words = output.text()
    if status:
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        raise CodecError(f"{name} failed ({how}): {last_lines(words)}")
    return words


def last_lines(text: str, count: int = 3) -> str:
    """Return the last lines of `text` as one line of at most 300 characters."""
    # A progress bar rewrites its line; what it says is no reason.
    lines = [line.rpartition("\r")[2].strip() for line in text.rstrip().split("\n")]
    said = " | ".join(line for line in lines[-count:] if line)
    said = "".join(sign if sign.isprintable() else "?" for sign in said)
    return said[-300:] or "it said nothing"


@cache
def program_digest(program: Path) -> str:
    """Return the SHA-256 over a program and, on Linux, the shared libraries it is linked to.

    What it opens by itself at run time is not seen.
    """
    sha = hashlib.sha256()
    for path in (program, *_libraries(program)):
        with path.open("rb") as file:
            sha.update(hashlib.file_digest(file, "sha256").digest())
    return sha.hexdigest()


def _libraries(program: Path) -> list[Path]:
    with program.open("rb") as file:
        linked = file.read(4) == b"\x7fELF"
    if not linked or shutil.which("ldd") is None:
        return []
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [Path(path) for path in re.findall(r"=> (/\S+)", listed)]


class _Tail:
    """Reads a program's output as it comes and keeps the end of it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._process = process
        self._stream = process.stdout
        self._kept = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream:
            while chunk := os.read(self._stream.fileno(), 65536):
                self._kept = (self._kept + chunk)[-_KEPT:]

    def wait(self, timeout: float) -> int | None:
        """Return the exit status, or None when the time is over."""
        end = time.monotonic() + timeout
        # The end of the output tells the end of the program at once, while `Popen.wait` with a
        # limit sleeps up to 50 ms, which would be in every timing. A program that leaves a child
        # behind, or that closes its output early, is met by looking now and then.
        while (left := end - time.monotonic()) > 0:
            self._thread.join(min(left, 0.5))
            if not self._thread.is_alive():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return self._process.wait(max(0.0, end - time.monotonic()))
            elif self._process.poll() is not None:
                return self._process.returncode
        return None

    def text(self) -> str:
        """Return what was written last."""
        self._thread.join(timeout=1)
        return self._kept.decode("utf-8", "replace")


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, with all it started."""
    if process.poll() is not None:
        return
    family = [psutil.Process(process.pid)]
    with contextlib.suppress(psutil.Error):
        family += family[0].children(recursive=True)
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()
    process.wait()

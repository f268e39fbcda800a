"""A file over HTTP: resumed where it broke, verified before it counts."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256 as new_sha256
from pathlib import Path

from bench.data.http import BrokenError, free_space, new_session, request
from bench.data.partial import CHUNK, Partial
from bench.errors import DownloadError
from bench.text import size as as_size

log = logging.getLogger("bench")

#: Tries without progress in between before a download is given up.
TRIES = 5
#: Seconds before the second try; doubled each time.
BACKOFF = 1.0


@dataclass(frozen=True)
class Fetched:
    """A file that has arrived: where it is, its bytes and its digest in hexadecimal."""

    path: Path
    size: int
    sha256: str


def download(
    url: str,
    target: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    label: str = "",
) -> Fetched:
    """Bring the file at `url` to `target`, whose folder is made where it is missing.

    What an earlier call left behind is resumed if the server's file is still the same. `target`
    appears only when it is whole and verified; if it is there already, it is verified. Two
    processes can ask for the same file: one downloads, the other waits.

    Parameters
    ----------
    size : bytes it must have; None where that is not published.
    sha256 : digest it must have, in hexadecimal; None where none is published.
    label : what the progress bar is called; the file's name if left out.

    Raises
    ------
    DownloadError : the server refuses or can't be reached, the file has another size or digest,
        the disk is full or can't be written; what to do is said.
    """
    with writing(target), one_at_a_time(target.with_name(f".{target.name}.lock"), str(target)):
        if target.is_file():
            fetched = _existing(target)
        else:
            part = Partial(target.with_name(f"{target.name}.part"), url)
            part.load()
            _transfer(part, size, sha256, label or target.name)
            fetched = Fetched(part.path, part.length, part.hash.hexdigest())
            if part.resumed and _wrong(fetched, size, sha256):
                # The two ends may be of two versions of the file.
                part.discard()
                _transfer(part, size, sha256, label or target.name)
                fetched = Fetched(part.path, part.length, part.hash.hexdigest())
        problem = _wrong(fetched, size, sha256)
        if problem:
            fetched.path.unlink()
        else:
            fetched.path.replace(target)
        target.with_name(f"{target.name}.part.json").unlink(missing_ok=True)
        if problem:
            raise DownloadError(f"{url}: {problem}; what was downloaded is deleted")
    return Fetched(target, fetched.size, fetched.sha256)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = new_sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _existing(path: Path) -> Fetched:
    return Fetched(path, path.stat().st_size, file_digest(path))


def _wrong(fetched: Fetched, size: int | None, sha256: str | None) -> str:
    if size is not None and fetched.size != size:
        return f"{fetched.size:,} bytes arrived, {size:,} were expected"
    if sha256 is not None and fetched.sha256 != sha256:
        return f"the SHA-256 is {fetched.sha256}, expected was {sha256}"
    return ""


def _transfer(part: Partial, size: int | None, sha256: str | None, label: str) -> None:
    """Request until the part is whole."""
    from tqdm import tqdm

    left = TRIES
    with (
        new_session() as session,
        tqdm(desc=label, unit="B", unit_scale=True, disable=None) as bar,
    ):
        if bar.disable:  # no terminal
            log.info("downloading %s", part.url)
        while True:
            before = part.length
            try:
                return request(session, part, size, sha256, bar)
            except BrokenError as broken:
                # A line that breaks every few minutes gets there all the same.
                left = TRIES if part.length >= before + CHUNK else left - 1
                if left <= 0:
                    later = ". Start again later: it goes on where it was" if part.length else ""
                    raise DownloadError(
                        f"{part.url}: {broken}; given up after {TRIES} tries{later}"
                    ) from None
                wait = max(broken.wait, BACKOFF * 2 ** (TRIES - left - 1))
                log.info("%s: %s; again in %.0f s", label, broken, wait)
                time.sleep(wait)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Make the folder of `target`, and say what to do where the disk is full or closed to us."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DownloadError(
                f"the disk of {target.parent} is full ({as_size(free_space(target.parent))} free); "
                "make room, or name another folder in BENCH_HOME, and start again"
            ) from None
        raise DownloadError(
            f"{error.filename or target} can't be written: {error.strerror or error}; BENCH_HOME "
            "can name another folder"
        ) from None


@contextmanager
def one_at_a_time(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock file; while another process holds it, say so and wait."""
    from filelock import FileLock, Timeout

    holder = FileLock(lock)
    try:
        holder.acquire(timeout=0)
    except Timeout:
        log.info("waiting for another process that is getting %s", what)
        holder.acquire()
    try:
        yield
    finally:
        holder.release()

"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.errors import UsageError


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a name to write to; what is there at the end becomes `path`, and its folder is made.

    Raises
    ------
    UsageError : the place can't be written to (no permission, a full disk).
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise UsageError(f"can't write {path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8 with the line ends that `text` has. Raises UsageError."""
    with whole(path) as part:
        part.write_text(text, "utf-8", newline="")

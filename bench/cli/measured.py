"""A run's folder for commands that read one: named by the user, or measured first."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import UsageError

HELP = (
    "measure first: the arguments of bench run in one word, such as '--codecs ./mine.py "
    "--images 4'; RUN may then be left out"
)


@contextmanager
def run_folder(run: str | None, measure: str | None) -> Iterator[Path]:
    """Yield the run's folder; measure into it first where that is asked for, into one that goes
    away again where none is named. Raises UsageError where there is neither.
    """
    if measure is None:
        if not run:
            raise UsageError("name the run's folder, or measure one with --measure 'ARGUMENTS'")
        yield Path(run)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        out = run or str(Path(folder) / "run")
        _measure(measure, out)
        yield Path(out)


def in_words(run: str | None, measure: str | None) -> str:
    """Return how to name that run on another command line."""
    return run or (f"--measure {shlex.quote(measure)}" if measure else "")


def _measure(arguments: str, out: str) -> None:
    from bench.cli import run

    parser = argparse.ArgumentParser(prog="--measure", add_help=False)
    run.add_arguments(parser)
    parser.set_defaults(report="none")  # who wants one asks for it
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise UsageError(f"--measure: {error}: {arguments}") from None
    # Cells that fail are the reader's to judge.
    run.main(parser.parse_args([*words, "--out", out, "--quiet"]))

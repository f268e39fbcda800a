"""`bench baseline`: write, update and check the files that `bench gate` compares with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.measured import HELP, in_words, run_folder
from bench.errors import UsageError
from bench.text import plural

if TYPE_CHECKING:
    from bench.gate.baseline import Baseline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    write = commands.add_parser("write", help="write a baseline from a run")
    update = commands.add_parser("update", help="replace a baseline, and show what moved")
    for command, more in (write, "[--force]"), (update, "[--dry-run]"):
        command.usage = (
            f"bench baseline {command.prog.split()[-1]} [--measure ARGS] {more} [RUN] FILE"
        )
        command.add_argument("paths", nargs="+", metavar="[RUN] FILE", help="the run's folder; the "
                             "baseline, to be committed")  # fmt: skip
        command.add_argument("--measure", metavar="ARGS", help=HELP)
    write.add_argument("--force", action="store_true", help="replace a file that is there")
    update.add_argument("--dry-run", action="store_true", help="show what moved and stop")
    check = commands.add_parser("check", help="tell sound baselines from cut and edited ones")
    check.add_argument("files", nargs="+", metavar="FILE")


def main(args: argparse.Namespace) -> int:
    """Do it; return the exit code."""
    from bench.gate.baseline import read_baseline, write_baseline
    from bench.gate.record import baseline_of

    if args.action == "check":
        for file in args.files:
            baseline = read_baseline(file)
            print(f"{file}: {_contents(baseline)}")
        return 0
    run, file = _run_and_file(args.paths, args.measure)
    if args.action == "write" and Path(file).exists() and not args.force:
        raise UsageError(
            f"{file} is there already; to see what moves: bench baseline update "
            f"{in_words(run, args.measure)} {file}; to replace it unseen: --force"
        )
    # A baseline that can't be read is told before anything is measured.
    was = read_baseline(file) if args.action == "update" else None
    with run_folder(run, args.measure) as folder:
        now = baseline_of(folder)
    if was is not None:
        from bench.gate.moved import moved

        print(moved(was, now))
        if args.dry_run:
            return 0
    write_baseline(now, file)
    print(f"{file}: {_contents(now)}")
    return 0


def _run_and_file(paths: list[str], measure: str | None) -> tuple[str | None, str]:
    match paths:
        case [run, file]:
            return run, file
        case [file] if measure is not None:
            return None, file
    raise UsageError(
        "name the run's folder and the baseline's file, or the file alone with --measure "
        f"'ARGUMENTS', not {' '.join(paths)}"
    )


def _contents(baseline: Baseline) -> str:
    cells, codecs = len(baseline.cells), len(baseline.codecs)
    return f"{plural(cells, 'cell')} of {plural(codecs, 'codec')}"

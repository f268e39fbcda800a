"""`bench baseline`: write, update and check the files that `bench gate` compares with."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    write = commands.add_parser("write", help="write a baseline from a run")
    update = commands.add_parser("update", help="replace a baseline, and show what moved")
    for command in (write, update):
        command.add_argument("run", metavar="RUN", help="the run's folder")
        command.add_argument("file", metavar="FILE", help="the baseline, to be committed")
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
            print(f"{file}: {len(baseline.cells)} cells of {len(baseline.codecs)} codecs")
        return 0
    if args.action == "write":
        if Path(args.file).exists() and not args.force:
            raise UsageError(
                f"{args.file} is there already; to see what moves: bench baseline update "
                f"{args.run} {args.file}; to replace it unseen: --force"
            )
        baseline = baseline_of(args.run)
        write_baseline(baseline, args.file)
        print(f"{args.file}: {len(baseline.cells)} cells of {len(baseline.codecs)} codecs")
        return 0
    from bench.gate.moved import moved

    was, now = read_baseline(args.file), baseline_of(args.run)
    print(moved(was, now))
    if not args.dry_run:
        write_baseline(now, args.file)
        print(f"{args.file}: {len(now.cells)} cells of {len(now.codecs)} codecs")
    return 0

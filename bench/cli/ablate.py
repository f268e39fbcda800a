"""`bench ablate`: what each tool of a codec is worth."""

from __future__ import annotations

import argparse
import json
import shutil
import sys

from bench.ablation import METRICS, ablate
from bench.cli.run import add_run_options, end_on_sigterm, execution, planning


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench ablate`."""
    add = parser.add_argument
    add("base", metavar="BASE", help="the codec whose variants are compared with it")
    add("--variants", metavar="LIST", help="names, globs, cards and folders to look for variants "
        "in [the catalogue]")  # fmt: skip
    add("--metrics", default=",".join(METRICS), metavar="LIST",
        help=f"metrics to compare on [{','.join(METRICS)}]")  # fmt: skip
    add("--json", action="store_true", help="print the table as JSON, as in ablation.json")
    add("--quiet", action="store_true", help="no progress, no table")
    add_run_options(parser)


def main(args: argparse.Namespace) -> int:
    """Measure, print the table, return the exit code."""
    from bench.report.ablation_text import ablation_json, ablation_text

    what = {**planning(args), **execution(args)}
    end_on_sigterm()
    done = ablate(
        args.base, args.dataset, variants=args.variants, metrics=args.metrics, quiet=args.quiet,
        **what,
    )  # fmt: skip
    if args.json:
        print(json.dumps(ablation_json(done.ablation), indent=1, ensure_ascii=False))
    elif not args.quiet:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print(ablation_text(done.ablation, width))
        print(f"\n{done.run.folder}")
    return 3 if done.run.failed else 0

"""`bench export`: a run as tables, or in the formats of other tools."""

from __future__ import annotations

import argparse
from pathlib import Path

#: As in :data:`bench.report.exports.FORMATS`, which is not imported for `--help`.
FORMATS = ("csv", "parquet", "latex", "markdown", "compressai", "codec-compare", "figures")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.add_argument("--to", required=True, choices=FORMATS, help="the format")
    parser.add_argument("--out", metavar="DIR", help="default: exports/FORMAT in the run's folder")


def main(args: argparse.Namespace) -> int:
    """Write the files and print their names; return 0."""
    from bench.analysis.sources import open_results
    from bench.report.exports import export

    results = open_results(args.run)
    out = Path(args.out) if args.out else results.path.parent / "exports" / args.to
    for path in export(results, args.to, out):
        print(path)
    return 0

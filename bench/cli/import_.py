"""`bench import`: keep a results file of CompressAI as a curve to compare with."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE.json", help="left out: list what there is"
    )
    parser.add_argument(
        "--name", default="", help="what to call it (one file); its own name if left out"
    )
    parser.add_argument("--replace", action="store_true", help="replace another curve of that name")


def main(args: argparse.Namespace) -> int:
    """Import the files, or list what was imported; return 0."""
    from bench.analysis.foreign import PREFIX, import_file, imported, read_foreign
    from bench.errors import UsageError
    from bench.text import table

    if args.name and len(args.files) != 1:
        raise UsageError("--name goes with one file")
    if not args.files:
        curves = {name: read_foreign(path) for name, path in imported().items()}
        rows = [
            (PREFIX + n, len(c.rate), ", ".join(c.values), c.dataset) for n, c in curves.items()
        ]
        print(
            table(("name", "points", "metrics", "data set"), rows, "lrll") if rows else "none yet"
        )
        return 0
    for file in args.files:
        name = import_file(file, args.name, replace=args.replace)
        curve = read_foreign(file)
        print(f"{PREFIX}{name}: {len(curve.rate)} points, {', '.join(curve.values)}")
    print(f"compare with it: bench compare RUN {PREFIX}{name}")
    return 0

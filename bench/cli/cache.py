"""`bench cache`: see and prune the measurement cache."""

from __future__ import annotations

import argparse
import re
from contextlib import closing

from bench import paths
from bench.engine.store import Store, blob_limit, parse_size
from bench.errors import UsageError
from bench.text import size, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `bench cache`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("show", help="what is in it and where it is (the default)")
    prune = actions.add_parser(
        "prune", help="drop the bitstreams unused longest; measurements stay"
    )
    prune.add_argument("--max-size", metavar="SIZE", help="keep at most this much, e.g. 500MB")
    prune.add_argument("--unused-for", metavar="AGE", help="drop what is unused so long: 30d, 12h")
    clear = actions.add_parser("clear", help="drop measurements and bitstreams")
    clear.add_argument("--codec", metavar="NAME", help="of this codec only")


def main(args: argparse.Namespace) -> int:
    """Show, prune or clear."""
    with closing(Store(paths.cache_dir())) as store:
        if args.action == "prune":
            freed = store.prune(
                max_bytes=parse_size(args.max_size) if args.max_size else _default(args),
                unused_for_s=_seconds(args.unused_for) if args.unused_for else None,
            )
            print(f"{size(freed)} of bitstreams dropped")
        elif args.action == "clear":
            gone = store.forget(args.codec)
            if args.codec and not gone:
                raise UsageError(f"the cache holds nothing of a codec {args.codec!r}")
            print(f"{gone} cells dropped")
        else:
            _show(store)
    return 0


def _default(args: argparse.Namespace) -> int | None:
    """Return the limit that runs keep to, unless an age is all that was asked for."""
    return None if args.unused_for else blob_limit()


def _show(store: Store) -> None:
    usage = store.usage()
    print(f"{store.folder}")
    print(
        f"{usage.cells} cells with {usage.values} metric values ({size(usage.database_bytes)}), "
        f"{usage.blobs} bitstreams ({size(usage.blob_bytes)}; limit {size(blob_limit())}, "
        "BENCH_CACHE_LIMIT)"
    )
    if codecs := store.by_codec():
        rows = [(name, cells, size(n_bytes)) for name, cells, n_bytes in codecs]
        print(table(("codec", "cells", "bitstreams"), rows, "lrr"))


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if not match:
        raise UsageError(f"an age such as 30d, 12h or 45m was expected, not {text!r}")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]

"""`bench metrics`: list, show and get metrics, and compare two images."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from bench.text import table

EPILOG = """\
`bench metrics compare` prints how near DECODED is to ORIGINAL; NA comes with its reason. In JSON
an infinite value (the PSNR of identical images) is the string "inf", NA is null.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EPILOG
    _json(parser, False)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    _json(actions.add_parser("list", help="every metric and its state (the default)"))
    show = actions.add_parser("show", help="everything about some metrics")
    show.add_argument("names", nargs="+", metavar="NAME")
    _json(show)
    get = actions.add_parser("get", help="fetch the weights that some metrics need")
    get.add_argument("names", nargs="+", metavar="NAME")
    get.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="take them from a file instead"
    )
    compare = actions.add_parser("compare", help="measure one image file against another")
    compare.add_argument("original", type=Path, metavar="ORIGINAL")
    compare.add_argument("decoded", type=Path, metavar="DECODED")
    compare.add_argument("--metrics", metavar="LIST", help="names, globs, all (default: default)")
    _json(compare)


def main(args: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    actions = {"show": _show, "get": _get, "compare": _compare}
    return actions.get(args.action, _list)(args)


def _json(parser: argparse.ArgumentParser, default: bool | None = None) -> None:
    # A sub-command's own default would overwrite what stands before it on the line.
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS if default is None else default,
        help="print JSON",
    )


def _list(args: argparse.Namespace) -> int:
    from bench.metrics.describe import describe_all

    found = describe_all()
    if args.json:
        print(json.dumps([each.to_json() for each in found], indent=2, ensure_ascii=False))
        return 0
    headers = ("metric", "state", "better", "range", "unit", "version", "needs", "reference")
    rows = [
        (m.name, m.state, m.direction, m.span, m.unit, m.version, m.needs, m.reference)
        for m in found
    ]
    print(table(headers, rows))
    for each in found:
        if each.missing:
            print(f"\n{each.name}: {each.missing}")
    return 0


def _show(args: argparse.Namespace) -> int:
    from bench.metrics.describe import describe

    found = [describe(name) for name in args.names]
    if args.json:
        print(json.dumps([each.to_json() for each in found], indent=2, ensure_ascii=False))
        return 0
    for number, each in enumerate(found):
        if number:
            print()
        fields = {
            "metric": each.name,
            "title": each.title,
            "what": each.description,
            "state": f"{each.state}{': ' + each.missing if each.missing else ''}",
            "better": each.direction,
            "range": f"{each.span} {each.unit}".rstrip(),
            "needs": each.needs or "any image",
            "reference": each.reference,
            "from": each.origin,
            "identity": each.identity,
        }
        for label, text in fields.items():
            if text:
                print(f"{label:<10} {text}")
    return 0


def _get(args: argparse.Namespace) -> int:
    from bench.errors import UsageError
    from bench.registry import metrics

    if args.source and len(args.names) > 1:
        raise UsageError("--from FILE holds the weights of one metric; name one")
    for metric in [metrics().get(name)() for name in args.names]:
        place = metric.fetch(args.source)
        print(f"{metric.name}: {place}" if place else f"{metric.name} needs nothing")
    return 0


def _compare(args: argparse.Namespace) -> int:
    from bench.metrics.measure import compare_files
    from bench.registry import metrics

    values = compare_files(args.original, args.decoded, args.metrics)
    if args.json:
        records = [
            {
                "metric": name,
                "value": "inf" if value.value == math.inf else value.value,
                "reason": value.reason or None,
            }
            for name, value in values.items()
        ]
        print(json.dumps(records, indent=2, ensure_ascii=False))
        return 0
    rows = []
    for name, value in values.items():
        number = "NA" if value.value is None else f"{value.value:.6f}"
        unit = value.reason if value.value is None else metrics().get(name).unit
        rows.append((name, number, unit))
    print(table(("metric", "value", ""), rows, "lrl"))
    return 0

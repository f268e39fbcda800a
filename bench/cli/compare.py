"""`bench compare`: BD-rates of codecs, measured and published, against an anchor."""

from __future__ import annotations

import argparse
import json
import shutil
import sys

from bench.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="the folder of a run, published:NAME, imported:NAME, or a JSON file of CompressAI",
    )
    parser.add_argument(
        "--anchor",
        metavar="NAME",
        help="a codec of a run, or a curve as above; jpeg where present, else the first codec",
    )
    parser.add_argument("--metric", default="psnr", help="default: psnr")
    parser.add_argument(
        "--range",
        metavar="LO,HI",
        help="only this interval of quality; for ms-ssim in dB (default: all that both cover)",
    )
    parser.add_argument("--method", choices=("pchip", "akima", "cubic"), default="pchip")
    parser.add_argument(
        "--convention",
        choices=("mean", "mse"),
        default="mean",
        help="a curve's quality: mean of per-image values, or PSNR of the mean squared error",
    )
    parser.add_argument("--dataset", metavar="NAME", help="which one, where a run holds several")
    parser.add_argument("--json", action="store_true", help="a list with an object per codec")


def main(args: argparse.Namespace) -> int:
    """Print the table; return 0."""
    from bench.analysis.axis import axis_of
    from bench.analysis.compare import Comparer
    from bench.analysis.sources import gather
    from bench.report.bd_text import bd_json, bd_text

    axis = axis_of(args.metric)
    within = None if args.range is None else _range(args.range)
    compared = gather(args.sources, args.metric, args.anchor, args.dataset)
    comparer = Comparer(compared.anchor, args.method, within, args.convention)
    comparisons = [comparer.compare(test) for test in compared.tests]
    if args.json:
        print(json.dumps(bd_json(comparisons), indent=1, ensure_ascii=False, allow_nan=False))
        return 0
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(bd_text(comparisons, axis, width))
    return 0


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(word) for word in text.split(","))
    except ValueError:
        raise UsageError(f"--range: LO,HI was expected (28,40), not {text!r}") from None
    return low, high

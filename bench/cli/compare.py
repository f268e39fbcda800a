"""`bench compare`: BD-rates of codecs, measured and published, against an anchor."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.analysis.compare import Comparer
    from bench.analysis.sources import Comparees

log = logging.getLogger("bench")


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
        choices=("mean", "mse", "rate"),
        default="mean",
        help="what a curve's points are: means over images at each setting; with the PSNR of the "
        "mean squared error; or means at each rate, so that it does not count how a codec's "
        "settings spread rate over images",
    )
    parser.add_argument("--dataset", metavar="NAME", help="which one, where a run holds several")
    views = parser.add_mutually_exclusive_group()
    views.add_argument(
        "--images",
        action="store_true",
        help="image by image: where each codec saves most and least",
    )
    views.add_argument(
        "--at-rate",
        type=float,
        metavar="BPP",
        help="the quality of each codec at this rate, between its settings",
    )
    views.add_argument(
        "--at-quality",
        type=float,
        metavar="VALUE",
        help="the rate of each codec at this quality; for ms-ssim in dB",
    )
    views.add_argument(
        "--agreement",
        action="store_true",
        help="how far the metrics of a run agree on which decoding is the better",
    )
    parser.add_argument("--json", action="store_true", help="a list with an object per row")


def main(args: argparse.Namespace) -> int:
    """Print the table; return 0."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    text, values = (_agreement if args.agreement else _compared)(args, width)
    if args.json:
        print(json.dumps(values(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print(text())
    return 0


#: What is printed: as text, or as JSON values. Only one of the two is made.
_View = tuple[Callable[[], str], Callable[[], list[dict[str, Any]]]]


def _compared(args: argparse.Namespace, width: int | None) -> _View:
    from bench.analysis.axis import axis_of
    from bench.analysis.compare import Comparer
    from bench.analysis.sources import gather
    from bench.report.bd_text import bd_json, bd_text

    axis = axis_of(args.metric)
    within = None if args.range is None else _range(args.range)
    compared = gather(args.sources, args.metric, args.anchor, args.dataset)
    comparer = Comparer(compared.anchor, args.method, within, args.convention)
    if args.images:
        return _images(compared, comparer, width)
    if args.at_rate is not None or args.at_quality is not None:
        return _at_target(args, compared, comparer, width)
    comparisons = [comparer.compare(test) for test in compared.tests]
    return lambda: bd_text(comparisons, axis, width), lambda: bd_json(comparisons)


def _images(compared: Comparees, comparer: Comparer, width: int | None) -> _View:
    from bench.analysis.curves import ImageCurves
    from bench.analysis.images import rank_images
    from bench.report.image_text import images_text, records

    anchor = compared.anchor
    tests = [test for test in compared.tests if isinstance(test, ImageCurves)]
    if not (tests and isinstance(anchor, ImageCurves)):
        raise UsageError(
            "--images: two codecs measured on the same images are needed; "
            "of published and imported curves there are only means"
        )
    refused = {test.codec: reason for test in tests if (reason := comparer.refusal(test))}
    for codec, reason in refused.items():
        log.warning("%s is left out: %s", codec, reason.removeprefix(f"{codec}: "))
    tests = [test for test in tests if test.codec not in refused]
    ranking = rank_images(comparer, tests)
    text = partial(images_text, ranking, anchor.axis, anchor.codec, anchor.dataset, width)
    return text, lambda: records(ranking)


def _at_target(
    args: argparse.Namespace, compared: Comparees, comparer: Comparer, width: int | None
) -> _View:
    from bench.analysis.targets import Target, read_off
    from bench.report.image_text import readings_json, readings_text

    if args.range is not None:
        raise UsageError("--range belongs to BD-rates, not to a target")
    is_rate = args.at_rate is not None
    target = Target(args.at_rate if is_rate else args.at_quality, is_rate)
    readings = [read_off(comparer, one, target) for one in (compared.anchor, *compared.tests)]
    axis, dataset = compared.anchor.axis, compared.anchor.dataset
    text = partial(readings_text, readings, axis, target, dataset, width)
    return text, lambda: readings_json(readings, axis, target)


def _agreement(args: argparse.Namespace, _: int | None) -> _View:
    from bench.analysis.agreement import rank_correlation
    from bench.analysis.curves import the_dataset
    from bench.analysis.sources import open_results
    from bench.report.image_text import agreement_text, records

    if len(args.sources) != 1:
        raise UsageError("--agreement: one run was expected")
    results = open_results(args.sources[0])
    pairs = rank_correlation(results, args.dataset)
    dataset = args.dataset or the_dataset(results)
    return partial(agreement_text, pairs, dataset), lambda: records(pairs)


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(word) for word in text.split(","))
    except ValueError:
        raise UsageError(f"--range: LO,HI was expected (28,40), not {text!r}") from None
    return low, high

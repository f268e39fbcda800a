"""`bench run`: measure codecs over a data set."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

from bench.api import TIMEOUT, Run, check_jobs, make_request, plan_run, run
from bench.cli.report import PUBLISHED_HELP
from bench.engine.plan import Plan, Qualities
from bench.errors import UsageError
from bench.text import plural

#: What `--report` stands for.
REPORTS = {"none": (), "html": ("html",), "pdf": ("pdf",), "all": ("html", "pdf")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench run`."""
    add = parser.add_argument
    add("--codecs", default="all", metavar="LIST", help="names, groups (classical, …), globs, "
        "cards (./mine.yaml) and Python files (./mine.py), separated by commas [all]")  # fmt: skip
    add("--metrics", metavar="LIST", help="metrics to compute [psnr,psnr-y,ssim,ms-ssim,"
        "ms-ssim-db,lpips]; bpp and compression ratio always are")  # fmt: skip
    add("--dry-run", action="store_true", help="print the plan and stop")
    add("--quiet", action="store_true", help="no progress, no table")
    add_run_options(parser)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command that measures takes: on what, how, and where to."""
    add = parser.add_argument
    add("--dataset", default="kodak", metavar="NAME|FOLDER", help="data set or folder [kodak]")
    add("--quality", action="append", metavar="[CODEC=]LIST",
        help="settings to measure at, for all codecs or those of a name or glob; may be repeated, "
        "a codec's own coming before those for all [each codec's ladder]")  # fmt: skip
    add("--images", metavar="N|GLOB", help="the first N images, or those whose names match [all]")
    add("--jobs", type=int, metavar="N", help="worker processes of one thread each, 0 for none: "
        "all in this process, for a debugger [one per core]")  # fmt: skip
    add("--out", metavar="DIR", help="the run's folder [runs/DATASET-PLAN]; one that holds the "
        "same plan is continued")  # fmt: skip
    add("--no-cache", action="store_true", help="measure afresh; neither read nor fill the cache")
    add("--timing", action="store_true", help="measure speed: one worker, warm-up, repeats in "
        "times.csv, nothing from the cache")  # fmt: skip
    add("--repeats", type=int, metavar="N", help="repeats of the timing mode [5]")
    add("--threads", type=int, default=1, metavar="N", help="threads per codec in the timing mode")
    add("--timeout", type=float, default=TIMEOUT, metavar="S", help="seconds per cell [600]")
    add("--device", default="cpu", help="cpu, or a torch device such as cuda:0 [cpu]")
    add("--data-root", metavar="DIR", help="where a copy of the data set lies already")
    add("--download", action="store_true", help="fetch data sets and checkpoints that are missing")
    add("--report", choices=REPORTS, default="all", help="what to write beside the tables [all]")
    add("--published", metavar="LIST", help=PUBLISHED_HELP)


def main(args: argparse.Namespace) -> int:
    """Run, print the summary, return the exit code."""
    what = {"metrics": args.metrics, **planning(args)}
    if args.dry_run:
        request = make_request(args.codecs, args.dataset, **what)
        check_jobs(args.jobs, request)
        _print_plan(*plan_run(request))
        return 0
    end_on_sigterm()
    finished = run(args.codecs, args.dataset, **what, **execution(args), quiet=args.quiet)
    if not args.quiet:
        _print_run(finished)
    return 3 if finished.failed else 0


def planning(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of :func:`bench.run` that decide which rows there are. Raises
    UsageError.
    """
    if args.repeats is not None and not args.timing:
        raise UsageError("--repeats belongs to --timing")
    return {
        "quality": parse_quality(args.quality),
        "images": parse_images(args.images),
        "repeats": (args.repeats or 5) if args.timing else None,
        "threads": args.threads,
        "device": args.device,
        "data_root": args.data_root,
        "download": args.download,
    }


def execution(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of :func:`bench.run` that say how to get the rows, and where to."""
    return {
        "jobs": args.jobs,
        "out": args.out,
        "cache": not args.no_cache,
        "timeout": args.timeout,
        "report": REPORTS[args.report],
        "published": args.published,
    }


def end_on_sigterm() -> None:
    """End as on Ctrl-C on what CI and batch systems send: keep and write what was measured."""
    signal.signal(signal.SIGTERM, _interrupt)


def parse_quality(values: list[str] | None) -> Qualities | None:
    """Return ``["10,50"]`` as a list for all codecs, ``["jpeg=10,50"]`` as a mapping, and both
    forms as one in which what is for all comes first: of patterns that match, the last counts.

    Raises UsageError for what is no number.
    """
    if not values:
        return None
    pairs = [value.rpartition("=") for value in values]
    named = {name: _numbers(numbers) for name, sep, numbers in pairs if sep}
    plain = [number for _, sep, numbers in pairs if not sep for number in _numbers(numbers)]
    if named and plain:
        return {"*": plain, **named}
    return named or plain


def parse_images(value: str | None) -> int | str | None:
    """Return a number of images, or a glob."""
    return int(value) if value is not None and value.isdecimal() else value


def _numbers(text: str) -> list[int | float]:
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise UsageError(
            f"--quality: numbers separated by commas were expected, not {text!r}"
        ) from None


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _print_plan(plan: Plan, known: int) -> None:
    print(f"{plan.dataset.title}: {len(plan.images)} images")
    for codec in plan.codecs:
        settings = ", ".join(f"{quality:g}" for quality in codec.qualities)
        print(f"  {codec.card.name} [{codec.codec_id}] {codec.card.quality.label} {settings}")
    for name, reason in plan.left_out:
        print(f"  left out: {name}: {reason}")
    print(f"metrics: {', '.join(plan.metrics)}")
    unreadable = [image for image in plan.images if image.error]
    for image in unreadable:
        print(f"  can't be measured: {image.name}: {image.error}")
    print(f"cells: {len(plan.cells)}, of which {known} need no work")


def _print_run(finished: Run) -> None:
    from bench.report.terminal import summary_table

    cells = finished.info["cells"]
    print(summary_table(finished))
    for name, reason in finished.info["left_out"].items():
        print(f"left out: {name}: {reason}", file=sys.stderr)
    print(
        f"{cells['total']} cells: {cells['measured']} measured, {cells['scored']} scored from kept "
        f"bitstreams, {cells['cached']} from the cache, {cells['failed']} failed; "
        f"{finished.info['seconds']['wall']:.1f} s"
    )
    for line in _failures(finished):
        print(line, file=sys.stderr)
    print(finished.folder)


def _failures(finished: Run, most: int = 5) -> list[str]:
    """Return a line for each reason why cells failed, the commonest first."""
    if not finished.failed:
        return []
    rows = finished.results
    counts = rows.loc[rows["status"] == "failed", "error"].value_counts()
    lines = [f"failed: {plural(int(n), 'cell')}: {why}" for why, n in counts[:most].items()]
    rest = len(counts) - most
    return [*lines, f"failed: {rest} more reasons, see results.csv"] if rest > 0 else lines

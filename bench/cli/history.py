"""`bench history`: a series of baselines, and where they changed."""

from __future__ import annotations

import argparse
import json

from bench.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="baselines, the oldest first")
    add("--git", action="store_true", help="all versions of one FILE that git knows")
    add("--metric", default="psnr", help="BD-rate over this metric [psnr]")
    add("--html", metavar="OUT", help="write a page with figure and table")
    add("--json", action="store_true", help="a list with an object per codec and step")


def main(args: argparse.Namespace) -> int:
    """Print the table; return 0."""
    from bench.analysis.axis import axis_of
    from bench.gate import history, history_show

    axis_of(args.metric)
    if args.git and len(args.files) != 1:
        raise UsageError("--git takes one file, whose versions are the series")
    steps = history.read_git(args.files[0]) if args.git else history.read_series(args.files)
    if not any(args.metric in step.baseline.metrics for step in steps):
        raise UsageError(f"no baseline of these holds {args.metric}")
    points = history.points(steps, args.metric)
    if args.html:
        from bench.files import write_whole

        write_whole(args.html, history_show.page(steps, points, args.metric))
    if args.json:
        shown = history_show.to_json(steps, points)
        print(json.dumps(shown, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print(history_show.text(steps, points))
    return 0

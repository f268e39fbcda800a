"""`bench report`: make the report of runs."""

from __future__ import annotations

import argparse

from bench.errors import UsageError
from bench.report.build import write_report

PUBLISHED_HELP = (
    "published curves to draw beside a run over Kodak: names, none or all "
    "[vtm,bpg,bmshj2018-hyperprior,cheng2020-anchor]"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench report`."""
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN", help="the folder of a run; of several, data sets stand "
        "side by side and a codec in two versions is shown as two")  # fmt: skip
    add("--format", default="html,pdf", metavar="LIST", help="html, pdf or both [html,pdf]")
    add("--anchor", metavar="CODEC", help="what BD-rates are against [jpeg, else the first codec]")
    add("--published", metavar="LIST", help=PUBLISHED_HELP)
    add("--out", metavar="DIR", help="the folder to write into [that of the first run]")


def main(args: argparse.Namespace) -> int:
    """Write the reports; print their paths."""
    formats = [word.strip() for word in args.format.split(",") if word.strip()]
    if not formats:
        raise UsageError("--format: html, pdf or both were expected")
    for path in write_report(args.runs, formats, args.anchor, args.out, published=args.published):
        print(path)
    return 0

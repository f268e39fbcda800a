"""`bench gate`: judge a run by a baseline."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.measured import HELP, in_words, run_folder
from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from bench.gate.rules import Gates
    from bench.gate.verdict import Verdict

EPILOG = """\
exit codes: 0 pass; 1 a regression; 2 nothing to decide on (no cells, other data, another version of
a metric, a codec that is missing, a baseline that was edited).

Without rules: BD-rate over PSNR +0.5 %, +1 % on the worst image, PSNR -0.01 dB at any setting, no
failures; time is not gated. Rules stand in the section gates of bench.toml or tool.bench.gates of
pyproject.toml; docs/gate.md lists them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("run", nargs="?", metavar="RUN", help="the run's folder")
    add("--baseline", required=True, metavar="FILE", help="made by bench baseline write")
    add("--measure", metavar="ARGS", help=HELP)
    add("--rule", action="append", default=[], metavar="[GLOB:]NAME=VALUE",
        help="a limit, for all codecs or those of a glob: bd_rate.psnr=0.3, 'mine*:exact=true', "
        "worst_image.psnr=off; may be repeated")  # fmt: skip
    add("--config", metavar="FILE", help="where rules stand [bench.toml, else pyproject.toml]")
    for name, what in _OUTPUTS.items():
        add(f"--{name}", metavar="FILE", help=what)
    add("--github", action="store_true", help="print annotations for a GitHub workflow")


_OUTPUTS = {
    "markdown": "write a summary for a pull request",
    "junit": "write JUnit XML",
    "sarif": "write SARIF 2.1.0",
    "json": "write the verdict as JSON",
    "svg": "draw the curves before and now",
}


def main(args: argparse.Namespace) -> int:
    """Print the verdict, write what was asked for, return the exit code."""
    from bench.gate.verdict import unreadable

    try:
        rules = _rules(args)
        with run_folder(args.run, args.measure) as run:
            verdict = _judge(args, run, rules)
    except BenchError as error:
        # A file of an earlier run must not pass for this one's.
        _write(args, unreadable(str(error), in_words(args.run, args.measure), args.baseline))
        if args.svg:
            Path(args.svg).unlink(missing_ok=True)
        error.exit_code = 2
        raise
    from bench.gate.show import terminal

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(terminal(verdict, width))
    _write(args, verdict)
    return verdict.exit_code


def _judge(args: argparse.Namespace, run: Path, rules: list[Gates]) -> Verdict:
    from bench.analysis.results import read_results
    from bench.gate.baseline import read_baseline
    from bench.gate.check import judge

    baseline = read_baseline(args.baseline)
    results = read_results(run)
    verdict = judge(
        results, baseline, rules, names=(in_words(args.run, args.measure), args.baseline)
    )
    if args.svg:
        from bench.gate.figure import draw

        if not draw(verdict, results, baseline, Path(args.svg)):
            Path(args.svg).unlink(missing_ok=True)
            print("no curve to draw", file=sys.stderr)
    return verdict


def _rules(args: argparse.Namespace) -> list[Gates]:
    from bench.gate.rules import find_rules, parse_options, read_rules

    if args.config:
        found = read_rules(Path(args.config))
        if found is None:
            raise UsageError(f"{args.config} has no section gates")
    else:
        found = find_rules(Path())
    return [*([found] if found else []), parse_options(args.rule)]


def _write(args: argparse.Namespace, verdict: Verdict) -> None:
    from bench.files import write_whole
    from bench.gate import machine, show

    makers = {
        "markdown": show.markdown,
        "junit": machine.to_junit,
        "sarif": machine.to_sarif,
        "json": machine.to_json,
    }
    for name, make in makers.items():
        if path := getattr(args, name):
            write_whole(path, make(verdict))
    if args.github:
        print(machine.to_github(verdict), end="")

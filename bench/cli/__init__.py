"""The command line: `bench COMMAND`. One module per command, imported only when it is called."""

from __future__ import annotations

import argparse
import keyword
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from bench import __version__
from bench.errors import BenchError

#: Command to what it does. The module `bench.cli.COMMAND` (with a `_` at the end where Python keeps
#: the word for itself) has `add_arguments(parser)` and `main(args) -> int`, the exit code.
COMMANDS: dict[str, str] = {
    "run": "measure codecs over a data set",
    "codecs": "list, show and check codecs",
    "datasets": "list, show and fetch data sets",
    "metrics": "list and show metrics, compare two images",
    "compare": "compare codecs and published curves by BD-rate",
    "report": "write runs as an HTML page and a PDF",
    "gate": "judge a run by a baseline: no change costs rate or quality unseen",
    "baseline": "write and update the baselines of a gate",
    "history": "draw a series of baselines and find where they changed",
    "ablate": "compare a codec's variants with it: what each tool is worth",
    "train": "train the hybrid codec on a folder of photos",
    "profile": "what codecs and classic networks cost: parameters, operations, memory",
    "published": "list and show published curves",
    "export": "write a run as tables or in other tools' formats",
    "import": "read a curve from a results file of CompressAI",
    "cache": "see and prune the measurement cache",
}

EPILOG = """\
exit codes: 0 done; 1 the answer is no (a check failed); 2 wrong use or nothing to decide on;
3 finished, but some cells failed; 130 interrupted.

The main job:  bench run --codecs all --dataset kodak
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. Errors of ours become one line on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _show_log()
    try:
        args = _parse(arguments)
        return int(_module(args.command).main(args))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # `bench … | head`: nobody listens any more, and Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Stderr(logging.Handler):
    """Shows the log as lines on whatever stderr is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"bench: {record.getMessage()}", file=sys.stderr)


def _show_log() -> None:
    log = logging.getLogger("bench")
    log.setLevel(logging.INFO)
    if not any(isinstance(handler, _Stderr) for handler in log.handlers):
        log.addHandler(_Stderr())


def _module(command: str) -> Any:
    return import_module(f"bench.cli.{command}{'_' * keyword.iskeyword(command)}")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Benchmark and evaluation suite for image compression.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bench {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    # Only the module of the command that is called is imported: `bench --help` stays fast.
    called = next((word for word in arguments if not word.startswith("-")), "")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose.capitalize() + ".")
        if name == called:
            _module(name).add_arguments(command)
    args, late = parser.parse_known_args(arguments)
    if late and hasattr(args, "settings") and not any(word.startswith("-") for word in late):
        # argparse ends a list at the first option: what comes after it belongs to it, too.
        args.settings += late
    elif late:
        parser.error(f"unrecognized arguments: {' '.join(late)}")
    return args

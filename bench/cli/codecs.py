"""`bench codecs`: list, show and check codecs."""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.text import table

if TYPE_CHECKING:
    from bench.cards import CodecCard

USAGE = """bench codecs [list] [CODEC ...] [--group GROUP] [--json]
       bench codecs show CODEC ... [--json]
       bench codecs check CODEC ... [--image FILE] [--timeout S] [--json]"""

EPILOG = """\
CODEC is a name, a group, a glob such as 'bpg*', or a path to a card (.yaml), a Python file (.py)
or a folder of them; several may stand in a comma list. Without one, all codecs are listed.

check encodes and decodes a sample in processes of their own and prints a line per promise of the
contract. Exit code 0: kept; 1: broken; 2: wrong use, or the codec can't run here.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.usage, parser.epilog = USAGE, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("words", nargs="*", metavar="CODEC", help="which codecs")
    parser.add_argument("--group", metavar="GROUP", help="list the codecs of this group only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--image", type=Path, metavar="FILE", help="check: the sample")
    parser.add_argument("--timeout", type=float, metavar="S", help="check: seconds per call [60]")


def main(args: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    actions = {"list": _list, "show": _show, "check": _check}
    action = "list"
    words = list(args.words)
    if words and words[0] in actions:
        action = words.pop(0)
    for option, its_action in (("group", "list"), ("image", "check"), ("timeout", "check")):
        if getattr(args, option) is not None and action != its_action:
            raise UsageError(f"--{option} belongs to `bench codecs {its_action}`, not to {action}")
    if action != "list" and not words:
        raise UsageError(f"name a codec: bench codecs {action} CODEC")
    return actions[action](words, args)


def _cards(words: list[str]) -> list[CodecCard]:
    from bench import registry
    from bench.selection import choose_codecs

    return [choice.card for choice in choose_codecs(words)] if words else list(registry.codecs())


def _list(words: list[str], args: argparse.Namespace) -> int:
    from bench.adapters.describe import describe_codecs
    from bench.selection import in_group

    cards = _cards(words)
    if args.group is not None:
        cards = in_group(cards, args.group)
    found = describe_codecs(cards)
    if args.json:
        _print([each.to_json() for each in found])
        return 0
    rows = [
        (each.card.name, each.state, ", ".join(each.card.groups), each.card.label) for each in found
    ]
    print(table(("codec", "state", "groups", "title"), rows))
    lacking = [(each.card.name, each.lack) for each in found if each.lack]
    if lacking:
        print()
    for name, lack in lacking:
        # What a learned codec lacks can be a page of file names; `show` has them all.
        print(f"{name}: {replace(lack, what=shorten(lack.what, 100, placeholder=' …'))}")
    return 0


def _show(words: list[str], args: argparse.Namespace) -> int:
    from bench.adapters.describe import describe_codecs

    found = [each.details() for each in describe_codecs(_cards(words))]
    if args.json:
        _print(found)
        return 0
    for number, facts in enumerate(found):
        if number:
            print()
        # The identity repeats the options, which stand above it.
        (facts["identity"] or {}).pop("options", None)
        lines = [line for name, value in facts.items() for line in _lines(name, value)]
        print(table(("", ""), lines).lstrip("\n"))
    return 0


def _lines(name: str, value: object) -> list[tuple[str, str]]:
    """Return one line, or one per entry of a mapping; none for what is not set."""
    if value in (None, "", [], {}):
        return []
    if isinstance(value, dict):
        return [line for key, each in value.items() for line in _lines(f"{name}.{key}", each)]
    if isinstance(value, list):
        words = all(isinstance(each, str) for each in value)
        value = shlex.join(value) if words else ", ".join(map(str, value))
    return [(name, str(value))]


def _check(words: list[str], args: argparse.Namespace) -> int:
    from bench.adapters.make import missing
    from bench.codec_check import DEFAULT_LIMIT, check_codec
    from bench.errors import UnavailableError

    cards = _cards(words)
    for card in cards:
        if lack := missing(card):
            raise UnavailableError(f"{card.name}: {lack.what}", lack.how)
    limit = DEFAULT_LIMIT if args.timeout is None else args.timeout
    report = []
    kept = True
    for card in cards:
        if not args.json:
            print(f"{card.name}: {card.label}")
        for finding in check_codec(card, args.image, limit):
            kept = kept and finding.kept
            if args.json:
                report.append({"codec": card.name, **finding.to_json()})
            else:
                detail = f": {finding.detail}" if finding.detail else ""
                print(
                    f"  {'ok  ' if finding.kept else 'FAIL'}  {finding.promise}{detail}", flush=True
                )
    if args.json:
        _print(report)
    return 0 if kept else 1


def _print(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))

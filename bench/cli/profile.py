"""`bench profile`: what codecs and classic networks cost on any machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.text import table

if TYPE_CHECKING:
    from bench.profile.backbones import Backbone
    from bench.profile.cost import Cost

USAGE = """bench profile CODEC ... [--quality LIST] [--size WxH] [--device D] [--json]
       bench profile backbones [NAME ...] [--json]"""

EPILOG = """\
CODEC is a name, a group (learned), a glob or a path to a card, several in a comma list. A network
of a published architecture whose checkpoint is not on this machine is measured with random weights:
they cost the same.

kMAC/px: thousands of multiply-accumulates per pixel, counted while a picture is encoded and
decoded; the entropy part is all but the two transforms. MB/MP: megabytes per megapixel that tensors
take at most, by PyTorch's own account, weights not included. What was measured once is remembered.

backbones measures the networks that learned codecs borrow from: AlexNet, VGG-16, ResNet-50,
MobileNetV2, ViT-B/16.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.usage, parser.epilog = USAGE, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("words", nargs="+", metavar="CODEC", help="which codecs, or `backbones`")
    add("--quality", action="append", metavar="[CODEC=]LIST", help="settings [each ladder]")
    add("--size", metavar="WxH", help="width and height of the picture [768x512]")
    add("--device", metavar="D", help="cpu, or a torch device such as cuda:0 [cpu]")
    add("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    if args.words[0] == "backbones":
        return _backbones(args)
    costs = _measure(args)
    if args.json:
        _print([{"codec": cost.codec, **cost.to_json()} for cost in costs])
    else:
        _show(costs)
    return 0 if any(cost.complexity for cost in costs) else 2


def parse_size(text: str | None) -> tuple[int, int]:
    """Return "768x512" as height and width. Raises UsageError."""
    from bench.profile.codecs import SIZE

    if text is None:
        return SIZE
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) * int(height) > 0):
        raise UsageError(f"--size: width and height such as 768x512 were expected, not {text!r}")
    return int(height), int(width)


def _measure(args: argparse.Namespace) -> list[Cost]:
    from bench import paths
    from bench.cli.run import parse_quality
    from bench.engine.plan import choose_qualities
    from bench.engine.store import Store
    from bench.profile.codecs import costs_of
    from bench.selection import choose_codecs

    size, device = parse_size(args.size), args.device or "cpu"
    cards = [choice.card for choice in choose_codecs(args.words)]
    qualities = choose_qualities(cards, parse_quality(args.quality))
    with closing(Store(paths.cache_dir())) as store:
        return [
            cost
            for card, chosen in zip(cards, qualities, strict=True)
            for cost in costs_of(card, chosen, store, size=size, device=device)
        ]


def _show(costs: Sequence[Cost]) -> None:
    from bench.analysis.complexity import HEADINGS, complexity_cells

    rows = [
        (cost.codec, _settings(cost), *complexity_cells(cost.complexity))
        for cost in costs
        if cost.complexity
    ]
    if rows:
        print(table(("codec", "setting", *HEADINGS), rows, align="ll" + "r" * len(HEADINGS)))
    for cost in costs:
        if cost.complexity is None:
            print(f"{cost.codec}: n/a: {cost.reason}", file=sys.stderr)


def _settings(cost: Cost) -> str:
    first, last = cost.qualities[0], cost.qualities[-1]
    return f"{first:g}" if first == last else f"{first:g} … {last:g}"


def _backbones(args: argparse.Namespace) -> int:
    for option in ("quality", "size", "device"):
        if getattr(args, option) is not None:
            raise UsageError(f"--{option} is for codecs, not for backbones")
    # PyTorch's profiler has a log of its own, which speaks of GPUs that are not there.
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")
    from bench.profile.backbones import backbones

    found = backbones(args.words[1:])
    if args.json:
        _print([asdict(each) for each in found])
        return 0
    print(
        table(
            ("network", "image", "parameters", "GMAC", "activations", "MB", "peak MB"),
            [_backbone(each) for each in found],
            align="ll" + "r" * 5,
        )
    )
    return 0


def _backbone(each: Backbone) -> tuple[str, ...]:
    return (
        each.title,
        f"{each.size}×{each.size}",
        f"{each.parameters:,}",
        f"{each.macs / 1e9:.3f}",
        f"{each.activations / 1e6:.2f} M",
        f"{each.activations * 4 / 1e6:.1f}",
        f"{each.peak_bytes / 1e6:.1f}",
    )


def _print(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))

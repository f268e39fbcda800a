"""`bench datasets`: list, show, fetch and check data sets."""

from __future__ import annotations

import argparse
import json
import logging
from typing import Any

from bench import registry
from bench.data.cards import DatasetCard
from bench.data.check import Check, check_dataset
from bench.data.fetch import get
from bench.data.status import status
from bench.text import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `bench datasets`."""
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help="every data set and where it stands (the default)")
    show = actions.add_parser("show", help="everything a card says")
    show.add_argument("name", metavar="NAME")
    fetch = actions.add_parser("get", help="download, verify and unpack")
    fetch.add_argument("names", metavar="NAME", nargs="+")
    check = actions.add_parser(
        "check", help="read every image, compare with the card; exit code 1 if something is wrong"
    )
    check.add_argument("name", metavar="NAME|FOLDER")
    check.add_argument("--data-root", metavar="DIR", help="where a copy of the data set lies")
    for action in (listing, show, fetch, check):
        # Left out of the namespace unless given: `bench datasets --json list` is JSON too.
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS,
            help="print JSON in place of text")  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Do what was asked for; return the exit code."""
    if args.action == "show":
        _show(registry.datasets().get(args.name), args.json)
    elif args.action == "get":
        _get([registry.datasets().get(name) for name in args.names], args.json)
    elif args.action == "check":
        return _check(check_dataset(args.name, data_root=args.data_root), args.json)
    else:
        _list(args.json)
    return 0


def _list(as_json: bool) -> None:
    cards = list(registry.datasets())
    if as_json:
        _print_json([_facts(card) for card in cards])
        return
    rows = [(card.name, f"{card.count:,}", card.size, card.licence, status(card)) for card in cards]
    print(table(("name", "images", "size", "licence", "state"), rows, "lrr"))
    print(
        "\na copy elsewhere: bench run --dataset NAME --data-root FOLDER; "
        "any folder of images: bench run --dataset FOLDER"
    )


def _show(card: DatasetCard, as_json: bool) -> None:
    facts = _facts(card)
    if as_json:
        _print_json(facts)
        return
    print(f"{card.name}: {card.label}")
    if card.description:
        print(f"\n{card.description}\n")
    lines = [(key, value) for key, value in facts.items() if key not in _NOT_LISTED and value]
    width = max(len(key) for key, _ in lines)
    for key, value in lines:
        values = value if isinstance(value, list) else [value]
        for i, part in enumerate(values):
            text = _source_line(part) if isinstance(part, dict) else part
            print(f"{key if i == 0 else '':<{width}}  {text}")


_NOT_LISTED = frozenset({"name", "title", "description", "command"})


def _source_line(source: dict[str, Any]) -> str:
    size = f"{source['size']:,} bytes" if source["size"] else "size not published"
    digest = f"SHA-256 {source['sha256']}" if source["sha256"] else "digest not published"
    return f"{source['url']} ({size}, {digest})"


def _get(cards: list[DatasetCard], as_json: bool) -> None:
    for card in cards:
        before = status(card)
        if before.state not in {"ships", "present"}:
            get(card)
            logging.getLogger("bench").info("%s is complete", card.name)
        if not as_json:
            print(f"{card.name}: {status(card).folder}")
    if as_json:
        _print_json([_facts(card) for card in cards])


def _check(check: Check, as_json: bool) -> int:
    name, total = check.dataset.name, len(check.dataset.images)
    if as_json:
        _print_json(
            {
                "name": name,
                "folder": str(check.dataset.folder),
                "images": total,
                "megapixels": check.megapixels,
                "sizes": check.sizes,
                "digests_compared": check.digests,
                "problems": [
                    {"image": problem.image, "problem": problem.what} for problem in check.problems
                ],
                "same_pixels": [list(names) for names in check.same],
            }
        )
        return 1 if check.problems else 0
    for problem in check.problems:
        print(f"{problem.image}: {problem.what}")
    for names in check.same:
        print(f"the same pixels: {', '.join(names)}")
    sizes = [f"{size} ({number:,})" for size, number in list(check.sizes.items())[:5]]
    more = f" and {len(check.sizes) - 5:,} more" if len(check.sizes) > 5 else ""
    print(f"{name}: {total:,} images in {check.dataset.folder}")
    print(f"{check.megapixels:,.1f} megapixels; sizes: {', '.join(sizes) or 'none'}{more}")
    faulty = len({problem.image for problem in check.problems})
    print(f"compared with digests of the card: {check.digests:,}; with a problem: {faulty:,}")
    return 1 if check.problems else 0


def _facts(card: DatasetCard) -> dict[str, Any]:
    """Return what a card says and where the data set stands, for people and for programs."""
    stands = status(card)
    return {
        "name": card.name,
        "title": card.label,
        "description": card.description,
        "state": stands.state,
        "folder": str(stands.folder) if stands.folder else None,
        "note": stands.note,
        "command": stands.command,
        "images": card.count,
        "size": card.size,
        "licence": card.licence,
        "reference": card.reference,
        "homepage": card.homepage,
        "sources": [source.model_dump(exclude={"archive"}) for source in card.sources],
        "card": card.source,
    }


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))

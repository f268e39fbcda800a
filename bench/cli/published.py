"""`bench published`: the curves of others that measured codecs can be compared with."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.analysis.published import Published


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    show = actions.add_parser("show", help="the points of one curve, and where they are from")
    show.add_argument("name", metavar="NAME")
    show.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def main(args: argparse.Namespace) -> int:
    """List the curves, or show one; return 0."""
    from bench.analysis.published import find, published

    if args.action == "show":
        curve = find(args.name)
        points = curve.points.dropna(axis="columns", how="all")
        if args.json:
            values = json.loads(points.to_json(orient="records", double_precision=15))
            print(json.dumps({**_describe(curve), "points": values}, indent=1, ensure_ascii=False))
        else:
            print(_card(curve))
            print()
            print(points.to_string(index=False, na_rep="", float_format=lambda v: f"{v:.5g}"))
        return 0
    curves = [curve for curve in published() if not curve.distrust]
    if args.json:
        print(json.dumps([_describe(curve) for curve in curves], indent=1, ensure_ascii=False))
        return 0
    from bench.text import table

    rows = [(c.label, c.title, len(c.points), ", ".join(c.metrics), c.source.name) for c in curves]
    print(table(("name", "what", "points", "metrics", "source"), rows, "llrll"))
    print("\nall over the 24 images of Kodak; compare with: bench compare RUN published:NAME")
    return 0


def _describe(curve: Published) -> dict[str, Any]:
    return {
        "name": curve.label,
        "title": curve.title,
        "source": curve.source.title,
        "url": curve.source.url,
        "licence": curve.source.licence,
        "file": curve.file,
        "reference": curve.reference,
        "dataset": curve.dataset,
        "n_images": curve.n_images,
        "setting": curve.setting,
        "metrics": list(curve.metrics),
        "note": curve.note,
        "distrust": curve.distrust,
    }


def _card(curve: Published) -> str:
    lines = [f"{curve.label}: {curve.title}"]
    facts = {
        "source": f"{curve.source.title}, {curve.file}",
        "where": curve.source.url,
        "licence": curve.source.licence,
        "reference": curve.reference,
        "over": f"{curve.dataset}, {curve.n_images} images",
        "setting": curve.setting,
        "note": curve.note,
        "not to be used": curve.distrust,
    }
    lines += [f"  {name}: {value}" for name, value in facts.items() if value]
    return "\n".join(lines)

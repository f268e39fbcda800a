"""From what a user names on the command line to curves that can be compared.

A source is the folder of a run (or its results.csv), ``published:NAME``, ``imported:NAME``, or a
JSON file in CompressAI's format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.analysis import foreign
from bench.analysis import published as catalogue
from bench.analysis.compare import Operand
from bench.analysis.curves import image_curves
from bench.analysis.results import Results, read_results
from bench.analysis.tables import default_anchor
from bench.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class Comparees:
    """What is compared, each under a label that is its own, and what with."""

    tests: tuple[Operand, ...]
    anchor: Operand


def gather(
    sources: Sequence[str],
    metric: str = "psnr",
    anchor: str | None = None,
    dataset: str | None = None,
) -> Comparees:
    """Return the curves of all codecs of all sources, and the anchor.

    Parameters
    ----------
    anchor : a codec of a run (RUN/CODEC where several runs have it), ``published:NAME``,
        ``imported:NAME`` or a JSON file; jpeg where present, else the first codec.
    dataset : which one, where a run holds several.

    Raises
    ------
    BenchError : a source that is none, or that lacks the metric; an unknown anchor; nothing to
        compare with it.
    """
    operands = _labelled([_open(source, metric, dataset) for source in sources])
    if anchor is None:
        anchor = default_anchor(list(operands))
    if anchor in operands:
        reference = operands[anchor]
    elif _is_run(anchor):
        reference = _of_a_run(anchor, operands)
    else:
        reference = _curve(anchor, metric)
    tests = [operand for operand in operands.values() if operand is not reference]
    if not tests:
        raise UsageError(f"nothing to compare: there is no codec but the anchor, {anchor}")
    return Comparees(tuple(tests), reference)


def _open(source: str, metric: str, dataset: str | None) -> tuple[str, list[Operand]]:
    """Return what a source is called and its curves."""
    if not _is_run(source):
        return Path(source).name, [_curve(source, metric)]
    results = read_results(source)
    return results.name, list(image_curves(results, metric, dataset).values())


def _is_run(source: str) -> bool:
    prefixed = source.startswith((catalogue.PREFIX, foreign.PREFIX))
    return not prefixed and Path(source).suffix.lower() != ".json"


def _curve(source: str, metric: str) -> Operand:
    if source.startswith(catalogue.PREFIX):
        return catalogue.published_curve(source, metric)
    if source.startswith(foreign.PREFIX):
        return foreign.imported_curve(source, metric)
    return foreign.read_foreign(source).curve(metric)


def _labelled(opened: Sequence[tuple[str, list[Operand]]]) -> dict[str, Operand]:
    """Return all curves by a label of their own: CODEC, or RUN/CODEC where several have it."""
    counts = Counter(operand.codec for _, operands in opened for operand in operands)
    labelled: dict[str, Operand] = {}
    for run, operands in opened:
        for operand in operands:
            label = operand.codec if counts[operand.codec] == 1 else f"{run}/{operand.codec}"
            if label in labelled:
                raise UsageError(f"{label} is there twice; give the runs' folders different names")
            labelled[label] = replace(operand, codec=label)
    return labelled


def _of_a_run(anchor: str, operands: dict[str, Operand]) -> Operand:
    several = [label for label in operands if label.endswith("/" + anchor)]
    if several:
        raise UsageError(f"several runs have the codec {anchor}; name one: {', '.join(several)}")
    hint = "(a published curve is published:NAME)"
    raise UnknownNameError("codec of what is compared", anchor, operands, hint)


def open_results(source: str) -> Results:
    """Return a source that must be a run. Raises UsageError for a published or foreign curve."""
    if not _is_run(source):
        raise UsageError(f"{source} is no run: the folder of a run was expected")
    return read_results(source)

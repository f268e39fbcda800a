"""Published curves in reports: which are drawn, where they may be, and how they compare.

They are means over the 24 images of Kodak. They stand beside a run over just these pixels, dashed
and marked, and never among what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from bench.analysis.compare import Comparer, Comparison
from bench.analysis.curves import Curve, ImageCurves
from bench.analysis.published import PREFIX, Published, find, is_content, published, published_curve
from bench.analysis.results import Results
from bench.errors import UsageError
from bench.report.palette import Look, reference_looks

#: What is drawn where nothing else is asked for: two standards, two learned codecs.
DEFAULT = ("vtm", "bpg", "bmshj2018-hyperprior", "cheng2020-anchor")
#: Why a published curve has no interval.
NO_INTERVAL = "there is no interval, because results of single images were not published"


@dataclass(frozen=True)
class Reference:
    """A published curve on one metric, and the same against a data set's anchor.

    `drawn` tells those that a figure shows; the page offers the others too.
    """

    entry: Published
    comparison: Comparison
    curve: Curve
    drawn: bool

    @property
    def note(self) -> str:
        """What a reader must know of it, why its BD-rate is NA among it."""
        return "; ".join(text for text in (self.comparison.bd.reason, self.entry.note) if text)


def choose(wanted: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the labels of the published curves that are drawn.

    Parameters
    ----------
    wanted : names, as a comma list or a sequence, "none" or "all"; :data:`DEFAULT` if None.

    Raises
    ------
    UnknownNameError, UsageError : as :func:`~bench.analysis.published.find`; a curve that must not
        be taken for what its name says; none named.
    """
    if wanted is None:
        return DEFAULT
    names = [name.strip() for name in wanted.split(",")] if isinstance(wanted, str) else wanted
    names = [name for name in names if name]
    if names == ["none"]:
        return ()
    if names == ["all"]:
        return tuple(entry.label for entry in _trusted())
    if not names:
        raise UsageError("published curves: names, none or all were expected")
    entries = [find(name) for name in names]
    for entry in entries:
        if entry.distrust:
            raise UsageError(f"{PREFIX}{entry.label} is not drawn: {entry.distrust}")
    return tuple(dict.fromkeys(entry.label for entry in entries))


def why_none(results: Results) -> str:
    """Return why no published curve can stand beside the curves of a data set; empty where any
    may.
    """
    digests = results.frame["image_sha256"].unique()
    if not len(digests):
        return "Published curves are not drawn: there is no curve to draw them beside"
    if is_content(digests):
        return ""
    one = published()[0]
    known = f"the {one.n_images} images of Kodak"
    if set(results.datasets) == {one.dataset}:
        count = len(digests)
        return (
            f"Published curves are not drawn: they are means over {known}, "
            f"and this is over {count} image{'s' * (count != 1)}"
        )
    return f"Published curves are not drawn: they are means over {known}, not over these"


def references(anchor: ImageCurves, drawn: Iterable[str]) -> tuple[Reference, ...]:
    """Return every published curve of a metric against an anchor, in the order of
    :func:`labels`.

    Parameters
    ----------
    anchor : over the images that the curves are published for.
    """
    metric, chosen = anchor.axis.metric, set(drawn)
    comparer = Comparer(anchor.mean(), bootstrap=None)
    found = []
    for label in labels():
        entry = find(label)
        if metric not in entry.metrics:
            continue
        # The same pixels, under whatever name they were measured.
        curve = replace(published_curve(label, metric), dataset=anchor.dataset)
        found.append(Reference(entry, comparer.compare(curve), curve, label in chosen))
    return tuple(found)


def beside(results: Results, metric: str, wanted: str | Sequence[str] | None) -> list[Curve]:
    """Return the published curves to draw beside those of a run; none where they don't belong.

    Parameters
    ----------
    wanted : as in :func:`choose`.
    """
    if why_none(results):
        return []
    entries = [find(label) for label in choose(wanted)]
    curves = [published_curve(e.label, metric) for e in entries if metric in e.metrics]
    return [replace(curve, dataset=results.datasets[0]) for curve in curves]


def ranked(found: Iterable[Reference]) -> list[Reference]:
    """Return references by BD-rate, best first, NA last."""
    return sorted(
        found, key=lambda r: (math.isnan(r.comparison.bd.bd_rate), r.comparison.bd.bd_rate)
    )


@cache
def labels() -> tuple[str, ...]:
    """Return the labels of all published curves that can be trusted, the default ones first."""
    return tuple(dict.fromkeys((*DEFAULT, *(entry.label for entry in _trusted()))))


def published_looks() -> dict[str, Look]:
    """Return what published curves look like, by the name ``published:LABEL``."""
    return reference_looks([PREFIX + label for label in labels()])


def _trusted() -> list[Published]:
    return [entry for entry in published() if not entry.distrust]

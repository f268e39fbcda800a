"""What there is to know of each metric, for `bench metrics`."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any, Literal

from bench.errors import BenchError, UnavailableError
from bench.metrics.rate import RateMetric
from bench.metrics.select import known_metrics, metric_identity
from bench.registry import metrics

log = logging.getLogger("bench")


@dataclass(frozen=True)
class Description:
    """A metric in words.

    `missing` says what keeps it from running here and the command that gets it; it is empty for a
    metric that is ready. `always` is true for the rate, which every run measures.
    """

    name: str
    title: str
    direction: Literal["higher", "lower"]
    range: tuple[float, float]
    unit: str
    version: int
    needs: str
    reference: str
    description: str
    origin: str
    missing: str
    always: bool

    @property
    def state(self) -> str:
        """One word: "ready", "missing" or "always"."""
        return "missing" if self.missing else "always" if self.always else "ready"

    @property
    def span(self) -> str:
        """The range as "0 … 1"."""
        return " … ".join(_bound(end) for end in self.range)

    @property
    def identity(self) -> str:
        """What its values are cached under; empty where something is missing."""
        return "" if self.missing else metric_identity(self.name)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON knows them; an end of the range that is infinite is None."""
        return {
            "name": self.name,
            "title": self.title,
            "state": self.state,
            "missing": self.missing or None,
            "direction": self.direction,
            "range": [end if math.isfinite(end) else None for end in self.range],
            "unit": self.unit,
            "version": self.version,
            "needs": self.needs,
            "reference": self.reference,
            "description": self.description,
            "origin": self.origin,
            "identity": self.identity or None,
        }


def describe(name: str) -> Description:
    """Return what there is to know of a metric. Raises UnknownNameError, CardError."""
    cls = metrics().get(name)
    missing = ""
    try:
        cls().check_available()
    except UnavailableError as error:
        missing = str(error)
    return Description(
        name=name,
        title=cls.title,
        direction=cls.direction,
        range=cls.range,
        unit=cls.unit,
        version=cls.version,
        needs=cls.needs,
        reference=cls.reference,
        description=" ".join((cls.__doc__ or "").partition("\n\n")[0].split()),
        origin=metrics().origin(name),
        missing=missing,
        always=issubclass(cls, RateMetric),
    )


def describe_all() -> list[Description]:
    """Return every metric, ours first; a plug-in that can't be loaded is warned about."""
    found = []
    for name in known_metrics():
        try:
            found.append(describe(name))
        except BenchError as error:
            log.warning("the metric %s is left out: %s", name, error)
    return found


def _bound(end: float) -> str:
    return f"{end:g}".replace("inf", "∞")

"""What a metric is."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from bench.image import Image


class Metric(abc.ABC):
    """A number that says how near a decoded image is to its original.

    A metric is a class without constructor arguments, made once per worker. What depends on the
    reference alone is computed once per image by :meth:`prepare`, whatever the number of codecs
    and settings that are compared with it.
    """

    #: As given to ``--metrics``; its column in results.csv has `_` for `-`.
    name: ClassVar[str]
    #: As shown on an axis.
    title: ClassVar[str]
    direction: ClassVar[Literal["higher", "lower"]] = "higher"
    #: Smallest and largest value there can be.
    range: ClassVar[tuple[float, float]]
    unit: ClassVar[str] = ""
    #: Counted up when a change alters values: part of the cache's key.
    version: ClassVar[int] = 1
    #: The paper or standard.
    reference: ClassVar[str] = ""
    #: What it needs of an image, in words, for `bench metrics`.
    needs: ClassVar[str] = ""

    def open(self) -> None:  # noqa: B027
        """Load what is needed (a network's weights); never part of a timing."""

    def prepare(self, reference: Image) -> Any:
        """Return what depends on `reference` alone; handed to every :meth:`measure` against it."""
        return None

    @abc.abstractmethod
    def measure(self, reference: Image, distorted: Image, prepared: Any) -> float:
        """Return the value for `distorted`, of the same size as `reference`.

        Raises
        ------
        NotApplicableError : the metric is undefined on this image; the reason is recorded.
        """

    def check_available(self) -> None:  # noqa: B027
        """Raise :class:`~bench.errors.UnavailableError` where weights or a library are missing.

        Cheap: nothing is loaded.
        """

    def fetch(self, source: Path | None = None) -> Path | None:
        """Bring what :meth:`check_available` misses, for `bench metrics get`.

        Parameters
        ----------
        source : a file to take it from instead of downloading.

        Returns
        -------
        Where it is now, or None where the metric needs nothing.
        """
        return None

    def identity(self) -> Mapping[str, str]:
        """Return what can change a value and is not in the class: digests of weights, versions of
        libraries. Part of the cache's key. Available before `open`.
        """
        return {}


class DerivedMetric(Metric):
    """A function of another metric's value (MS-SSIM in decibels): costs nothing to compute.

    The engine measures `base` once and derives; a derived value is never cached.
    """

    base: ClassVar[str]

    @abc.abstractmethod
    def derive(self, value: float) -> float:
        """Return this metric's value from that of `base`. Raises NotApplicableError."""

    def measure(self, reference: Image, distorted: Image, prepared: Any) -> float:
        """Measure `base`, then derive: for those who use the metric alone."""
        from bench.registry import metrics

        base = metrics().get(self.base)()
        base.open()
        return self.derive(base.measure(reference, distorted, base.prepare(reference)))


def column(name: str) -> str:
    """Return the name of a metric's column in results.csv."""
    return name.replace("-", "_")

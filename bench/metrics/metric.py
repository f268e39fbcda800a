"""What a metric is."""

from __future__ import annotations

import abc
import re
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


#: Columns of results.csv that are no metric's.
RESERVED = frozenset(
    {"codec", "codec_id", "quality", "dataset", "image", "image_sha256", "width", "height"}
    | {"bytes", "bitstream_sha256", "encode_s", "decode_s", "status", "error", "na", "n_images"}
)


def problem_with(name: str, value: object) -> str:
    """Return why `value` can't be the metric called `name`, or nothing if it can."""
    if not (isinstance(value, type) and issubclass(value, Metric)):
        return f"a subclass of bench.Metric was expected, got {value!r}"
    fields = ("name", "title", "range", *(("base",) if issubclass(value, DerivedMetric) else ()))
    missing = [field for field in fields if not hasattr(value, field)]
    missing += sorted(getattr(value, "__abstractmethods__", ()))
    if missing:
        return f"the class {value.__name__} lacks {', '.join(missing)}"
    if value.name != name:
        return f"the metric calls itself {value.name!r}, its entry {name!r}"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        return f"{name!r} is no metric's name: small letters, digits and single '-' were expected"
    if column(name) in RESERVED:
        return f"{name!r} is taken: results.csv has a column of that name"
    if value.direction not in ("higher", "lower"):
        return f"direction: 'higher' or 'lower' was expected, got {value.direction!r}"
    if not value.range[0] < value.range[1]:
        return f"range: the smaller end comes first, got {value.range}"
    return ""


def column(name: str) -> str:
    """Return the name of a metric's column in results.csv."""
    return name.replace("-", "_")

"""Measuring many decoded images against few originals, in a worker.

This is the worker's edge: whatever a metric raises becomes a value that is not available, with
its reason, so that one metric never costs another its number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.errors import ContractError, NotApplicableError, UsageError
from bench.image import Image, read_image
from bench.metrics.metric import DerivedMetric, Metric
from bench.metrics.rate import RateMetric
from bench.metrics.select import select_metrics
from bench.registry import metrics


@dataclass(frozen=True)
class Value:
    """A metric's number, or None with the reason why there is none.

    The number is finite, or infinite where the metric's range says so (the PSNR of identical
    images); it is never NaN.
    """

    value: float | None
    reason: str = ""


class Measurer:
    """Computes metrics by name; what depends on the original alone is computed once per original.

    ::

        measurer = Measurer(["psnr", "ms-ssim"])
        measurer.open()
        measurer.reference(original)
        for decoded in images:
            values = measurer.measure(decoded)      # {"psnr": Value(31.2), …}

    It holds one original and what was prepared from it: memory does not grow with their number.

    Raises
    ------
    UnknownNameError : there is no such metric.
    UsageError : a rate was named; it is a matter of bytes, not of pixels.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        self._metrics: dict[str, Metric] = {}
        for name in self.names:
            self._add(name)
        self._broken: dict[str, Value] = {}
        self._prepared: dict[str, Any] = {}
        self._original: Image | None = None

    def open(self) -> None:
        """Load weights and libraries. A metric that fails here has no value for any image."""
        for name, metric in self._metrics.items():
            if not isinstance(metric, DerivedMetric):
                opened = _guarded(metric, partial(_open, metric))
                if opened.value is None:
                    self._broken[name] = opened

    def reference(self, image: Image) -> None:
        """Take `image` as the original of every following :meth:`measure`.

        Preparing is put off until the first measurement that needs it.
        """
        if image is not self._original:
            self._original = image
            self._prepared.clear()

    def measure(self, distorted: Image, names: Iterable[str] | None = None) -> dict[str, Value]:
        """Return the value of every metric, or of those in `names`, for one decoded image.

        Raises
        ------
        ContractError : the image is not of the original's size.
        UsageError : no original was given.
        """
        original = self._original
        if original is None:
            raise UsageError("Measurer.reference(image) comes before Measurer.measure(image)")
        if distorted.pixels.shape != original.pixels.shape:
            raise ContractError(
                f"the decoded image is {distorted.width}x{distorted.height}, "
                f"the original {original.width}x{original.height}"
            )
        known: dict[str, Value] = {}
        wanted = self.names if names is None else tuple(names)
        return {name: self._value(name, original, distorted, known) for name in wanted}

    def _add(self, name: str) -> None:
        cls = metrics().get(name)
        if issubclass(cls, RateMetric):
            raise UsageError(f"{name} is measured on a bitstream, not between two images")
        if issubclass(cls, DerivedMetric):
            self._add(cls.base)
        self._metrics.setdefault(name, cls())

    def _value(
        self, name: str, original: Image, distorted: Image, known: dict[str, Value]
    ) -> Value:
        """Return one metric's value; `known` holds what this decoded image was measured for."""
        if name in known:
            return known[name]
        metric = self._metrics[name]
        if isinstance(metric, DerivedMetric):
            base = self._value(metric.base, original, distorted, known)
            number = base.value
            if number is None:
                return base
            value = _guarded(metric, lambda: metric.derive(number))
        elif name in self._broken:
            value = self._broken[name]
        else:
            value = _guarded(metric, lambda: self._measure(metric, original, distorted))
        known[name] = value
        return value

    def _measure(self, metric: Metric, original: Image, distorted: Image) -> float:
        if metric.name not in self._prepared:
            self._prepared[metric.name] = metric.prepare(original)
        return metric.measure(original, distorted, self._prepared[metric.name])


def compare_files(
    original: Path, decoded: Path, spec: str | Sequence[str] | None = None
) -> dict[str, Value]:
    """Return how near one image file is to another by every metric that `spec` selects.

    Raises
    ------
    ImageError : a file is no image that can be measured.
    UsageError : the images differ in size, or no metric is selected.
    UnknownNameError, UnavailableError : as :func:`~bench.metrics.select.select_metrics`.
    """
    names = select_metrics(spec)
    if not names:
        raise UsageError("two images have no rate; name a metric of their pixels")
    first, second = read_image(original), read_image(decoded)
    if first.pixels.shape != second.pixels.shape:
        raise UsageError(
            f"{original} is {first.width}x{first.height} and {decoded} is "
            f"{second.width}x{second.height}: only images of one size can be compared"
        )
    measurer = Measurer(names)
    measurer.open()
    measurer.reference(first)
    return measurer.measure(second)


def _open(metric: Metric) -> float:
    metric.open()
    return 0.0


def _guarded(metric: Metric, compute: Callable[[], float]) -> Value:
    """Return what `compute` returns or, where that is no number, why."""
    try:
        number = float(compute())
    except NotApplicableError as error:
        return Value(None, str(error))
    except Exception as error:  # noqa: BLE001  (the worker's edge: a plug-in can raise anything)
        return Value(None, f"{type(error).__name__}: {error}")
    if math.isnan(number) or (math.isinf(number) and number not in metric.range):
        return Value(None, f"{metric.name} returned {number}")
    return Value(number)

"""How a metric's values are laid out for curves and BD: which way is better, and on what scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import UnknownNameError

Values = npt.NDArray[np.float64]

#: Measured as a similarity below 1, compared in decibels: near 1 a plain difference means nothing.
_IN_DECIBELS = frozenset({"ms-ssim"})


@dataclass(frozen=True)
class Axis:
    """The quality axis of a metric, on which more is better.

    Parameters
    ----------
    metric : the metric's name.
    title, unit : of the values on the metric's own scale, for axes and tables.
    lower_is_better : whether the axis runs against the metric (LPIPS).
    decibels : whether BD is computed over ``-10 log10(1 - x)`` instead of x.
    """

    metric: str
    title: str
    unit: str = ""
    lower_is_better: bool = False
    decibels: bool = False

    @property
    def scale(self) -> str:
        """What BD-quality and ranges are stated in, as a reader would write it."""
        if self.decibels:
            return f"{self.title} in dB, −10·log10(1 − x)"
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def to_scale(self, values: Any) -> Values:
        """Return metric values on the scale that BD is stated in: decibels for MS-SSIM."""
        plain: Values = np.asarray(values, np.float64)
        if not self.decibels:
            return plain
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-10 * np.log10(1 - plain))

    def rising(self, scaled: Any) -> Values:
        """Return values of the stated scale so that more is better; its own inverse."""
        values: Values = np.asarray(scaled, np.float64)
        return -values if self.lower_is_better else values


def axis_of(metric: str) -> Axis:
    """Return the axis of a metric. Raises UnknownNameError for one that no package brings."""
    from bench.registry import metrics

    known = metrics()
    if metric not in known:
        hint = "(was it measured with a plug-in that is not installed here?)"
        raise UnknownNameError("metric", metric, known.names(), hint)
    cls = known.get(metric)
    return Axis(
        metric=metric,
        title=cls.title,
        unit=cls.unit,
        lower_is_better=cls.direction == "lower",
        decibels=metric in _IN_DECIBELS,
    )

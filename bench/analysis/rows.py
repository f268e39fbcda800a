"""Many curves at once, sorted, checked and integrated: what BD and its bootstrap are made of."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.analysis.interpolate import Fit, Method, fit

Array = npt.NDArray[np.float64]
Faults = npt.NDArray[np.int8]
#: Lower and upper end of an interval of quality.
Range = tuple[float, float]

MIN_POINTS = 4


class Fault(enum.IntEnum):
    """Why a curve, or a pair of curves, has no BD."""

    NONE = 0
    UNDEFINED = 1
    INFINITE = 2
    TOO_FEW = 3
    NOT_RISING = 4
    NO_OVERLAP = 5
    OUT_OF_RANGE = 6


@dataclass(frozen=True, eq=False)
class Rows:
    """Many curves of one codec, one per row, made fit for integration.

    Parameters
    ----------
    log_rate, quality : shape (rows, points), by rising rate; more quality is better. Of equal
        points one is kept and the others stand at the end, beyond `count`.
    count : shape (rows,), distinct points.
    fault : shape (rows,), a :class:`Fault`, 0 where the curve is sound.
    """

    log_rate: Array
    quality: Array
    count: npt.NDArray[np.intp]
    fault: Faults
    _fits: dict[tuple[Method, bool, int], tuple[npt.NDArray[np.intp], Fit]] = field(
        default_factory=dict
    )

    @classmethod
    def of(cls, rate: Array, quality: Array) -> Rows:
        """Sort and check curves of shape (rows, points); `quality` on an axis that rises."""
        if not rate.shape[1]:
            rate = quality = np.full((len(rate), 1), np.nan)
        # Rows are mostly in one order, that of the settings; what is not is sorted by itself.
        first = np.argsort(rate[0], kind="stable") if len(rate) else slice(None)
        rate, quality = rate[:, first], quality[:, first]
        if not (np.diff(rate) > 0).all():
            order = np.lexsort((quality, rate), axis=-1)
            rate = np.take_along_axis(rate, order, 1)
            quality = np.take_along_axis(quality, order, 1)
        undefined = np.isnan(rate) | np.isnan(quality) | ~(rate > 0) | np.isinf(rate)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_rate = np.log(rate)
            rate_step, step = np.diff(log_rate), np.diff(quality)
        again = (rate_step == 0) & (quality[:, 1:] == quality[:, :-1])
        count = rate.shape[1] - again.sum(axis=1)
        falls = (~((rate_step > 0) & (step > 0)) & ~again).any(axis=1)
        fault = np.select(
            [undefined.any(axis=1), np.isinf(quality).any(axis=1), count < MIN_POINTS, falls],
            [Fault.UNDEFINED, Fault.INFINITE, Fault.TOO_FEW, Fault.NOT_RISING],
            Fault.NONE,
        ).astype(np.int8)
        if again.any():
            first = np.argsort(np.pad(again, ((0, 0), (1, 0))), axis=1, kind="stable")
            log_rate = np.take_along_axis(log_rate, first, 1)
            quality = np.take_along_axis(quality, first, 1)
        return cls(log_rate, quality, count, fault)

    def ends(self, along_rate: bool = False) -> tuple[Array, Array]:
        """Return the first and the last quality (or log rate) of each row."""
        values = self.log_rate if along_rate else self.quality
        last = np.maximum(self.count - 1, 0)
        return values[:, 0], np.take_along_axis(values, last[:, None], 1)[:, 0]

    def mean(self, low: Array, high: Array, method: Method, along_rate: bool = False) -> Array:
        """Return each row's mean log rate over quality low … high (mean quality over log rate if
        `along_rate`); NaN for rows with a fault and where the interval is empty.
        """
        means = np.full(len(self.count), np.nan)
        for count in np.unique(self.count[self.fault == 0]):
            rows, curves = self._fit(method, along_rate, int(count))
            a, b = low[rows], high[rows]
            with np.errstate(divide="ignore", invalid="ignore"):
                means[rows] = np.where(b > a, curves.integral(a, b) / (b - a), np.nan)
        return means

    def at(self, value: Array, method: Method, along_rate: bool = False) -> Array:
        """Return each row's log rate at a quality (quality at a log rate); NaN outside the row."""
        low, high = self.ends(along_rate)
        found = np.full(len(self.count), np.nan)
        for count in np.unique(self.count[self.fault == 0]):
            rows, curves = self._fit(method, along_rate, int(count))
            wanted = value[rows]
            inside = (wanted >= low[rows]) & (wanted <= high[rows])
            nearest = np.clip(wanted, low[rows], high[rows])
            found[rows] = np.where(inside, curves(nearest), np.nan)
        return found

    def _fit(
        self, method: Method, along_rate: bool, count: int
    ) -> tuple[npt.NDArray[np.intp], Fit]:
        """Return the sound rows of `count` points and their fit; an anchor's is made once."""
        key = (method, along_rate, count)
        if key not in self._fits:
            rows = np.flatnonzero((self.fault == 0) & (self.count == count))
            x, y = self.quality[rows, :count], self.log_rate[rows, :count]
            self._fits[key] = rows, fit(*((y, x) if along_rate else (x, y)), method)
        return self._fits[key]


def rate_difference(
    anchor: Rows, test: Rows, method: Method = "pchip", within: Range | None = None
) -> tuple[Array, Faults]:
    """Return BD-rate in percent of each row of `test` against the same row of `anchor`.

    Parameters
    ----------
    within : only this interval of (rising) quality, as far as both curves reach.

    Returns
    -------
    bd_rate : shape (rows,), NaN where there is a fault.
    fault : shape (rows,), :class:`Fault`.
    """
    low, high = shared(anchor, test)
    fault = np.where(anchor.fault > 0, anchor.fault, test.fault)
    fault = np.where((fault == 0) & ~(high > low), Fault.NO_OVERLAP, fault)
    if within is not None:
        low, high = np.maximum(low, within[0]), np.minimum(high, within[1])
        fault = np.where((fault == 0) & ~(high > low), Fault.OUT_OF_RANGE, fault)
    difference = test.mean(low, high, method) - anchor.mean(low, high, method)
    percent = np.where(fault == 0, 100 * np.expm1(difference), np.nan)
    return percent, fault.astype(np.int8)


def quality_difference(
    anchor: Rows, test: Rows, method: Method = "pchip", within: Range | None = None
) -> Array:
    """Return BD-quality of each row, shape (rows,), positive for better; NaN where undefined.

    Parameters
    ----------
    within : an interval of (rising) quality: only rates at which both curves are inside it.
    """
    low, high = shared(anchor, test, along_rate=True)
    if within is not None:
        for curves in (anchor, test):
            first, last = curves.ends()
            start = np.clip(np.full_like(first, within[0]), first, last)
            end = np.clip(np.full_like(last, within[1]), first, last)
            low = np.maximum(low, curves.at(start, method))
            high = np.minimum(high, curves.at(end, method))
    difference = test.mean(low, high, method, True) - anchor.mean(low, high, method, True)
    return np.asarray(difference)


def shared(anchor: Rows, test: Rows, along_rate: bool = False) -> tuple[Array, Array]:
    """Return the interval of quality (or log rate) that both curves of each row cover."""
    anchor_low, anchor_high = anchor.ends(along_rate)
    test_low, test_high = test.ends(along_rate)
    return np.maximum(anchor_low, test_low), np.minimum(anchor_high, test_high)

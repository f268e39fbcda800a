"""BD-rate and BD-quality: the average distance of two rate-distortion curves.

BD-rate is the mean over quality of the difference of log rate, as a percentage: how much more
(positive) or less (negative) rate the tested codec needs for the same quality. BD-quality is the
mean over log rate of the difference of quality. Both are taken over the interval that the two
curves share and nothing is extrapolated; both depend on that interval far more than on the
interpolation, so a result carries it.

What is undefined is NaN with a reason, never a number.

References
----------
G. Bjøntegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001.
G. Bjøntegaard, "Improvements of the BD-PSNR model", VCEG-AI11, 2008.
C. Herglotz et al., "Beyond Bjøntegaard: limits of video compression performance comparisons",
    ICIP 2022 (Akima interpolation).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.analysis.curves import Curve
from bench.analysis.interpolate import Fit, Method, fit
from bench.errors import UsageError

Array = npt.NDArray[np.float64]
Faults = npt.NDArray[np.int8]
#: Lower and upper end of an interval of quality, on the scale that BD is stated in.
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


@dataclass(frozen=True)
class BD:
    """The distance of a codec's curve from an anchor's.

    Parameters
    ----------
    bd_rate : percent; NaN where `reason` says why.
    bd_quality : on the scale of the metric (decibels for MS-SSIM), test minus anchor: for PSNR
        more is better, for LPIPS less; NaN where `quality_reason` says why.
    range : the interval of quality that BD-rate is over, low end first; NaN where there is none.
    overlap : what the curves share of the quality that they cover together, 0 … 1.
    n_points : points of the anchor's and of the tested curve, equal ones counted once.
    """

    bd_rate: float
    bd_quality: float
    range: Range
    overlap: float
    n_points: tuple[int, int]
    reason: str = ""
    quality_reason: str = ""


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
            found[rows] = np.where(inside, curves(wanted), np.nan)
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


def bd(anchor: Curve, test: Curve, method: Method = "pchip", within: Range | None = None) -> BD:
    """Compare two curves of one metric.

    Parameters
    ----------
    within : only this interval of quality (low, high), on the scale that BD is stated in.

    Raises
    ------
    UsageError : curves of different metrics, or an interval whose ends are not in order.
    """
    if anchor.axis.metric != test.axis.metric:
        raise UsageError(f"{anchor.axis.metric} and {test.axis.metric} can't be compared")
    check_range(within)
    axis = anchor.axis
    window = rising_range(within, axis.lower_is_better)
    rows = rows_of(anchor), rows_of(test)
    rate, fault = rate_difference(*rows, method, window)
    quality = quality_difference(*rows, method, window)[0]
    reason = _explain(Fault(int(fault[0])), anchor, test, within)
    shape_fault = Fault.NONE < fault[0] < Fault.NO_OVERLAP
    interval, overlap = (
        ((math.nan, math.nan), math.nan) if shape_fault else _interval(*rows, window)
    )
    no_rate = "the curves share no rate" if within is None else "the curves share no rate there"
    return BD(
        bd_rate=float(rate[0]),
        bd_quality=float(axis.rising(quality)),
        range=_ordered(interval, axis.lower_is_better),
        overlap=overlap,
        n_points=(int(rows[0].count[0]), int(rows[1].count[0])),
        reason=reason,
        quality_reason="" if math.isfinite(quality) else (reason if shape_fault else no_rate),
    )


def rows_of(curve: Curve) -> Rows:
    """Return one curve as a single row."""
    return Rows.of(curve.rate[None], curve.axis.rising(curve.scaled)[None])


def check_range(within: Range | None) -> None:
    """Raise UsageError for an interval that is no interval."""
    if within is not None and not (
        math.isfinite(within[0]) and math.isfinite(within[1]) and within[0] < within[1]
    ):
        raise UsageError(
            f"a range is LOW,HIGH with LOW below HIGH, not {within[0]:g},{within[1]:g}"
        )


def rising_range(within: Range | None, lower_is_better: bool) -> Range | None:
    """Return an interval of the stated scale on the axis that rises with quality."""
    if within is None or not lower_is_better:
        return within
    return -within[1], -within[0]


def _ordered(interval: Range, lower_is_better: bool) -> Range:
    low, high = interval
    return (-high, -low) if lower_is_better else (low, high)


def _interval(anchor: Rows, test: Rows, window: Range | None) -> tuple[Range, float]:
    """Return what is integrated over, and the shared part of the quality both cover together."""
    low, high = (float(end[0]) for end in shared(anchor, test))
    anchor_ends, test_ends = anchor.ends(), test.ends()
    union = max(float(anchor_ends[1][0]), float(test_ends[1][0])) - min(
        float(anchor_ends[0][0]), float(test_ends[0][0])
    )
    overlap = max(high - low, 0.0) / union
    if window is not None:
        low, high = max(low, window[0]), min(high, window[1])
    return ((low, high) if high > low else (math.nan, math.nan)), overlap


def _explain(fault: Fault, anchor: Curve, test: Curve, within: Range | None) -> str:
    if fault is Fault.NONE:
        return ""
    if fault in (Fault.NO_OVERLAP, Fault.OUT_OF_RANGE):
        spans = " and ".join(f"{c.codec} {_span(c)}" for c in (anchor, test))
        wanted = f" inside {within[0]:g} … {within[1]:g}" if within and fault > 5 else ""
        return f"the curves share no quality{wanted}: {spans}"
    for curve in (anchor, test):
        if problem := curve_problem(curve):
            return f"{curve.codec}: {problem}"
    raise AssertionError(fault)


def _span(curve: Curve) -> str:
    values = curve.scaled
    return f"{values.min():.4g} … {values.max():.4g}"


def curve_problem(curve: Curve) -> str:
    """Return why a curve can't be integrated, in words; empty where it can."""
    rows = rows_of(curve)
    fault = Fault(int(rows.fault[0]))
    if not len(curve.rate):
        return "the curve has no point"
    if fault is Fault.UNDEFINED:
        if not curve.n_images and curve.origin == "measured":
            return curve.note or "no image was measured at every setting"
        return f"{curve.axis.metric} or the rate is undefined at a setting"
    if fault is Fault.INFINITE:
        return f"{curve.axis.metric} is infinite at a setting (lossless)"
    if fault is Fault.TOO_FEW:
        count = int(rows.count[0])
        return f"{count} distinct point{'s' * (count != 1)}, at least {MIN_POINTS} are needed"
    if fault is Fault.NOT_RISING:
        return _fall(curve)
    return ""


def _fall(curve: Curve) -> str:
    """Name the first place at which quality does not rise with rate."""
    quality = curve.axis.rising(curve.scaled)
    order = np.lexsort((quality, curve.rate))
    rate, quality, settings = curve.rate[order], quality[order], curve.settings[order]
    values = curve.axis.rising(quality)
    steps = zip(np.diff(rate), np.diff(quality), strict=True)
    k = next(i for i, (dr, dq) in enumerate(steps) if (dr, dq) != (0, 0) and not (dr > 0 < dq))
    places = [
        f"{values[i]:.6g} at {rate[i]:.4g} bpp"
        + ("" if math.isnan(settings[i]) else f" (setting {settings[i]:g})")
        for i in (k, k + 1)
    ]
    return f"{curve.axis.metric} does not improve with rate: {places[0]}, {places[1]}"

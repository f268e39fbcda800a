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

import math
from dataclasses import dataclass

import numpy as np

from bench.analysis.curves import Curve
from bench.analysis.interpolate import Method
from bench.analysis.rows import (
    MIN_POINTS,
    Fault,
    Range,
    Rows,
    quality_difference,
    rate_difference,
    shared,
)
from bench.errors import UsageError


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

"""Codecs at one rate, or at one quality: what each gives there, and how far from the anchor.

A BD-rate is an average over a range; a product has one operating point. Values are read off the
curves by the interpolation that BD-rate uses; nothing is extrapolated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.analysis.bootstrap import NO_INTERVAL, Interval
from bench.analysis.compare import Comparer, Operand
from bench.analysis.curves import Curve
from bench.analysis.tradeoff import quality_at, rate_at
from bench.errors import UsageError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """Where codecs are read off: a rate in bits per pixel, or a quality on the metric's BD scale
    (decibels for MS-SSIM).
    """

    value: float
    is_rate: bool

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or (self.is_rate and self.value <= 0):
            expected = "bits per pixel above 0" if self.is_rate else "a finite quality"
            raise UsageError(f"a target is {expected}, not {self.value:g}")


@dataclass(frozen=True)
class Reading:
    """A codec at a target, beside the anchor there.

    Parameters
    ----------
    value : quality on the metric's BD scale at a rate, or bits per pixel at a quality; NaN where
        `reason` says why.
    difference : at a rate, quality minus the anchor's; at a quality, how much more rate than the
        anchor, in percent. NaN where either does not reach the target.
    interval : of `difference`, 95 %, by resampling the images of both curves together.
    settings : the two settings that the target lies between, lower rate first; the same twice
        where it is one of them; NaN where they are not stated.
    n_images : images that both curves are over.
    """

    codec: str
    anchor: str
    value: float
    difference: float
    interval: Interval
    settings: tuple[float, float]
    n_images: int
    reason: str = ""


def read_off(comparer: Comparer, test: Operand, target: Target) -> Reading:
    """Read a codec and the comparer's anchor off at a target, over the images that both have.

    What must not be compared with the anchor has no reading.
    """
    if reason := comparer.refusal(test):
        nan = (math.nan, math.nan)
        return Reading(test.codec, comparer.anchor.codec, math.nan, math.nan, nan, nan, 0, reason)
    anchor_curve, curve, rows = comparer.paired(test)
    read = quality_at if target.is_rate else rate_at
    mine, theirs = (read(c, target.value, comparer.method) for c in (curve, anchor_curve))
    drawn = np.full(0, np.nan)
    if rows is not None:
        values = [
            _values(one.at(_target(target, curve, len(one.count)), comparer.method, target.is_rate),
                    target, curve)
            for one in rows
        ]  # fmt: skip
        drawn = _difference(values[1], values[0], target)
    difference = _difference(np.array([mine.value]), np.array([theirs.value]), target)
    bootstrap = comparer.bootstrap
    known = bootstrap is not None and drawn.size and not math.isnan(difference[0])
    return Reading(
        codec=curve.codec,
        anchor=anchor_curve.codec,
        value=mine.value,
        difference=float(difference[0]),
        interval=bootstrap.interval(drawn) if known and bootstrap else NO_INTERVAL,
        settings=_settings(curve, target) if not mine.reason else (math.nan, math.nan),
        n_images=curve.n_images,
        reason=mine.reason,
    )


def _target(target: Target, curve: Curve, rows: int) -> Array:
    """Return the target for each of some rows, as they are laid out."""
    if target.is_rate:
        return np.full(rows, math.log(target.value))
    return np.full(rows, curve.axis.rising([target.value])[0])


def _values(found: Array, target: Target, curve: Curve) -> Array:
    return curve.axis.rising(found) if target.is_rate else np.exp(found)


def _difference(test: Array, anchor: Array, target: Target) -> Array:
    return np.asarray(test - anchor if target.is_rate else 100 * (test / anchor - 1))


def _settings(curve: Curve, target: Target) -> tuple[float, float]:
    """Return the settings on both sides of a target that the curve reaches."""
    places = curve.rate if target.is_rate else curve.axis.rising(curve.scaled)
    wanted = target.value if target.is_rate else float(curve.axis.rising([target.value])[0])
    above = min(int(np.searchsorted(places, wanted)), len(places) - 1)
    below = above if above == 0 or places[above] == wanted else above - 1
    return float(curve.settings[below]), float(curve.settings[above])

"""One codec against another: BD over the curve, BD over images, and how sure both are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from bench.analysis.bd import BD, bd, check_range, rising_range
from bench.analysis.bootstrap import NO_INTERVAL, Bootstrap, Interval
from bench.analysis.curves import Convention, Curve, ImageCurves, pool
from bench.analysis.interpolate import Method
from bench.analysis.rows import Faults, Range, Rows, quality_difference, rate_difference

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

#: What can be compared: curves per image, measured here, or one curve that somebody published.
Operand = ImageCurves | Curve


@dataclass(frozen=True)
class Comparison:
    """A codec against an anchor on one metric and data set.

    Parameters
    ----------
    bd : BD-rate and BD-quality of the two curves over the same images.
    interval : of `bd.bd_rate`, 95 %, by resampling the images of both curves together; NaN for
        curves without images (published ones) and for fewer than two images.
    image_mean : mean of the per-image BD-rates in percent, and its 95 % interval.
    n_image_bd : images that mean is over: those on which BD-rate is defined.
    n_images : images that every point of both curves is over.
    convention : what the points of both curves are.
    notes : what a reader must know, each naming its codec; the reason of an NA is in `bd`.
    """

    codec: str
    anchor: str
    metric: str
    dataset: str
    bd: BD
    interval: Interval = NO_INTERVAL
    image_mean: float = math.nan
    image_interval: Interval = NO_INTERVAL
    n_image_bd: int = 0
    n_images: int = 0
    convention: Convention = "mean"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ImageBD:
    """BD of every image that two codecs share, each array of shape (images,).

    `bd_rate` in percent and `bd_quality` on the metric's scale are NaN where undefined; `fault` is
    a :class:`~bench.analysis.rows.Fault`.
    """

    images: npt.NDArray[np.object_]
    bd_rate: Array
    bd_quality: Array
    fault: Faults


@dataclass(eq=False)
class Comparer:
    """Compares codecs with one anchor; what depends on the anchor alone is computed once.

    Parameters
    ----------
    within : only this interval of quality, on the scale that BD is stated in.
    bootstrap : where intervals come from; None for none.
    """

    anchor: Operand
    method: Method = "pchip"
    within: Range | None = None
    convention: Convention = "mean"
    bootstrap: Bootstrap | None = field(default_factory=Bootstrap)
    _cache: dict[tuple[str, bytes], Rows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_range(self.within)

    def compare(self, test: Operand) -> Comparison:
        """Return `test` against the anchor; what is undefined is NA with its reason.

        Raises UsageError for curves of another metric.
        """
        if isinstance(test, ImageCurves) and isinstance(self.anchor, ImageCurves):
            return self._measured(test, self.anchor)
        return self._curves(self._curve(test), self._curve(self.anchor))

    def per_image(self, test: ImageCurves) -> ImageBD:
        """Return the BD of every image that both have at every setting.

        Raises TypeError where the anchor is a published curve, which has no images.
        """
        if not isinstance(self.anchor, ImageCurves):
            raise TypeError("a published curve has no images")
        mine, theirs = common_images(test, self.anchor)
        curves = test.take(mine)
        rows, anchor = self._image_rows(curves), self._anchor_rows(self.anchor, theirs, "images")
        window = rising_range(self.within, test.axis.lower_is_better)
        rate, fault = rate_difference(anchor, rows, self.method, window)
        quality = quality_difference(anchor, rows, self.method, window)
        return ImageBD(curves.images, rate, test.axis.rising(quality), fault)

    def refusal(self, test: Operand) -> str:
        """Return why `test` must not be compared with the anchor: other data, or another version of
        the metric; empty where it may.
        """
        anchor = self.anchor
        if not (isinstance(test, ImageCurves) and isinstance(anchor, ImageCurves)):
            if self.convention == "rate":
                one = anchor if isinstance(anchor, Curve) else test
                return f"{one.codec} is known by its means only: not at equal rates of all images"
            return other_data(self._curve(test), self._curve(anchor))
        if test.identity and anchor.identity and test.identity != anchor.identity:
            return f"{test.axis.metric} is {test.identity} there and {anchor.identity} here"
        test, anchor = self._spread(test), self._spread(anchor)
        if not len(common_images(test, anchor)[0]):
            return _nothing_in_common(test, anchor)
        return ""

    def paired(self, test: Operand) -> tuple[Curve, Curve, tuple[Rows, Rows] | None]:
        """Return the anchor's curve and that of `test` over the images that both have, and both
        over every draw of these images: None where a curve has no images, or without a bootstrap.
        """
        if not (isinstance(test, ImageCurves) and isinstance(self.anchor, ImageCurves)):
            return self._curve(self.anchor), self._curve(test), None
        test, anchor = self._spread(test), self._spread(self.anchor)
        mine, theirs = common_images(test, anchor)
        tests, anchors = test.take(mine), anchor.take(theirs)
        curves = self._curve(anchors), self._curve(tests)
        if self.bootstrap is None or len(mine) < 2:
            return *curves, None
        anchor_rows = self._anchor_rows(anchor, theirs, "draws")
        return *curves, (anchor_rows, self._drawn_rows(tests, self.bootstrap))

    def _curve(self, operand: Operand) -> Curve:
        """Return the curve of what :meth:`_spread` returned, or of others."""
        convention = "mean" if self.convention == "rate" else self.convention
        return operand if isinstance(operand, Curve) else operand.mean(convention)

    def _spread(self, curves: ImageCurves) -> ImageCurves:
        """Return curves with the points that means are taken at; the images stay in their order."""
        return curves.at_equal_rates if self.convention == "rate" else curves

    def _curves(self, test: Curve, anchor: Curve) -> Comparison:
        """Compare two curves of which one at least has no images."""
        reason = self.refusal(test)
        return Comparison(
            codec=test.codec,
            anchor=anchor.codec,
            metric=test.axis.metric,
            dataset=test.dataset or anchor.dataset,
            bd=undefined(reason) if reason else bd(anchor, test, self.method, self.within),
            n_images=test.n_images or anchor.n_images,
            convention=self.convention,
            notes=tuple(f"{c.codec}: {c.note}" for c in (test, anchor) if c.note),
        )

    def _measured(self, test: ImageCurves, anchor: ImageCurves) -> Comparison:
        result = Comparison(test.codec, anchor.codec, test.axis.metric, test.dataset,
                            undefined(""), convention=self.convention)  # fmt: skip
        if reason := self.refusal(test):
            return replace(result, bd=undefined(reason))
        spread, spread_anchor = self._spread(test), self._spread(anchor)
        mine, theirs = common_images(spread, spread_anchor)
        tests = spread.take(mine)
        curves = self._curve(spread_anchor.take(theirs)), self._curve(tests)
        distance = bd(*curves, self.method, self.within)
        notes = _notes(spread, spread_anchor, mine)
        result = replace(result, bd=distance, n_images=len(mine), notes=notes)
        window = rising_range(self.within, test.axis.lower_is_better)
        images, _ = rate_difference(
            self._anchor_rows(anchor, theirs, "images"),
            self._image_rows(test.take(mine)),
            self.method,
            window,
        )
        defined = ~np.isnan(images)
        if defined.any():
            mean = float(images[defined].mean())
            result = replace(result, image_mean=mean, n_image_bd=int(defined.sum()))
        if self.bootstrap is None or len(mine) < 2:
            return result
        interval = NO_INTERVAL
        if not math.isnan(distance.bd_rate):
            drawn, _ = rate_difference(
                self._anchor_rows(spread_anchor, theirs, "draws"),
                self._drawn_rows(tests, self.bootstrap),
                self.method,
                window,
            )
            interval = self.bootstrap.interval(drawn)
        return replace(result, interval=interval, image_interval=self.bootstrap.mean(images))

    def _anchor_rows(self, anchor: ImageCurves, images: Indices, kind: str) -> Rows:
        key = (kind, images.tobytes())
        if key not in self._cache:
            curves = anchor.take(images)
            if kind == "draws" and self.bootstrap is not None:
                self._cache[key] = self._drawn_rows(curves, self.bootstrap)
            else:
                self._cache[key] = self._image_rows(curves)
        return self._cache[key]

    def _image_rows(self, curves: ImageCurves) -> Rows:
        axis = curves.axis
        return Rows.of(curves.rate, axis.rising(axis.to_scale(curves.quality)))

    def _drawn_rows(self, curves: ImageCurves, bootstrap: Bootstrap) -> Rows:
        """Return the curve over each draw of images: every draw is paired with the anchor's."""
        axis = curves.axis
        weights = bootstrap.curve_weights(len(curves.images))
        quality = pool(curves.quality, axis, self.convention, weights)
        return Rows.of(weights @ curves.rate, axis.rising(axis.to_scale(quality)))


def undefined(reason: str) -> BD:
    """Return an NA for curves that must not be compared."""
    return BD(math.nan, math.nan, (math.nan, math.nan), math.nan, (0, 0), reason, reason)


def common_images(test: ImageCurves, anchor: ImageCurves) -> tuple[Indices, Indices]:
    """Return the indices of the images that both have at every setting, in the same order.

    Images are the same if their pixels are, whatever their names.
    """
    if test.images is anchor.images:
        both = np.flatnonzero(test.complete & anchor.complete)
        return both, both
    mine, theirs = (np.flatnonzero(c.complete & (c.digests != "")) for c in (test, anchor))
    _, i, j = np.intersect1d(test.digests[mine], anchor.digests[theirs], return_indices=True)
    return mine[i], theirs[j]


def other_data(test: Curve, anchor: Curve) -> str:
    """Return why two curves are over different data; empty where they are not, or don't say."""
    if test.dataset and anchor.dataset and test.dataset != anchor.dataset:
        return f"{test.codec} is over {test.dataset}, {anchor.codec} over {anchor.dataset}"
    if test.n_images and anchor.n_images and test.n_images != anchor.n_images:
        return (
            f"{test.codec} is over {test.n_images} images of {test.dataset or 'its data set'}, "
            f"{anchor.codec} over {anchor.n_images}"
        )
    return ""


def _nothing_in_common(test: ImageCurves, anchor: ImageCurves) -> str:
    for curves in (test, anchor):
        if not curves.complete.any():
            return f"{curves.codec}: {curves.left_out()}"
    return (
        f"no image in common: {test.codec} was measured on {test.dataset}, "
        f"{anchor.codec} on {anchor.dataset}"
    )


def _notes(test: ImageCurves, anchor: ImageCurves, both: Indices) -> tuple[str, ...]:
    notes = [f"{c.codec}: {left_out}" for c in (test, anchor) if (left_out := c.left_out())]
    if len(both) < max(len(test.images), len(anchor.images)):
        notes.append(f"{test.codec} and {anchor.codec}: over the {len(both)} images of both")
    return tuple(notes)

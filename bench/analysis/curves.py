"""Rate-distortion curves: of each image, and of a codec over a data set.

The curve of a codec over a data set is, at each setting, the mean over images of the per-image
rate and of the per-image quality. All its points are means over the same images: an image that
failed at one setting, or on which the metric is undefined, is left out of every point, because a
mean over other images is another quantity and would bend the curve. The curve says how many images
it is over and why others are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis.axis import Axis, axis_of
from bench.analysis.interpolate import fit
from bench.analysis.results import Results
from bench.errors import UsageError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: How the curves of several images become one: the mean of per-image values at each setting; for
#: PSNR, the PSNR of the mean squared error over all images there; or the mean at each rate.
Convention = Literal["mean", "mse", "rate"]
#: Rates at which curves are read off for the last, evenly spaced in the logarithm.
RATES = 16
#: Settings below which a curve can't be read off between them.
_FEWEST = 4

#: Where a curve is from: measured here, published by somebody, read from somebody's file.
Origin = Literal["measured", "published", "imported"]


@dataclass(frozen=True, eq=False)
class Curve:
    """Operating points of one codec over one data set, sorted by rate.

    Parameters
    ----------
    codec : what to call it.
    axis : the metric.
    dataset : name of the data set; empty where it is not stated.
    rate : shape (points,), bits per pixel, rising (not strictly).
    quality : shape (points,), on the metric's own scale.
    settings : shape (points,), the codec's settings; NaN where they are not stated.
    n_images : images that every point is over; 0 where it is not stated.
    note : what a reader must know: images left out, conventions that differ.
    """

    codec: str
    axis: Axis
    dataset: str
    rate: Array
    quality: Array
    settings: Array
    n_images: int
    origin: Origin = "measured"
    note: str = ""

    @property
    def scaled(self) -> Array:
        """Quality on the scale that BD is stated in: decibels for MS-SSIM."""
        return self.axis.to_scale(self.quality)


@dataclass(frozen=True, eq=False)
class ImageCurves:
    """The curves of one codec, one per image of a data set.

    Parameters
    ----------
    images : shape (images,), names, sorted; `digests` are their pixels' SHA-256.
    settings : shape (settings,), in no particular order of rate.
    rate, quality : shape (images, settings), bits per pixel and the metric's own scale; NaN where
        the cell failed or was not measured, quality also where the metric is undefined.
    na : why the metric is undefined on an image, by image name.
    identity : which version of the metric this is; empty where it is not stated.
    """

    codec: str
    axis: Axis
    dataset: str
    images: npt.NDArray[np.object_]
    digests: npt.NDArray[np.object_]
    settings: Array
    rate: Array
    quality: Array
    na: dict[str, str] = field(default_factory=dict)
    identity: str = ""

    @cached_property
    def there(self) -> Mask:
        """Shape (images, settings): whether both rate and quality are known."""
        return np.asarray(~(np.isnan(self.rate) | np.isnan(self.quality)))

    @cached_property
    def used(self) -> Mask:
        """Shape (settings,): the settings of the curve; one that failed everywhere is none."""
        used = self.there.any(axis=0)
        return np.asarray(used if used.any() else ~used)

    @cached_property
    def complete(self) -> Mask:
        """Shape (images,): whether rate and quality are known at every setting of the curve."""
        return np.asarray(self.there[:, self.used].all(axis=1))

    def take(self, images: npt.NDArray[np.intp]) -> ImageCurves:
        """Return the curves of some images, by index, at the settings that are used."""
        return replace(
            self,
            images=self.images[images],
            digests=self.digests[images],
            settings=self.settings[self.used],
            rate=self.rate[images][:, self.used],
            quality=self.quality[images][:, self.used],
        )

    def mean(self, convention: Convention = "mean") -> Curve:
        """Return the curve over the data set; NaN at every setting where no image is complete.

        Raises UsageError for the convention "mse" and another metric than a PSNR.
        """
        if convention == "rate":
            return self.at_equal_rates.mean()
        rate, quality = self.rate[self.complete], self.quality[self.complete]
        rate, quality = rate[:, self.used], quality[:, self.used]
        settings = self.settings[self.used]
        if not len(rate):
            rate = quality = np.full((1, len(settings)), np.nan)
        mean_rate = rate.mean(axis=0)
        mean_quality = pool(quality, self.axis, convention)
        order = np.lexsort((self.axis.rising(mean_quality), mean_rate))
        return Curve(
            codec=self.codec,
            axis=self.axis,
            dataset=self.dataset,
            rate=mean_rate[order],
            quality=mean_quality[order],
            settings=settings[order],
            n_images=int(self.complete.sum()),
            note=self.left_out(),
        )

    @cached_property
    def at_equal_rates(self) -> ImageCurves:
        """The same curves read off, by PCHIP over log rate, at rates that all images have.

        A ladder of compression ratios gives all images one rate, one of quantiser steps about one
        error; the first looks better in means at its settings, for reasons that are the ladder's.
        Read off at equal rates, no ladder plays a part.

        An image that can't be read off has NaN there, with the reason in `na`; all have where
        there is no rate that is common to them.
        """
        whole = np.flatnonzero(self.complete)
        rate, quality = self.rate[whole][:, self.used], self.quality[whole][:, self.used]
        order = rate.argsort(axis=1, kind="stable")
        rate = np.log(np.take_along_axis(rate, order, 1))
        quality = np.take_along_axis(quality, order, 1)
        faults = {
            f"fewer than {_FEWEST} settings": np.full(len(rate), rate.shape[1] < _FEWEST),
            "two settings have one rate": (np.diff(rate) == 0).any(axis=1),
            f"{self.axis.metric} is infinite (lossless)": np.isinf(quality).any(axis=1),
        }
        sound = ~np.any(list(faults.values()), axis=0)
        common = np.full(RATES, np.nan)
        if sound.any():
            low, high = rate[sound, 0].max(), rate[sound, -1].min()
            faults["no rate is common to all images"] = sound & (low >= high)
            sound &= low < high
            common = np.linspace(low, high, RATES)
        rates, read = (np.full((len(self.images), RATES), np.nan) for _ in range(2))
        rates[whole] = np.exp(common)
        if sound.any():
            curves = fit(rate[sound], quality[sound])
            ends = rate[sound, 0], rate[sound, -1]
            # Where all images have a rate it may be rounded to outside of one's own.
            columns = [curves(np.clip(np.full(len(ends[0]), one), *ends)) for one in common]
            read[whole[sound]] = np.stack(columns, axis=1)
        why = {str(n): text for text, w in faults.items() for n in self.images[whole[w]]}
        return replace(
            self, settings=np.full(RATES, np.nan), rate=rates, quality=read, na=self.na | why
        )

    def left_out(self) -> str:
        """Return in words what is in no mean, and why; empty where everything is."""
        notes = []
        if not self.used.all():
            values = ", ".join(f"{value:g}" for value in self.settings[~self.used])
            notes.append(f"without the setting {values}, which failed on every image")
        if not self.complete.all():
            notes.append(self._images_left_out())
        return "; ".join(notes)

    def _images_left_out(self) -> str:
        complete = self.complete
        out = [str(name) for name in self.images[~complete]]
        shown = ", ".join(out[:3]) + (", …" if len(out) > 3 else "")
        # Where a cell failed, the metric is not to blame, whatever it says of the image elsewhere.
        known = ~np.isnan(self.rate[:, self.used]).any(axis=1)
        undefined = [str(name) for name in self.images[~complete & known]]
        reasons = sorted({self.na[name] for name in undefined if name in self.na})[:2]
        if len(undefined) < len(out) or not reasons:
            reasons.append("a cell of theirs failed or is missing")
        why = "; ".join(reasons)
        return f"without {len(out)} of {len(complete)} images ({shown}): {why}"

    def of_image(self, image: str) -> Curve:
        """Return the curve of one image, cells that failed left out. Raises UsageError."""
        found = np.flatnonzero(self.images == image)
        if not len(found):
            raise UsageError(f"{self.dataset} holds no image {image!r}")
        rate, quality = self.rate[found[0]], self.quality[found[0]]
        there = self.there[found[0]]
        rate, quality, settings = rate[there], quality[there], self.settings[there]
        order = np.lexsort((self.axis.rising(quality), rate))
        return Curve(
            codec=self.codec,
            axis=self.axis,
            dataset=self.dataset,
            rate=rate[order],
            quality=quality[order],
            settings=settings[order],
            n_images=1,
        )


def pool(
    quality: Array,
    axis: Axis,
    convention: Convention = "mean",
    weights: Array | None = None,
) -> Array:
    """Return the quality of each setting over all images, shape (images, settings) → (settings,).

    Parameters
    ----------
    weights : shape (draws, images), rows that sum to 1; the result then is (draws, settings).

    Raises
    ------
    UsageError : the convention "mse" for a metric that is no PSNR.
    """
    if convention != "mse":
        return _average(quality, weights)
    if not axis.metric.startswith("psnr"):
        raise UsageError(f"the mean squared error says nothing about {axis.metric}: only PSNR")
    # The peak cancels out.
    with np.errstate(divide="ignore"):
        return np.asarray(-10 * np.log10(_average(np.power(10.0, -quality / 10), weights)))


def _average(values: Array, weights: Array | None) -> Array:
    return np.asarray(values.mean(axis=0) if weights is None else weights @ values)


def rd_curves(
    results: Results,
    metric: str,
    dataset: str | None = None,
    convention: Convention = "mean",
) -> list[Curve]:
    """Return the curve of every codec over one data set, in the order of the run.

    Raises
    ------
    UsageError : the metric was not measured, or the run holds several data sets and none is named.
    """
    curves = image_curves(results, metric, dataset).values()
    return [curve.mean(convention=convention) for curve in curves]


def image_curves(
    results: Results, metric: str, dataset: str | None = None
) -> dict[str, ImageCurves]:
    """Return the per-image curves of every codec over one data set, in the order of the run.

    Raises
    ------
    UsageError : the metric was not measured, or the run holds several data sets and none is named.
    """
    return CellIndex.of(results, dataset).curves(metric)


@dataclass(frozen=True, eq=False)
class CellIndex:
    """Where each cell of a data set belongs: laid out once, used for every metric.

    Parameters
    ----------
    rows : for each codec, shape (images, settings): the cell's row in `results.frame`, or -1.
    settings : for each codec, its settings, shape (settings,).
    """

    results: Results
    dataset: str
    images: npt.NDArray[np.object_]
    digests: npt.NDArray[np.object_]
    rows: dict[str, npt.NDArray[np.intp]]
    settings: dict[str, Array]

    @classmethod
    def of(cls, results: Results, dataset: str | None = None) -> CellIndex:
        """Lay out the cells of `dataset`, or of the only data set there is."""
        results = results.only(dataset or the_dataset(results))
        frame = results.frame
        image, images = pd.factorize(frame["image"].to_numpy(object), sort=True)
        digests = np.empty(len(images), object)
        digests[image] = frame["image_sha256"].to_numpy(object)
        codec, codecs = pd.factorize(frame["codec"].to_numpy(object))
        quality = frame["quality"].to_numpy(np.float64)
        rows: dict[str, npt.NDArray[np.intp]] = {}
        settings: dict[str, Array] = {}
        for index, name in enumerate(codecs):
            mine = np.flatnonzero(codec == index)
            values, setting = np.unique(quality[mine], return_inverse=True)
            grid = np.full((len(images), len(values)), -1, np.intp)
            grid[image[mine], setting] = mine
            rows[str(name)], settings[str(name)] = grid, values
        return cls(results, results.datasets[0], images, digests, rows, settings)

    def curves(self, metric: str) -> dict[str, ImageCurves]:
        """Return the per-image curves of every codec. Raises UsageError for no such metric."""
        if metric not in self.results.metrics:
            known = ", ".join(self.results.metrics) or "none"
            raise UsageError(f"{self.results.path}: {metric} was not measured; measured: {known}")
        from bench.metrics.metric import column

        axis = axis_of(metric)
        frame = self.results.frame
        ok = (frame["status"] == "ok").to_numpy()
        # One value more than there are rows: what the row -1, a cell not measured, reads.
        rate = np.append(np.where(ok, frame["bpp"].to_numpy(np.float64), np.nan), np.nan)
        values = frame[column(metric)].to_numpy(np.float64)
        quality = np.append(np.where(ok, values, np.nan), np.nan)
        na = self._reasons(metric, ok & np.isnan(values))
        identity = self.results.metric_identity(metric)
        return {
            codec: ImageCurves(
                codec=codec,
                axis=axis,
                dataset=self.dataset,
                images=self.images,
                digests=self.digests,
                settings=self.settings[codec],
                rate=rate[rows],
                quality=quality[rows],
                na=na,
                identity=identity,
            )
            for codec, rows in self.rows.items()
        }

    def _reasons(self, metric: str, undefined: Mask) -> dict[str, str]:
        """Return why `metric` is NA, by image: `na` reads ``column: reason; column: reason``."""
        from bench.metrics.metric import column

        frame = self.results.frame[undefined]
        reasons: dict[str, str] = {}
        for image, text in zip(frame["image"], frame["na"], strict=True):
            for part in text.split("; "):
                name, _, reason = part.partition(": ")
                if name == column(metric):
                    reasons.setdefault(image, f"{metric}: {reason}")
        return reasons


def the_dataset(results: Results) -> str:
    """Return the only data set of a run. Raises UsageError where there are several, or none."""
    if len(results.datasets) == 1:
        return results.datasets[0]
    if not results.datasets:
        raise UsageError(f"{results.path} holds no cell: nothing was measured")
    names = ", ".join(results.datasets)
    raise UsageError(f"{results.path} holds several data sets ({names}): name one")

"""Confidence intervals by resampling images.

The images of a data set are taken for a sample of the images one might compress; drawing as many
of them again, with replacement, many times over, shows how much a result depends on which images
they happen to be. All codecs are resampled with the same draws: what is common to the images
cancels out.

Reference
---------
B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile
intervals).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
#: Lower and upper end; NaN where there is no interval.
Interval = tuple[float, float]
NO_INTERVAL: Interval = (math.nan, math.nan)

#: Draws of a mean over images, and of a curve over images; fewer for data sets of many thousand
#: images, whose intervals are narrow, so that the draws stay below 160 MB.
MEAN_DRAWS = 10_000
CURVE_DRAWS = 2_000
#: Fewer images than this show too little of how images differ: intervals over them are narrower
#: than they should be, and decide nothing.
FEW = 8
_MOST_WEIGHTS = 20_000_000
#: An interval over the draws in which the result is defined; there must be this share of them.
_DEFINED = 0.9


@dataclass(eq=False)
class Bootstrap:
    """Draws of images, the same for everything that is compared; deterministic by its seed."""

    seed: int = 0
    confidence: float = 0.95
    _weights: dict[int, Array] = field(default_factory=dict)

    def weights(self, n_images: int) -> Array:
        """Return the share of each image in each draw: shape (draws, n_images), rows sum to 1."""
        if n_images not in self._weights:
            if sum(weights.size for weights in self._weights.values()) > _MOST_WEIGHTS:
                self._weights.clear()
            self._weights[n_images] = self._draw(n_images)
        return self._weights[n_images]

    def mean(self, values: Array) -> Interval:
        """Return the interval of the mean of per-image values, shape (images,); NaN is left out."""
        values = values[~np.isnan(values)]
        if len(values) < 2:
            return NO_INTERVAL
        return self.interval(self.weights(len(values)) @ values)

    def curve_weights(self, n_images: int) -> Array:
        """Return the first of :meth:`weights`: as many draws as a curve's interval is made of."""
        return self.weights(n_images)[:CURVE_DRAWS]

    def interval(self, drawn: Array) -> Interval:
        """Return the percentile interval of a result over all draws, NaN where it was undefined."""
        defined = drawn[~np.isnan(drawn)]
        if len(defined) < _DEFINED * len(drawn):
            return NO_INTERVAL
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(defined, [tail, 1 - tail])
        return float(low), float(high)

    def _draw(self, n: int) -> Array:
        draws = int(np.clip(_MOST_WEIGHTS // n, 1_000, MEAN_DRAWS))
        weights = np.empty((draws, n))
        generator = np.random.default_rng([self.seed, n])
        step = max(1, 1_000_000 // n)
        for start in range(0, draws, step):
            rows = min(step, draws - start)
            drawn = generator.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=rows * n)
            weights[start : start + rows] = counts.reshape(rows, n) / n
        return weights

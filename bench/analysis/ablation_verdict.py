"""What a variant against its base shows.

That a tool helps or hurts is said only where the data show it: where the 95 % intervals of BD-rate
over the curve and over images exclude zero on the same side, over images enough, and by more than
the base itself moves when it is trained again.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from bench.analysis.bootstrap import FEW
from bench.analysis.compare import Comparison
from bench.analysis.seeds import SeedSpread

#: Of a variant against its base: less rate for the same quality, more, or neither shown, be it that
#: images are too few or that other seeds of the base differ as much; "identical" where every cell
#: is, to the bit.
Verdict = Literal[
    "better", "worse", "no difference shown", "too few images", "within seeds", "identical", "NA"
]


def verdict(comparison: Comparison, seeds: SeedSpread | None = None) -> Verdict:
    """Return what a comparison shows: the interval over the curve, and that of the mean of images
    where there is one, must lie on one side of zero, and BD-rate outside what other seeds of the
    base give. Fewer than eight images show nothing.
    """
    if math.isnan(comparison.bd.bd_rate):
        return "NA"
    if comparison.n_images < FEW:
        return "too few images"
    ends = np.array([comparison.interval, comparison.image_interval])
    one_side = not np.isnan(ends[0]).any() and (np.nanmax(ends) < 0 or np.nanmin(ends) > 0)
    if not one_side:
        return "no difference shown"
    if seeds is not None and seeds.holds(comparison.bd.bd_rate):
        return "within seeds"
    return "better" if ends[0, 0] < 0 else "worse"

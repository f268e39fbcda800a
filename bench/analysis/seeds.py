"""How much of a difference between two trained networks is chance in training.

A network trained again from another seed is another network. Where a base was trained so, its own
spread says what a variant, which was trained once, must differ by before its tool can be credited.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: What the card of the base's own training from another seed says that it differs in.
_SEED = re.compile(r"seed \S+ for \S+")


@dataclass(frozen=True)
class SeedSpread:
    """Where BD-rate against the base lies, in percent, of another training of the base itself.

    `low` … `high` is the 95 % prediction interval for one more of `n` trainings, the base's own
    among them.
    """

    low: float
    high: float
    n: int

    def holds(self, bd_rate: float) -> bool:
        """Whether a variant that far from the base might be the base, trained again."""
        return self.low <= bd_rate <= self.high


def is_seed(differs: str) -> bool:
    """Whether what a variant differs in, in the words of its card, is the seed alone."""
    return _SEED.fullmatch(differs) is not None


def seed_spread(bd_rates: Sequence[float]) -> SeedSpread | None:
    """Return the spread of a base's trainings, or None for fewer than 3 with that of the base.

    The interval is Student's, over the logarithms of the rate: with few trainings it is wide.

    Parameters
    ----------
    bd_rates : of its trainings from other seeds against the base, in percent; NaN is left out.
    """
    from scipy.special import stdtrit

    known = [rate for rate in bd_rates if np.isfinite(rate)]
    logs = np.log1p(np.array([0.0, *known]) / 100)
    n = len(logs)
    if n < 3:
        return None
    reach = stdtrit(n - 1, 0.975) * logs.std(ddof=1) * np.sqrt(1 + 1 / n)
    low, high = (100 * np.expm1(logs.mean() + sign * reach) for sign in (-1, 1))
    return SeedSpread(float(low), float(high), n)

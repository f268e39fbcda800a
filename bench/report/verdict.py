"""What a reader wants to know first: which codec is best, by how much, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.analysis.bootstrap import FEW, Bootstrap
from bench.analysis.compare import Comparer
from bench.analysis.curves import ImageCurves

if TYPE_CHECKING:
    from bench.report.content import BDRow


@dataclass(frozen=True)
class Verdict:
    """An answer in words.

    Parameters
    ----------
    headline : one sentence.
    details : how sure it is, and what comes next; a sentence each.
    best : the codec it names; empty where nothing can be decided.
    """

    headline: str
    details: tuple[str, ...] = ()
    best: str = ""


def judge(
    rows: Sequence[BDRow],
    curves: dict[str, ImageCurves],
    image_bd: dict[str, npt.NDArray[np.float64]],
    anchor: str,
    draws: Bootstrap,
) -> Verdict:
    """Return the verdict on BD-rates against an anchor.

    Parameters
    ----------
    rows : the codecs with a BD-rate, best first, then those without; the anchor's row among them.
    curves, image_bd : curves and per-image BD-rates by codec.
    """
    metric = curves[anchor].axis.title
    others = [row for row in rows if row.codec != anchor]
    ranked = [row for row in rows if not math.isnan(row.bd_rate)]
    if not others:
        return Verdict(f"{anchor} is the only codec here: there is nothing to compare it with.")
    if len(ranked) < 2:
        reason = next((row.reason for row in others if row.reason), "")
        return Verdict(f"No codec can be compared with {anchor} by {metric}.", (_sentence(reason),))
    best, second = ranked[0], ranked[1]
    if best.codec == anchor:
        headline = (
            f"Nothing here beats {anchor}: {second.codec} needs "
            f"{percent(abs(second.bd_rate))} more bits at equal {metric}."
        )
        details = [*_sure(second, image_bd[second.codec], anchor)]
    else:
        headline = (
            f"{best.codec} needs {percent(abs(best.bd_rate))} fewer bits than {anchor} "
            f"at equal {metric}."
        )
        details = [*_sure(best, image_bd[best.codec], anchor)]
        if second.codec != anchor:
            details.append(_against(curves[best.codec], curves[second.codec], draws))
    missing = [row.codec for row in others if math.isnan(row.bd_rate)]
    fewest = min((row.n_images for row in ranked if not math.isnan(row.ci_low)), default=FEW)
    if fewest < FEW:
        details.append(
            f"Over {fewest} images this is a hint, not a result: intervals over fewer than {FEW} "
            "images are narrower than they should be."
        )
    if missing:
        details.append(
            f"Not ranked, because {'its' if len(missing) == 1 else 'their'} BD-rate is undefined: "
            f"{', '.join(missing)}."
        )
    return Verdict(headline, tuple(details), best.codec)


def _sure(row: BDRow, images: npt.NDArray[np.float64], anchor: str) -> tuple[str, ...]:
    defined = images[~np.isnan(images)]
    fewer = int((defined < 0).sum())
    wins = f"It needs fewer bits than {anchor} on {fewer} of {len(defined)} images."
    if math.isnan(row.ci_low):
        count = f"{row.n_images} image{'s' * (row.n_images != 1)}"
        return (f"There is no interval over {count}.", *([wins] if len(defined) > 1 else []))
    return (
        f"95 % interval {signed(row.ci_low)} to {signed(row.ci_high)}, over {row.n_images} images.",
        wins,
    )


def _against(best: ImageCurves, second: ImageCurves, draws: Bootstrap) -> str:
    """Say whether the best is ahead of the next for sure: the two compared directly."""
    direct = Comparer(second, bootstrap=draws).compare(best)
    value, (low, high) = direct.bd.bd_rate, direct.interval
    if math.isnan(value):
        return f"{second.codec} is next; the two can't be compared directly: {direct.bd.reason}."
    text = f"Directly against {second.codec}, which is next: {signed(value)}"
    if math.isnan(low):
        return f"{text}."
    if high >= 0:
        sure = "which holds zero: too close to call"
    elif direct.n_images < FEW:
        sure = f"which does not hold zero, but {direct.n_images} images are too few to decide"
    else:
        sure = "so it is ahead"
    return f"{text}, 95 % interval {signed(low)} to {signed(high)}, {sure}."


def percent(value: float) -> str:
    """Return 12.34 as "12.3 %"."""
    return f"{value:.1f}\u202f%"


def signed(value: float) -> str:
    """Return −12.34 as "−12.3 %", with the sign that typesetters use."""
    return f"{value:+.1f}\u202f%".replace("-", "−")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." * (not text.endswith(".")) if text else ""

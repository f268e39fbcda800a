"""The rules on time, which is noisy: a test over repeats, within one run, over all cells at once.

In every cell (setting and image) a one-sided Mann-Whitney test asks whether the times are larger
than the *largest allowed* ones, so that neither noise nor a rise within the limit is an alarm; the
fastest repeat, too, must be above the limit of the fastest expected one. A test of all cells of a
direction at once, van Elteren's sum of their Mann-Whitney statistics, sees a codec that became
slower everywhere through noise in which no single cell is sure; there, the fastest repeats of most
cells must be above the limit.

The p-values of all these tests of a codec, encoding and decoding, are corrected together after
Benjamini and Hochberg. Holm's correction would be out of reach: with 8 repeats the smallest p there
is in a cell is 1/12870, and among 192 cells Holm asks the first one for alpha/192, while a codec
that became slower did so in many cells at once, which is what Benjamini-Hochberg makes use of. In a
run where nothing changed, all hypotheses hold, and there the share of such runs with any alarm is
at most alpha, as with Holm.

References
----------
H. B. Mann, D. R. Whitney, "On a test of whether one of two random variables is stochastically
    larger than the other", Ann. Math. Statist. 18, 1947.
P. van Elteren, "On the combination of independent two-sample tests of Wilcoxon", Bull. Inst. Int.
    Statist. 37, 1960.
Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", J. R. Statist. Soc. B 57, 1995;
    for cells that share the machine's noise: Y. Benjamini, D. Yekutieli, Ann. Statist. 29, 2001.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.errors import RunError
from bench.gate.align import Aligned
from bench.gate.expected import Sample, samples_of
from bench.gate.rules import Limits
from bench.gate.times import Array
from bench.gate.verdict import Finding, Outcome


def time_findings(aligned: Aligned, codec: str, limits: Limits) -> Iterator[Finding]:
    """Yield what the rules on time say of a codec; nothing where no time is limited."""
    if not limits.timed:
        return
    try:
        samples = samples_of(aligned, codec, limits)
    except RunError as error:
        yield Finding("times", Outcome.UNDECIDABLE, f"{codec}: {error}", codec)
        return
    judged = [s for s in samples if _limits_of(s.direction, limits) != (None, None)]
    yield from _judge(codec, judged, p_values(judged, limits), limits)


@dataclass(frozen=True, eq=False)
class PValues:
    """How likely such times are if they are within their limits, corrected for the number of tests.

    Parameters
    ----------
    cells : shape (samples,). overall : of all cells of a direction at once, by direction.
    """

    cells: Array
    overall: dict[str, float]

    @property
    def tests(self) -> int:
        """How many tests they are corrected for."""
        return len(self.cells) + len(self.overall)


def p_values(samples: list[Sample], limits: Limits) -> PValues:
    """Return the p-values of every sample and of every direction."""
    from scipy.stats import false_discovery_control, mannwhitneyu

    tests = [
        mannwhitneyu(sample.seconds, _allowed(sample, limits), alternative="greater")
        for sample in samples
    ]
    directions = list(dict.fromkeys(sample.direction for sample in samples))
    overall = [
        van_elteren(
            [
                (float(test.statistic), len(sample.seconds), len(sample.expected))
                for sample, test in zip(samples, tests, strict=True)
                if sample.direction == direction
            ]
        )
        for direction in directions
    ]
    raw = [*(float(test.pvalue) for test in tests), *overall]
    corrected = np.asarray(false_discovery_control(raw) if raw else [], np.float64)
    return PValues(
        corrected[: len(tests)],
        dict(zip(directions, map(float, corrected[len(tests) :]), strict=True)),
    )


def van_elteren(strata: list[tuple[float, int, int]]) -> float:
    """Return the one-sided p-value of Mann-Whitney statistics of independent strata together, by
    the normal approximation.

    Parameters
    ----------
    strata : statistic, and the sizes of the sample said to be larger and of the other one.
    """
    from scipy.stats import norm

    surplus = sum((u - m * n / 2) / (m + n + 1) for u, m, n in strata)
    variance = sum(m * n / (m + n + 1) / 12 for _, m, n in strata)
    return float(norm.sf(surplus / math.sqrt(variance)))


def _limits_of(direction: str, limits: Limits) -> tuple[float | None, float | None]:
    if direction == "encode":
        return limits.encode_ratio, limits.encode_ms
    return limits.decode_ratio, limits.decode_ms


def _allowed(sample: Sample, limits: Limits) -> Array:
    """Return the expected times moved to the limit."""
    return _at_limit(sample.expected, sample.direction, limits)


def _at_limit(seconds: Array, direction: str, limits: Limits) -> Array:
    """Return times moved to the limit: a rise must exceed each limit given."""
    ratio, milliseconds = _limits_of(direction, limits)
    return np.asarray(np.maximum(seconds * (ratio or 1), seconds + (milliseconds or 0) / 1000))


def _fastest(sample: Sample, limits: Limits) -> float:
    """Return the fastest repeat over what is allowed of the fastest: load seldom slows all repeats,
    and a slower codec has no fast one.
    """
    now, expected = sample.fastest
    return now / float(_at_limit(np.array(expected), sample.direction, limits))


def _judge(codec: str, samples: list[Sample], likely: PValues, limits: Limits) -> Iterator[Finding]:
    for direction, overall in likely.overall.items():
        mine = [
            (sample, float(p))
            for sample, p in zip(samples, likely.cells, strict=True)
            if sample.direction == direction
        ]
        words = f"after correction for {likely.tests} tests"
        found = [
            *_everywhere(codec, direction, [sample for sample, _ in mine], overall, limits, words),
            *_by_setting(codec, direction, mine, limits, words),
        ]
        yield from found or [_unchanged(codec, direction, mine, limits)]


def _everywhere(
    codec: str, direction: str, samples: list[Sample], p: float, limits: Limits, words: str
) -> Iterator[Finding]:
    """Yield a finding where all cells together are slower, and the fastest repeats of most are."""
    if p >= limits.alpha or np.median([_fastest(sample, limits) for sample in samples]) <= 1:
        return
    fastest = np.array([sample.fastest for sample in samples])
    ratio = float(np.median(fastest[:, 0] / fastest[:, 1]))
    rise = float(np.median(fastest[:, 0] - fastest[:, 1]))
    rule, change, limit, unit = _amount(direction, limits, ratio, rise)
    yield Finding(
        rule, Outcome.REGRESSION,
        f"{codec}: {direction} time up over all {len(samples)} cells: ×{ratio:.2f}, "
        f"{1000 * rise:+.3g} ms from fastest to fastest repeat, in the median (allowed "
        f"{_words(direction, limits)}), p = {p:.2g} {words}",
        codec, change=change, limit=limit, unit=unit, p=p,
    )  # fmt: skip


def _by_setting(
    codec: str, direction: str, samples: list[tuple[Sample, float]], limits: Limits, words: str
) -> Iterator[Finding]:
    """Yield a finding per setting at which single cells became slower."""
    settings: dict[float, list[tuple[Sample, float]]] = {}
    for sample, p in samples:
        if p < limits.alpha and _fastest(sample, limits) > 1:
            settings.setdefault(sample.setting, []).append((sample, p))
    for setting, slower in sorted(settings.items()):
        worst, p = max(slower, key=lambda pair: pair[0].ratio)
        there = sum(sample.setting == setting for sample, _ in samples)
        yield _finding(
            Outcome.REGRESSION, worst, p, codec, limits,
            f"{codec} at {setting:g}: {direction} time up in {len(slower)} of {there} images, most "
            f"on {worst.image}: ×{worst.ratio:.2f}, {1000 * worst.rise:+.3g} ms (allowed "
            f"{_words(direction, limits)}), p = {p:.2g} {words}",
        )  # fmt: skip


def _unchanged(
    codec: str, direction: str, samples: list[tuple[Sample, float]], limits: Limits
) -> Finding:
    middle = float(np.median([sample.ratio for sample, _ in samples]))
    worst, p = min(samples, key=lambda pair: pair[1])
    return _finding(
        Outcome.PASS, worst, p, codec, limits,
        f"{codec}: {direction} time ×{middle:.2f} in the median of {len(samples)} cells (allowed "
        f"{_words(direction, limits)})",
    )  # fmt: skip


def _finding(
    outcome: Outcome, sample: Sample, p: float, codec: str, limits: Limits, message: str
) -> Finding:
    rule, change, limit, unit = _amount(sample.direction, limits, sample.ratio, sample.rise)
    return Finding(
        rule, outcome, message, codec, "", sample.setting, sample.image, change, limit, unit, p=p
    )


def _amount(
    direction: str, limits: Limits, ratio: float, rise: float
) -> tuple[str, float, float, str]:
    """Return rule, change, limit and unit as the limit is given: as a ratio where there is one."""
    allowed, milliseconds = _limits_of(direction, limits)
    if allowed is not None:
        return f"{direction}_ratio", ratio, allowed, "×"
    return f"{direction}_ms", 1000 * rise, math.nan if milliseconds is None else milliseconds, "ms"


def _words(direction: str, limits: Limits) -> str:
    ratio, milliseconds = _limits_of(direction, limits)
    words = [f"×{ratio:g}"] if ratio is not None else []
    return " and ".join(words + ([f"{milliseconds:g} ms"] if milliseconds is not None else []))

"""The rules on time, which is noisy: a test over repeats, within one run, over all cells at once.

Times of different runs can't be compared: the machine, its load and its temperature differ. So a
run in the timing mode measures the codec beside another one, round by round, and the gate looks at
the codec's time relative to the other's:

- a *predecessor* is the codec's previous build: its own times are what was expected;
- a *yardstick* is a codec that does not change: in each round the codec's time is divided by the
  yardstick's, and compared with the same quotient in the baseline.

In every cell (setting and image) a one-sided Mann-Whitney test asks whether the times are larger
than the *largest allowed* ones, so that neither noise nor a rise within the limit is an alarm; the
fastest repeat, too, must be above the limit of the fastest expected one. The p-values of all cells
of a codec, encoding and decoding, are corrected together after Benjamini and Hochberg. Holm's
correction would be out of reach: with 8 repeats the smallest p there is is 1/12870, and among 192
cells Holm asks the first one for alpha/192, while a codec that became slower did so in many cells
at once, which is what Benjamini-Hochberg makes use of. In a run where nothing changed, all
hypotheses hold, and there the share of such runs with any alarm is at most alpha, as with Holm.

References
----------
H. B. Mann, D. R. Whitney, "On a test of whether one of two random variables is stochastically
    larger than the other", Ann. Math. Statist. 18, 1947.
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
from bench.gate.rules import FEWEST_REPEATS, Limits
from bench.gate.times import Array, Key, Repeats, read_times
from bench.gate.verdict import Finding, Outcome

_DIRECTIONS = ("encode", "decode")


@dataclass(frozen=True, eq=False)
class Sample:
    """The repeats of a cell in one direction, as seconds of this run, and the expected ones."""

    direction: str
    setting: float
    image: str
    seconds: Array
    expected: Array

    @property
    def ratio(self) -> float:
        """Median over expected median."""
        return float(np.median(self.seconds) / np.median(self.expected))

    @property
    def rise(self) -> float:
        """Rise of the median in seconds."""
        return float(np.median(self.seconds) - np.median(self.expected))


def time_findings(aligned: Aligned, codec: str, limits: Limits) -> Iterator[Finding]:
    """Yield what the rules on time say of a codec; nothing where no time is limited."""
    if not limits.timed:
        return
    try:
        samples = _samples(aligned, codec, limits)
    except RunError as error:
        yield Finding("times", Outcome.UNDECIDABLE, f"{codec}: {error}", codec)
        return
    judged = [s for s in samples if _limits_of(s.direction, limits) != (None, None)]
    corrected = p_values(judged, limits)
    for direction in _DIRECTIONS:
        mine = [(s, p) for s, p in zip(judged, corrected, strict=True) if s.direction == direction]
        if mine:
            yield from _judge(codec, direction, mine, limits)


def p_values(samples: list[Sample], limits: Limits) -> Array:
    """Return for each sample how likely such times are if they are within their limit, shape
    (samples,), corrected for the number of samples.
    """
    from scipy.stats import false_discovery_control, mannwhitneyu

    raw = [
        mannwhitneyu(sample.seconds, _allowed(sample, limits), alternative="greater").pvalue
        for sample in samples
    ]
    return np.asarray(false_discovery_control(raw) if raw else [], np.float64)


def _limits_of(direction: str, limits: Limits) -> tuple[float | None, float | None]:
    if direction == "encode":
        return limits.encode_ratio, limits.encode_ms
    return limits.decode_ratio, limits.decode_ms


def _allowed(sample: Sample, limits: Limits) -> Array:
    """Return the expected times moved to the limit: a rise must exceed each limit given."""
    ratio, milliseconds = _limits_of(sample.direction, limits)
    bounds = [sample.expected * (ratio or 1), sample.expected + (milliseconds or 0) / 1000]
    return np.asarray(np.maximum(*bounds))


def _fastest_is_slow(sample: Sample, limits: Limits) -> bool:
    """Return whether even the fastest repeat is above what is allowed of the fastest: a load on the
    machine only ever adds time, and seldom to all repeats; a slower codec has no fast one.
    """
    return bool(sample.seconds.min() > _allowed(sample, limits).min())


def _judge(
    codec: str, direction: str, samples: list[tuple[Sample, float]], limits: Limits
) -> Iterator[Finding]:
    """Yield a finding per setting that became slower, or one that says that none did."""
    settings: dict[float, list[tuple[Sample, float]]] = {}
    for sample, p in samples:
        if p < limits.alpha and _fastest_is_slow(sample, limits):
            settings.setdefault(sample.setting, []).append((sample, p))
    allowed = _words(direction, limits)
    for setting, slower in sorted(settings.items()):
        worst, p = max(slower, key=lambda pair: pair[0].ratio)
        there = sum(sample.setting == setting for sample, _ in samples)
        yield _finding(
            Outcome.REGRESSION, worst, p, codec, limits,
            f"{codec} at {setting:g}: {direction} time up in {len(slower)} of {there} images, most "
            f"on {worst.image}: ×{worst.ratio:.2f}, {1000 * worst.rise:+.3g} ms (allowed "
            f"{allowed}), p = {p:.2g} after correction for {len(samples)} cells",
        )  # fmt: skip
    if not settings:
        middle = float(np.median([sample.ratio for sample, _ in samples]))
        worst, p = min(samples, key=lambda pair: pair[1])
        yield _finding(
            Outcome.PASS, worst, p, codec, limits,
            f"{codec}: {direction} time ×{middle:.2f} in the median of {len(samples)} cells "
            f"(allowed {allowed})",
        )  # fmt: skip


def _finding(
    outcome: Outcome, sample: Sample, p: float, codec: str, limits: Limits, message: str
) -> Finding:
    ratio, milliseconds = _limits_of(sample.direction, limits)
    rule = f"{sample.direction}_{'ratio' if ratio is not None else 'ms'}"
    change, limit = (sample.ratio, ratio) if ratio else (1000 * sample.rise, milliseconds)
    return Finding(
        rule, outcome, message, codec, "", sample.setting, sample.image,
        change, math.nan if limit is None else limit, "×" if ratio else "ms", p=float(p),
    )  # fmt: skip


def _words(direction: str, limits: Limits) -> str:
    ratio, milliseconds = _limits_of(direction, limits)
    words = [f"×{ratio:g}"] if ratio is not None else []
    return " and ".join(words + ([f"{milliseconds:g} ms"] if milliseconds is not None else []))


def _samples(aligned: Aligned, codec: str, limits: Limits) -> list[Sample]:
    """Return both directions of every cell of the baseline. Raises RunError for what is missing."""
    times = _by_pixels(aligned, read_times(aligned.run.path.parent))
    other = limits.yardstick or limits.predecessor
    if not any(key[0] == other for key in times):
        raise RunError(f"the run holds no times of {other}, against which they are to be measured")
    cells = [(codec, float(p.was.quality), p.was.image) for p in aligned.pairs[codec] if p.sound]
    samples = []
    for key in cells:
        if key not in times:
            raise RunError(f"the run holds no times at {key[1]:g} on {key[2]}")
        if limits.yardstick:
            seconds, expected = _against_yardstick(aligned, key, times, other)
        else:
            seconds, expected = times[key], _of_predecessor(times, key, other)
        for which, direction in enumerate(_DIRECTIONS):
            sample = Sample(direction, key[1], key[2], seconds[which], expected[which])
            _check(sample)
            samples.append(sample)
    return samples


def _check(sample: Sample) -> None:
    fewest = min(len(sample.seconds), len(sample.expected))
    if fewest < FEWEST_REPEATS:
        raise RunError(
            f"{fewest} repeats are too few to tell a rise from noise, at least {FEWEST_REPEATS} "
            f"are needed in run and baseline: bench run --timing --repeats {FEWEST_REPEATS}"
        )
    if not np.median(sample.expected) > 0:
        raise RunError(f"the expected time at {sample.setting:g} on {sample.image} is zero")


def _of_predecessor(times: Repeats, key: Key, predecessor: str) -> Array:
    theirs = (predecessor, key[1], key[2])
    if theirs not in times:
        raise RunError(f"the run holds no times of {predecessor} at {key[1]:g} on {key[2]}")
    return times[theirs]


def _against_yardstick(
    aligned: Aligned, key: Key, times: Repeats, yardstick: str
) -> tuple[Array, Array]:
    """Return the cell's times and those that the baseline lets expect, both relative to the
    yardstick round by round, and then in seconds at the yardstick's median pace of this run.
    """
    baseline = {
        (t.codec, float(t.quality), t.image): np.array([t.encode_s, t.decode_s])
        for t in aligned.baseline.times
    }
    if key not in baseline:
        raise RunError(
            f"the baseline holds no times of {key[0]}: write it from a run of the timing mode"
        )
    settings = [k for k in baseline if k[0] == yardstick and k[2] == key[2]]
    lacking = [k for k in settings if k not in times]
    if not settings or lacking:
        where = "run" if settings else "baseline"
        raise RunError(f"the {where} lacks times of the yardstick {yardstick} on {key[2]}")
    now, was = _pace(times, settings), _pace(baseline, settings)
    median = np.median(now, axis=1, keepdims=True)
    return _quotient(times[key], now) * median, _quotient(baseline[key], was) * median


def _pace(times: Repeats, settings: list[Key]) -> Array:
    """Return the yardstick's seconds in each round, shape (2, rounds): its time over all settings
    at the pace of the round, which is the median over settings, so that one that was disturbed does
    not disturb the rest.
    """
    rounds = min(times[key].shape[1] for key in settings)
    repeats = np.array([times[key][:, :rounds] for key in settings])
    medians = np.median(repeats, axis=2, keepdims=True)
    if not (medians > 0).all():
        raise RunError("a time of the yardstick is zero")
    return np.asarray(np.median(repeats / medians, axis=0) * medians.sum(axis=0))


def _quotient(times: Array, pace: Array) -> Array:
    rounds = min(times.shape[1], pace.shape[1])
    return np.asarray(times[:, :rounds] / pace[:, :rounds])


def _by_pixels(aligned: Aligned, times: Repeats) -> Repeats:
    """Return the run's times under the names that the baseline has for the same pixels."""
    frame = aligned.run.frame
    pixels = dict(zip(frame["image"], frame["image_sha256"], strict=True))
    names = {image.sha256: name for name, image in aligned.baseline.images.items()}
    return {
        (codec, quality, names[pixels[image]]): repeats
        for (codec, quality, image), repeats in times.items()
        if pixels.get(image) in names
    }

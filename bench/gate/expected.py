"""The times a cell took, beside those that were to be expected of it on this machine, just now.

Times of different runs can't be compared: the machine, its load and its temperature differ. So a
run in the timing mode measures the codec beside another one, round by round:

- a *predecessor* is the codec's previous build: its own times are what was expected;
- a *yardstick* is a codec that does not change: in each round the codec's time is divided by the
  yardstick's, and the same quotient in the baseline is what was expected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.errors import RunError
from bench.gate.align import Aligned
from bench.gate.rules import FEWEST_REPEATS, Limits
from bench.gate.times import Array, Key, Repeats, read_times

#: As `Repeats` has them.
DIRECTIONS = ("encode", "decode")


@dataclass(frozen=True, eq=False)
class Sample:
    """The repeats of a cell in one direction, as seconds of this run, and the expected ones.

    Parameters
    ----------
    fastest : the fastest repeat as it was measured, and the one that was to be expected. Load on
        the machine only ever adds time, so that these tell how fast a codec is where medians tell
        how busy the machine was.
    """

    direction: str
    setting: float
    image: str
    seconds: Array
    expected: Array
    fastest: tuple[float, float]

    @property
    def ratio(self) -> float:
        """Median over expected median."""
        return float(np.median(self.seconds) / np.median(self.expected))

    @property
    def rise(self) -> float:
        """Rise of the median in seconds."""
        return float(np.median(self.seconds) - np.median(self.expected))


def samples_of(aligned: Aligned, codec: str, limits: Limits) -> list[Sample]:
    """Return both directions of every cell of the baseline.

    Raises RunError for what is missing, and for fewer repeats than the test needs.
    """
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
            seconds, expected, fastest = _against_yardstick(aligned, key, times, other)
        else:
            seconds, expected = times[key], _of_predecessor(times, key, other)
            fastest = expected.min(axis=1)
        for which, direction in enumerate(DIRECTIONS):
            both = float(times[key][which].min()), float(fastest[which])
            sample = Sample(direction, key[1], key[2], seconds[which], expected[which], both)
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
) -> tuple[Array, Array, Array]:
    """Return the cell's times and those that the baseline lets expect, both relative to the
    yardstick round by round, and then in seconds at the yardstick's median pace of this run; and
    the fastest time that the baseline lets expect, shape (2,), at the pace of the fastest repeats.
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
    fastest = baseline[key].min(axis=1) * _fastest(times, settings) / _fastest(baseline, settings)
    return _quotient(times[key], now) * median, _quotient(baseline[key], was) * median, fastest


def _fastest(times: Repeats, settings: list[Key]) -> Array:
    """Return the sum of each setting's fastest repeat, shape (2,)."""
    return np.asarray(sum(times[key].min(axis=1) for key in settings))


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

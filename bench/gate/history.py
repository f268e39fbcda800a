"""A series of baselines: BD-rate and speed over time, and the steps at which they changed."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.errors import UsageError
from bench.gate.baseline import Baseline, parse_baseline, read_baseline
from bench.gate.moved import bd_rates
from bench.gate.times import Repeats

#: A BD-rate moved where it moved by more than this, in percent: bytes are exact, means round.
SMALLEST_STEP = 0.01
#: A time changed where the test of all cells says so and the median ratio is at least this.
SMALLEST_RATIO = 1.1
_ALPHA = 0.01


@dataclass(frozen=True)
class Step:
    """A baseline in its series: `label` names it, a commit where it says one."""

    label: str
    baseline: Baseline

    @property
    def date(self) -> str:
        """The day it was written."""
        return self.baseline.provenance.created[:10]


@dataclass(frozen=True)
class Point:
    """A codec at a step.

    Parameters
    ----------
    since_start, since_last : BD-rate in percent against the codec's first baseline and its last
        one before this; NaN for the first, and where it is undefined.
    encode_s, decode_s : median seconds per megapixel over all cells; NaN without times.
    changes : what changed at this step, in words; empty where nothing did.
    """

    codec: str
    step: int
    since_start: float
    since_last: float
    encode_s: float
    decode_s: float
    changes: tuple[str, ...]


def read_series(files: Sequence[str | Path]) -> list[Step]:
    """Return baselines in the order given. Raises BaselineError, SchemaError."""
    steps = []
    for file in files:
        baseline = read_baseline(file)
        commit = baseline.provenance.commit[:10]
        steps.append(Step(commit or Path(file).name, baseline))
    return steps


def read_git(file: str | Path) -> list[Step]:
    """Return every committed version of one baseline, the oldest first.

    Raises UsageError where git knows no such file, BaselineError for a version that is damaged.
    """
    path = Path(file).resolve()
    folder = path.parent
    log = _git(folder, "log", "--format=%h", "--reverse", "--", path.name).split()
    if not log:
        raise UsageError(f"{file}: git knows no version of this file")
    texts = {commit: _git(folder, "show", f"{commit}:./{path.name}") for commit in log}
    return [Step(c, parse_baseline(text, f"{file} at {c}")) for c, text in texts.items()]


def points(steps: Sequence[Step], metric: str) -> list[Point]:
    """Return every codec at every step that has it, by codec."""
    codecs = dict.fromkeys(name for step in steps for name in step.baseline.codecs)
    return [point for codec in codecs for point in _of_codec(steps, codec, metric)]


def _of_codec(steps: Sequence[Step], codec: str, metric: str) -> Iterator[Point]:
    first: Baseline | None = None
    last: Baseline | None = None
    for number, step in enumerate(steps):
        now = step.baseline
        if codec not in now.codecs:
            continue
        start = math.nan if first is None else bd_rates(first, now, metric).get(codec, math.nan)
        before = math.nan if last is None else bd_rates(last, now, metric).get(codec, math.nan)
        changes = () if last is None else tuple(_changes(last, now, codec, metric, before))
        yield Point(codec, number, start, before, *_speed(now, codec), changes)
        first, last = first or now, now


def _changes(
    was: Baseline, now: Baseline, codec: str, metric: str, bd_rate: float
) -> Iterator[str]:
    if metric in was.metrics and metric in now.metrics:
        if was.metrics[metric] != now.metrics[metric]:
            yield f"{metric} is measured otherwise"
        elif math.isnan(bd_rate):
            yield f"no BD-rate over {metric}"
        elif abs(bd_rate) > SMALLEST_STEP:
            yield f"BD-rate {bd_rate:+.3g} %"
    for which, direction in enumerate(("encode", "decode")):
        ratio, p = _time_change(was, now, codec, which)
        if p < _ALPHA and max(ratio, 1 / ratio) >= SMALLEST_RATIO:
            yield f"{direction} time ×{ratio:.2f} (p = {p:.2g})"


def _time_change(was: Baseline, now: Baseline, codec: str, which: int) -> tuple[float, float]:
    """Return the median ratio of times and the smallest corrected p; (1, 1) for times of different
    machines, which can't be compared.
    """
    from scipy.stats import false_discovery_control, mannwhitneyu

    machines = [
        tuple(b.provenance.machine.get(key) for key in ("processor", "architecture", "cores"))
        for b in (was, now)
    ]
    before, after = _repeats(was, codec), _repeats(now, codec)
    cells = [key for key in after if key in before]
    if machines[0] != machines[1] or not cells:
        return 1.0, 1.0
    raw = [mannwhitneyu(after[key][which], before[key][which]).pvalue for key in cells]
    ratio = np.median([np.median(after[k][which]) / np.median(before[k][which]) for k in cells])
    return float(ratio), float(min(false_discovery_control(raw)))


def _repeats(baseline: Baseline, codec: str) -> Repeats:
    return {
        (row.codec, float(row.quality), baseline.images[row.image].sha256): np.array(
            [row.encode_s, row.decode_s]
        )
        for row in baseline.times
        if row.codec == codec
    }


def _speed(baseline: Baseline, codec: str) -> tuple[float, float]:
    cells = [
        (np.median(row.encode_s) / size, np.median(row.decode_s) / size)
        for row in baseline.times
        if row.codec == codec
        and (size := baseline.images[row.image].width * baseline.images[row.image].height / 1e6)
    ]
    if not cells:
        return math.nan, math.nan
    encode, decode = np.median(np.array(cells), axis=0)
    return float(encode), float(decode)


def _git(folder: Path, *words: str) -> str:
    try:
        answer = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=True)
        return answer.stdout.decode("utf-8")
    except FileNotFoundError:
        raise UsageError("the program git is not on the PATH, which --git needs") from None
    except (subprocess.CalledProcessError, UnicodeDecodeError) as error:
        said = getattr(error, "stderr", b"") or b""
        text = " ".join(said.decode("utf-8", "replace").split()) or str(error)
        raise UsageError(f"git {words[0]} in {folder}: {text}") from None

"""The rules on time: a slower codec is seen through noise, noise alone is not."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gating import leave
from scipy.stats import mannwhitneyu, rankdata

from bench.gate.baseline import write_baseline
from bench.gate.check import check
from bench.gate.expected import Sample
from bench.gate.record import baseline_of
from bench.gate.rules import limits_for, parse_options
from bench.gate.speed import p_values, van_elteren
from bench.gate.verdict import Outcome, Verdict

REPEATS = 8
TIMING = {"repeats": REPEATS, "warmup": 1, "threads": 1}


def timed(
    folder: Path, clean: pd.DataFrame, seed: int, *, slower: float = 1, machine: float = 1,
    repeats: int = REPEATS, only: int | None = None, busy: float = 0.05,
) -> Path:  # fmt: skip
    """Leave a run of the timing mode: jpeg is the yardstick, mine is made of webp's rows, and its
    decoding takes `slower` times as long (at the setting `only`). In each round the machine runs at
    a pace of its own, each time has noise of its own, and a share of them, `busy`, is held up.
    """
    noise = np.random.default_rng(seed)
    names = {"jpeg": "jpeg", "webp": "mine"}
    frame = clean[clean["codec"].isin(names)].copy()
    frame["codec"] = frame["codec"].map(names)
    rows = []
    for image, cells in frame.groupby("image"):
        for repeat in range(1, repeats + 1):
            pace = machine * noise.lognormal(0, 0.15)
            for codec, quality in zip(cells["codec"], cells["quality"], strict=True):
                base = 0.004 if codec == "mine" else 0.002
                late = slower if codec == "mine" and only in (None, quality) else 1
                held_up = (noise.random(2) < busy) * noise.uniform(0, 10, 2)
                encode, decode = noise.lognormal(0, 0.05, 2) + held_up
                rows.append(
                    (codec, quality, image, repeat, 3 * base * pace * encode,
                     base * pace * decode * late)
                )  # fmt: skip
    columns = ["codec", "quality", "image", "repeat", "encode_s", "decode_s"]
    leave(folder, frame, timing=TIMING)
    pd.DataFrame(rows, columns=columns).to_csv(folder / "times.csv", index=False)
    return folder


LIMITS = ["mine:decode_ratio=1.1", "mine:encode_ratio=1.1", "mine:yardstick=jpeg"]


@pytest.fixture
def judge(clean, tmp_path):
    """Judges a timed run: ``judge(seed=…, slower=…)`` against a baseline of seed 0."""
    file = tmp_path / "timed.json"
    write_baseline(baseline_of(timed(tmp_path / "was", clean, 0)), file)

    def judge(*extra: str, seed: int = 1, **planted: float) -> Verdict:
        run = timed(tmp_path / "now", clean, seed, **planted)
        return check(run, file, [parse_options([*LIMITS, *extra])])

    return judge


def test_decoding_slowed_by_30_percent_is_caught_and_named(judge):
    verdict = judge(slower=1.3)
    assert verdict.exit_code == 1
    assert {(f.codec, f.rule) for f in verdict.offending} == {("mine", "decode_ratio")}
    overall, *cells = verdict.offending
    assert math.isnan(overall.setting)
    # 20 cells in two directions, and a test of either over all of them.
    assert "mine: decode time up over all 20 cells" in overall.message
    assert "after correction for 42 tests" in overall.message
    assert {f.setting for f in cells} == {20, 40, 60, 75, 90}
    assert all(f.p < 0.001 and f.change > 1.1 for f in verdict.offending)


def test_decoding_slowed_at_one_setting_is_caught_there_and_nowhere_else(judge):
    # Four cells of forty: eight repeats are few for that, so more false alarms are allowed.
    verdict = judge("mine:alpha=0.01", slower=1.5, only=60)
    assert {(f.rule, f.setting) for f in verdict.offending} == {("decode_ratio", 60)}


@pytest.mark.parametrize("seed", range(2, 12))
def test_noise_is_no_alarm(judge, seed):
    verdict = judge(seed=seed)
    assert verdict.outcome is Outcome.PASS
    assert {f.rule for f in verdict.findings} >= {"encode_ratio", "decode_ratio"}


def test_a_machine_of_half_the_speed_is_no_alarm_and_hides_none(judge):
    assert judge(machine=2).exit_code == 0
    assert judge(machine=2, slower=1.3).exit_code == 1


def test_a_rise_must_exceed_the_ratio_and_the_milliseconds(judge):
    # 30 % of 4 ms are 1.2 ms.
    assert judge("mine:decode_ms=0.5", slower=1.3).exit_code == 1
    assert judge("mine:decode_ms=5", slower=1.3).exit_code == 0


def test_milliseconds_alone_are_a_limit(judge):
    verdict = judge("mine:decode_ratio=off", "mine:decode_ms=0.3", slower=1.3)
    assert {f.rule for f in verdict.offending} == {"decode_ms"}
    assert verdict.offending[0].unit == "ms"


def test_too_few_repeats_are_undecidable(judge):
    verdict = judge(repeats=5)
    assert verdict.exit_code == 2
    assert "5 repeats are too few" in verdict.offending[0].message


def test_a_run_outside_the_timing_mode_is_undecidable(clean, baseline, run):
    verdict = check(run, baseline, [parse_options(["decode_ratio=1.1", "yardstick=jpeg"])])
    assert verdict.exit_code == 2
    assert {f.rule for f in verdict.offending} == {"times"}
    assert "bench run --timing" in verdict.offending[0].message


def test_a_baseline_without_times_is_undecidable_for_a_yardstick(clean, baseline, tmp_path):
    run = leave(tmp_path / "now", clean, timing=TIMING)
    times = [
        (codec, quality, image, repeat, 0.01, 0.01)
        for codec, quality, image in zip(
            clean["codec"], clean["quality"], clean["image"], strict=True
        )
        for repeat in range(REPEATS)
    ]
    columns = ["codec", "quality", "image", "repeat", "encode_s", "decode_s"]
    pd.DataFrame(times, columns=columns).to_csv(run / "times.csv", index=False)
    verdict = check(run, baseline, [parse_options(["decode_ratio=1.1", "yardstick=jpeg"])])
    assert verdict.exit_code == 2
    assert "the baseline holds no times" in verdict.offending[0].message
    # The previous build in the same run needs none.
    rules = ["webp:decode_ratio=1.1", "webp:predecessor=jpeg"]
    assert check(run, baseline, [parse_options(rules)]).exit_code == 0


def test_a_yardstick_that_is_not_in_the_run_is_undecidable(judge):
    verdict = judge("mine:yardstick=gauge")
    assert verdict.exit_code == 2
    assert "no times of gauge" in verdict.offending[0].message


def sample(name: str, seconds: np.ndarray, expected: np.ndarray) -> Sample:
    fastest = (float(seconds.min()), float(expected.min()))
    return Sample("decode", 1, name, seconds, expected, fastest)


def test_the_correction_is_that_of_benjamini_and_hochberg_on_mann_whitney():
    """One cell of eight repeats, all slower: 1/C(16,8), by counting; as one of two or three tests,
    the smallest, it is doubled or tripled.
    """
    limits = limits_for("x", [parse_options(["decode_ratio=1", "yardstick=y"])])
    slow = sample("a", np.arange(9.0, 17), np.arange(1.0, 9))
    same = sample("b", np.arange(1.0, 9), np.arange(9.0, 17))
    assert p_values([slow], limits).cells == pytest.approx([2 / 12870])
    assert p_values([slow, same], limits).cells == pytest.approx([3 / 12870, 1])
    assert p_values([slow, slow, same, same], limits).tests == 5


def test_the_test_of_all_cells_is_what_counting_all_ways_to_deal_the_repeats_gives():
    """Two cells of five repeats: each of the 252² ways to call five of ten repeats the new ones."""
    noise = np.random.default_rng(3)
    cells = [noise.normal(0, 1, 10) + np.repeat([1, 0], 5) for _ in range(2)]
    ways = [list(way) for way in itertools.combinations(range(10), 5)]

    def statistics(times: np.ndarray) -> np.ndarray:
        ranks = rankdata(times)
        return np.array([ranks[way].sum() for way in ways]) - 15

    both = [statistics(times) for times in cells]
    sums = both[0][:, np.newaxis] + both[1]
    exact = float(np.mean(sums >= both[0][0] + both[1][0]))
    assert 0.001 < exact < 0.1
    found = van_elteren([(float(u[0]), 5, 5) for u in both])
    assert found == pytest.approx(exact, rel=0.2)
    # Cells of other sizes weigh in: alone, each is the normal approximation of Mann and Whitney.
    times = np.arange(9.0)
    alone = mannwhitneyu(
        times[3:], times[:3], alternative="greater", method="asymptotic", use_continuity=False
    )
    assert van_elteren([(alone.statistic, 6, 3)]) == pytest.approx(alone.pvalue)


def test_a_slower_codec_is_seen_through_noise_in_which_no_cell_is_sure(judge):
    """Every fourth repeat is held up, by up to ten times its length."""
    assert judge(slower=1.3, busy=0.25).exit_code == 1
    assert [judge(busy=0.25, seed=seed).exit_code for seed in range(20, 30)] == [0] * 10

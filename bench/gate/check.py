"""The gate: a run, a baseline and rules become a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.analysis.results import Results, read_results
from bench.gate.align import Aligned, metric_faults, notes, scope
from bench.gate.baseline import Baseline, read_baseline
from bench.gate.quality import CodecGate, is_named
from bench.gate.rules import Gates, Limits, limits_for, unmatched
from bench.gate.speed import time_findings
from bench.gate.verdict import Finding, Outcome, Verdict


def check(run: str | Path, baseline: str | Path, rules: Sequence[Gates] = ()) -> Verdict:
    """Return the verdict on a run.

    Parameters
    ----------
    run : the run's folder.
    baseline : the baseline's file.
    rules : layers of rules over the defaults, later ones over earlier ones.

    Raises
    ------
    BenchError : a run or a baseline that can't be read, rules that contradict themselves.
    """
    known = read_baseline(baseline)
    return judge(read_results(run), known, rules, names=(str(run), str(baseline)))


def judge(
    run: Results,
    baseline: Baseline,
    rules: Sequence[Gates] = (),
    names: tuple[str, str] = ("", ""),
) -> Verdict:
    """Return the verdict on a run in memory; see :func:`check`. `names` are for messages."""
    limits = {codec: limits_for(codec, rules) for codec in baseline.codecs}
    aligned = Aligned(baseline, run)
    findings = [*_no_such_codec(rules, [*baseline.codecs, *run.codecs]), *scope(aligned)]
    if all(pair.now is None for pairs in aligned.pairs.values() for pair in pairs):
        return Verdict(tuple(findings), (), *names)
    needed = sorted({metric for each in limits.values() for metric in each.metrics})
    faults = metric_faults(aligned, needed)
    for metric, problem in faults.items():
        findings.append(Finding("metric", Outcome.UNDECIDABLE, problem, metric=metric))
    for codec in baseline.codecs:
        if codec in run.codecs:
            findings += _of_codec(aligned, codec, limits[codec], frozenset(faults), rules)
    return Verdict(
        tuple(findings), tuple(notes(aligned)), *names, commit=baseline.provenance.commit
    )


def _of_codec(
    aligned: Aligned, codec: str, limits: Limits, faulty: frozenset[str], rules: Sequence[Gates]
) -> Iterator[Finding]:
    gate = CodecGate(aligned, codec, limits, faulty)
    named = [rule.match for layer in rules for rule in layer.codecs if rule.exact]
    found = [*gate.failures()]
    if any(pair.sound for pair in gate.pairs):
        found += [*gate.values(), *gate.bd_rate(), *gate.drop(), *gate.bytes()]
        found += [*gate.exact(is_named(codec, named)), *time_findings(aligned, codec, limits)]
    if not found:
        message = f"{codec}: no rule compares anything"
        found.append(Finding("run", Outcome.UNDECIDABLE, message, codec))
    yield from found


def _no_such_codec(rules: Sequence[Gates], codecs: Sequence[str]) -> Iterator[Finding]:
    for pattern in unmatched(rules, codecs):
        message = f"a rule is for {pattern}, which names no codec of baseline or run"
        yield Finding("rule", Outcome.UNDECIDABLE, message)

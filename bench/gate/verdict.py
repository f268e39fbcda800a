"""What a gate found: a finding per rule, and the verdict over all."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field

from bench.analysis.bootstrap import NO_INTERVAL, Interval
from bench.text import plural


class Outcome(enum.Enum):
    """What became of a rule."""

    REGRESSION = "regression"
    UNDECIDABLE = "undecidable"
    BETTER = "better"
    PASS = "pass"


#: Offending first.
ORDER = (Outcome.REGRESSION, Outcome.UNDECIDABLE, Outcome.BETTER, Outcome.PASS)


@dataclass(frozen=True)
class Finding:
    """What one rule says of one codec.

    Parameters
    ----------
    rule : its name as in the rules (``bd_rate``), or what could not be compared: ``run``,
        ``data``, ``codec``, ``cells``, ``metric``, ``value``, ``times``.
    message : a whole sentence.
    setting, image : where the loss is largest, as far as the rule tells; NaN and empty otherwise.
    change, limit : in `unit`; NaN where there is no number.
    interval : of `change`, 95 %, over images.
    p : corrected for the number of cells, for times.
    """

    rule: str
    outcome: Outcome
    message: str
    codec: str = ""
    metric: str = ""
    setting: float = math.nan
    image: str = ""
    change: float = math.nan
    limit: float = math.nan
    unit: str = ""
    interval: Interval = NO_INTERVAL
    p: float = math.nan

    @property
    def rule_name(self) -> str:
        """The rule as one writes it: ``bd_rate.psnr``."""
        return f"{self.rule}.{self.metric}" if self.metric else self.rule

    @property
    def sure(self) -> str:
        """How sure the change is, in words; empty for what is exact."""
        if not math.isnan(self.p):
            return f"p = {self.p:.2g}"
        if not math.isnan(self.interval[0]):
            low, high = (round(end, 2) + 0.0 for end in self.interval)  # no -0.00
            return f"95 %: {low:+.2f} … {high:+.2f}"
        return ""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a run.

    Parameters
    ----------
    notes : what a reader should know and what decides nothing: other versions, another machine,
        codecs that the baseline lacks.
    run, baseline : where both were read.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    run: str = ""
    baseline: str = ""
    commit: str = field(default="")

    @property
    def outcome(self) -> Outcome:
        """A regression is one even where something else could not be decided; a gate that compared
        nothing is undecidable.
        """
        found = {finding.outcome for finding in self.findings}
        for outcome in ORDER:
            if outcome in found:
                return outcome
        return Outcome.UNDECIDABLE

    @property
    def exit_code(self) -> int:
        """0 pass or better, 1 regression, 2 undecidable."""
        return {Outcome.REGRESSION: 1, Outcome.UNDECIDABLE: 2}.get(self.outcome, 0)

    @property
    def ordered(self) -> list[Finding]:
        """Findings with the offending ones first."""
        return sorted(self.findings, key=lambda f: ORDER.index(f.outcome))

    @property
    def offending(self) -> list[Finding]:
        """Regressions and what could not be decided."""
        bad = (Outcome.REGRESSION, Outcome.UNDECIDABLE)
        return [finding for finding in self.ordered if finding.outcome in bad]

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        count = {o: sum(f.outcome is o for f in self.findings) for o in ORDER}
        if self.outcome is Outcome.REGRESSION:
            more = count[Outcome.UNDECIDABLE]
            rest = f"; {more} more could not be decided" if more else ""
            return f"red: {plural(count[Outcome.REGRESSION], 'regression')}{rest}"
        if self.outcome is Outcome.UNDECIDABLE:
            number = count[Outcome.UNDECIDABLE]
            return f"undecidable: {plural(number, 'question')} open" if number else (
                "undecidable: no rule compared anything"
            )  # fmt: skip
        passed = plural(count[Outcome.PASS] + count[Outcome.BETTER], "check")
        better = count[Outcome.BETTER]
        return f"green: {passed} passed" + (f", {better} of them better" if better else "")


def unreadable(message: str, run: str, baseline: str) -> Verdict:
    """Return the verdict where run or baseline can't be read at all."""
    finding = Finding("run", Outcome.UNDECIDABLE, message)
    return Verdict((finding,), run=run, baseline=baseline)

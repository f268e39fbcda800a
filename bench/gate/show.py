"""A verdict for people: a table for the terminal, Markdown for a pull request."""

from __future__ import annotations

import math
import textwrap

from bench.gate.verdict import Finding, Outcome, Verdict
from bench.report.markup import markdown_table
from bench.text import table

_HEADERS = ("", "codec", "rule", "setting", "image", "worse by", "allowed", "how sure")
_ALIGN = "lllllrrl"
_MARK = {
    Outcome.REGRESSION: "WORSE",
    Outcome.UNDECIDABLE: "OPEN",
    Outcome.BETTER: "better",
    Outcome.PASS: "ok",
}
_SIGN = {
    Outcome.REGRESSION: "❌",
    Outcome.UNDECIDABLE: "❓",
    Outcome.BETTER: "⬆️",
    Outcome.PASS: "✅",
}


def terminal(verdict: Verdict, width: int | None = None) -> str:
    """Return the verdict as text: a table, the offending rows first, and each of them in words.

    Parameters
    ----------
    width : columns that sentences are wrapped at; None leaves them whole.
    """
    rows = [(_MARK[f.outcome], *_cells(f)) for f in verdict.ordered]
    parts = [table(_HEADERS, rows, _ALIGN)] if rows else []
    bullets = [f"- {finding.message}" for finding in verdict.offending]
    bullets += [f"note: {note}" for note in verdict.notes]
    if bullets:
        parts.append("\n".join(_wrap(line, width) for line in bullets))
    parts.append(verdict.headline)
    parts += [_wrap(line, width) for line in advice(verdict)]
    return "\n\n".join(parts)


def markdown(verdict: Verdict) -> str:
    """Return the verdict in GitHub's Markdown: offending rows open, the others folded away."""
    lines = [f"### {_SIGN[verdict.outcome]} Rate-distortion gate: {verdict.headline}", ""]
    bad = verdict.offending
    if bad:
        lines += [_table(bad), ""]
        lines += [f"- {escaped(finding.message)}" for finding in bad] + [""]
    rest = [finding for finding in verdict.ordered if finding not in bad]
    if rest:
        lines += ["<details>", f"<summary>{len(rest)} checks passed</summary>", ""]
        lines += [_table(rest), "", "</details>", ""]
    lines += [f"- {escaped(note)}" for note in verdict.notes]
    for line in advice(verdict):
        lines += ["", escaped(line)]
    return "\n".join(lines).rstrip() + "\n"


def advice(verdict: Verdict) -> list[str]:
    """Return what to do next: how to hold on to a gain, how to accept a loss that is meant."""
    how = f"bench baseline update {verdict.run or 'RUN'} {verdict.baseline or 'FILE'}"
    better = [f for f in verdict.ordered if f.outcome is Outcome.BETTER]
    if verdict.outcome is Outcome.BETTER:
        best = "; ".join(f.message for f in better[:3])
        return [f"Better than the baseline: {best}. To hold on to it: {how}"]
    if verdict.outcome is not Outcome.REGRESSION:
        return []
    lines = []
    curves = {f.codec for f in better if f.rule == "bd_rate"}
    for codec in sorted(curves & {f.codec for f in verdict.offending if f.rule == "drop"}):
        lines.append(
            f"{codec} has less quality at its settings and yet a better curve: its settings moved. "
            "Where only the curve counts, turn the rule drop off."
        )
    return [*lines, f"If that is meant, accept it: {how}"]


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    for mark in "\\`*_[]|#":
        text = text.replace(mark, "\\" + mark)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _table(findings: list[Finding]) -> str:
    rows = [(_SIGN[f.outcome], *_cells(f)) for f in findings]
    return markdown_table(_HEADERS, rows, _ALIGN).rstrip("\n")


def _cells(finding: Finding) -> tuple[str, ...]:
    return (
        finding.codec,
        finding.rule_name,
        "" if math.isnan(finding.setting) else f"{finding.setting:g}",
        finding.image,
        _number(finding.change, finding.unit),
        _number(finding.limit, finding.unit),
        finding.sure,
    )


def _number(value: float, unit: str) -> str:
    if math.isnan(value):
        return ""
    text = f"×{value:.3g}" if unit == "×" else f"{value:.3g} {unit}"
    return text.rstrip()


def _wrap(line: str, width: int | None) -> str:
    if width is None:
        return line
    return "\n".join(textwrap.wrap(line, max(width, 40), subsequent_indent="  "))

"""A verdict for machines: JSON, JUnit XML, SARIF, annotations of GitHub."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import bench
from bench.gate.verdict import Finding, Outcome, Verdict

SCHEMA = 1

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
#: What a reader of SARIF sees of a rule; those of the rules file are explained in docs/gate.md.
_RULES = {
    "bd_rate": "BD-rate over the curve",
    "worst_image": "BD-rate of the worst image",
    "drop": "Loss of quality at a setting",
    "bytes": "Rise of bytes at a setting",
    "image_bytes": "Rise of bytes of an image",
    "exact": "Changed bitstream of a codec whose bytes must not change",
    "failures": "Cells that failed",
    "encode_ratio": "Rise of encode time",
    "encode_ms": "Rise of encode time",
    "decode_ratio": "Rise of decode time",
    "decode_ms": "Rise of decode time",
    "run": "Nothing to decide on",
    "data": "Other data than the baseline's",
    "codec": "Missing codec",
    "cells": "Missing cells",
    "metric": "Another version of a metric",
    "value": "Metric that is no number any more",
    "times": "Times that can't be compared",
    "rule": "Rule that guards nothing",
}


def to_json(verdict: Verdict) -> str:
    """Return the verdict as JSON: null where there is no number."""
    value = {
        "schema": SCHEMA,
        "outcome": verdict.outcome.value,
        "exit_code": verdict.exit_code,
        "headline": verdict.headline,
        "run": verdict.run,
        "baseline": verdict.baseline,
        "baseline_commit": verdict.commit,
        "findings": [_finding(finding) for finding in verdict.ordered],
        "notes": list(verdict.notes),
    }
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_junit(verdict: Verdict) -> str:
    """Return the verdict as JUnit XML: a regression is a failure, an open question an error."""
    cases = verdict.ordered
    failures = sum(finding.outcome is Outcome.REGRESSION for finding in cases)
    errors = sum(finding.outcome is Outcome.UNDECIDABLE for finding in cases)
    counts = {"tests": str(max(len(cases), 1)), "failures": str(failures)}
    if not cases:
        cases = [Finding("run", Outcome.UNDECIDABLE, verdict.headline)]
    errors = errors or int(not verdict.findings)
    suites = ElementTree.Element("testsuites", {**counts, "errors": str(errors)})
    suite = ElementTree.SubElement(
        suites, "testsuite", {"name": "bench gate", **counts, "errors": str(errors)}
    )
    for finding in cases:
        where = [_plain(finding.setting), finding.image]
        name = " ".join([finding.rule_name, *(word for word in where if word)])
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": finding.codec or "gate", "name": _xml(name)}
        )
        if finding.outcome in (Outcome.REGRESSION, Outcome.UNDECIDABLE):
            kind = "failure" if finding.outcome is Outcome.REGRESSION else "error"
            text = {"message": _xml(finding.message), "type": finding.rule}
            ElementTree.SubElement(case, kind, text).text = _xml(finding.message)
        else:
            ElementTree.SubElement(case, "system-out").text = _xml(finding.message)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(
        suites, encoding="unicode"
    ) + "\n"  # fmt: skip


def to_sarif(verdict: Verdict) -> str:
    """Return the offending findings as SARIF 2.1.0, at the baseline's lines."""
    uri, lines = _baseline_lines(verdict)
    results = [
        {
            "ruleId": finding.rule,
            "level": "error" if finding.outcome is Outcome.REGRESSION else "warning",
            "message": {"text": finding.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": uri},
                        "region": {"startLine": _line(finding, lines)},
                    }
                }
            ],
            "partialFingerprints": {
                "finding/v1": f"{finding.codec}/{finding.rule_name}/{_plain(finding.setting)}"
            },
        }
        for finding in verdict.offending
    ]
    rules = sorted({finding.rule for finding in verdict.offending})
    driver = {
        "name": "bench gate",
        "version": bench.__version__,
        "rules": [{"id": r, "shortDescription": {"text": _RULES.get(r, r)}} for r in rules],
    }
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": results}
    value = {"$schema": _SARIF, "version": "2.1.0", "runs": [run]}
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def to_github(verdict: Verdict) -> str:
    """Return the offending findings as workflow commands: annotations at the baseline's lines."""
    uri, lines = _baseline_lines(verdict)
    commands = []
    for finding in verdict.offending:
        title = _property(f"{finding.codec or 'gate'}: {finding.rule_name}")
        where = f"file={_property(uri)},line={_line(finding, lines)},title={title}"
        commands.append(f"::error {where}::{_data(finding.message)}")
    if not verdict.findings:
        commands.append(f"::error title=gate::{_data(verdict.headline)}")
    if verdict.outcome is Outcome.BETTER:
        commands.append(f"::notice title=gate::{_data(verdict.headline)}")
    return "".join(f"{command}\n" for command in commands)


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "outcome": finding.outcome.value,
        "rule": finding.rule,
        "codec": finding.codec or None,
        "metric": finding.metric or None,
        "setting": _number(finding.setting),
        "image": finding.image or None,
        "change": _number(finding.change),
        "limit": _number(finding.limit),
        "unit": finding.unit or None,
        "ci_low": _number(finding.interval[0]),
        "ci_high": _number(finding.interval[1]),
        "p": _number(finding.p),
        "message": finding.message,
    }


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else str(value)


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:g}"


def _xml(text: str) -> str:
    """Return text without the control characters that XML can't hold."""
    return "".join(mark if mark >= " " or mark in "\t\n" else "?" for mark in text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _baseline_lines(verdict: Verdict) -> tuple[str, Sequence[str]]:
    """Return the baseline's path as seen from here (the repository's root in CI), and its lines."""
    path = Path(verdict.baseline)
    try:
        relative = Path(os.path.relpath(path))
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return path.name, ()
    return (path.name if ".." in relative.parts else relative.as_posix()), lines


def _line(finding: Finding, lines: Sequence[str]) -> int:
    """Return the line of the baseline that a finding is about, 1 where there is none."""
    setting = _plain(finding.setting)
    starts = [
        f" [{json.dumps(finding.codec)}, {setting}, {json.dumps(finding.image)}, ",
        f" [{json.dumps(finding.codec)}, {setting}, ",
        f" {json.dumps(finding.codec)}: ",
        f" {json.dumps(finding.metric)}: ",
    ]
    for start in starts:
        for number, line in enumerate(lines, 1):
            if line.startswith(start):
                return number
    return 1

"""Baseline files: written compactly, read strictly."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from gating import leave
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.cli import main
from bench.errors import BaselineError, BenchError, RunError, SchemaError, UsageError
from bench.gate.baseline import dump_baseline, parse_baseline, read_baseline
from bench.gate.record import baseline_of, results_of_baseline


def test_a_baseline_reads_as_it_was_written(baseline):
    text = baseline.read_text()
    assert dump_baseline(read_baseline(baseline)) == text


def test_a_cell_is_a_line_and_the_file_is_small(baseline, clean):
    lines = baseline.read_text().splitlines()
    assert sum(line.startswith((' ["jpeg", ', ' ["webp", ')) for line in lines) == len(clean)
    assert baseline.stat().st_size < 160 * len(clean) + 2000


def test_the_order_of_the_run_does_not_show(baseline, clean, tmp_path):
    shuffled = leave(tmp_path / "clean", clean.sample(frac=1, random_state=1))
    again, was = baseline_of(shuffled), read_baseline(baseline)
    provenance = {"provenance": was.provenance}
    assert dump_baseline(again.model_copy(update=provenance)) == baseline.read_text()


def test_the_rows_that_the_analysis_reads_are_those_of_the_run(baseline, clean):
    rows = results_of_baseline(read_baseline(baseline)).frame
    both = clean.merge(rows, on=["codec", "quality", "image"], suffixes=("_was", "_now"))
    assert len(both) == len(clean)
    assert (both["bpp_was"] - both["bpp_now"]).abs().max() < 1e-12
    assert (both["psnr_was"] - both["psnr_now"]).abs().max() < 1e-6


def test_it_says_where_it_comes_from_without_the_folders_of_the_machine(baseline):
    provenance = read_baseline(baseline).provenance
    assert provenance.machine["processor"] == "A"
    assert provenance.command[0] == "bench"
    assert provenance.created.startswith("20")


def cut(text: str) -> str:
    return text[: len(text) // 2]


def edited(text: str) -> str:
    row = next(line for line in text.splitlines() if line.startswith(' ["jpeg", 60'))
    size = json.loads(row.strip().rstrip(","))[3]
    return text.replace(row, row.replace(f" {size},", f" {size + 500},"))


BAD = {
    "cut": (cut, "is no JSON: cut or damaged"),
    "empty": (lambda text: "", "is no JSON"),
    "edited": (edited, "was changed by hand or by a merge"),
    "another version": (lambda t: t.replace('"schema": 1', '"schema": 2'), "schema 2 is not read"),
    "foreign": (lambda text: '{"name": "x"}', "is no baseline of bench"),
    "a list": (lambda text: "[1, 2]", "is no baseline of bench"),
    "merged": (lambda t: t.replace('"cells"', "<<<<<<< HEAD\n=======\n>>>>>>> x\n"), "conflict"),
    "a wrong type": (lambda t: t.replace('"metrics": {', '"metrics": {"x": 3, '), "metrics.x"),
    "a field more": (lambda t: t.replace('"metrics"', '"extra": 1, "metrics"'), "extra: there is"),
    "an unknown codec": (lambda t: t.replace(' "webp": {', ' "wepb": {'), "no such codec"),
    "nested without end": (lambda t: "[" * 100_000, "is no JSON"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_baseline_is_one_line_and_exit_code_2(fault, run, baseline, tmp_path, capsys):
    spoil, message = BAD[fault]
    bad = tmp_path / "bad.json"
    bad.write_text(spoil(baseline.read_text()))
    assert main(["gate", str(run), "--baseline", str(bad)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"bench: {bad}: ")
    assert message in err


def test_a_baseline_that_is_not_there_says_how_to_make_one(run, tmp_path, capsys):
    assert main(["gate", str(run), "--baseline", str(tmp_path / "no.json")]) == 2
    assert "bench baseline write RUN FILE" in capsys.readouterr().err


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_mutation_of_a_file_is_taken_for_another_baseline(baseline: Path, data: st.DataObject):
    text = baseline.read_text()
    was = parse_baseline(text, "x")
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 40))
    put = data.draw(st.text(max_size=6) | st.sampled_from(["1e999", "NaN", "null", "-0", '"', "}"]))
    changed = text[:start] + put + text[start + length :]
    with contextlib.suppress(BaselineError, SchemaError):
        assert parse_baseline(changed, "x") == was


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["kind", "schema", "cells", "metrics", "digest", "images", "codecs"]), inner
    ), max_leaves=12,
).map(lambda value: json.dumps({"kind": "bench-baseline", "schema": 1, "value": value,
                                **(value if isinstance(value, dict) else {})})))  # fmt: skip
def test_nothing_but_our_own_errors_comes_out_of_the_parser(text):
    with pytest.raises(BenchError) as caught:
        parse_baseline(text, "x")
    assert "\n" not in str(caught.value)


def test_a_run_with_failed_cells_makes_no_baseline(clean, tmp_path):
    frame = clean.copy()
    frame.loc[3, ["status", "error"]] = ["failed", "no luck"]
    with pytest.raises(RunError, match=r"1 cells failed.*no luck"):
        baseline_of(leave(tmp_path / "failed", frame))


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_an_unfinished_run_makes_no_baseline(clean, tmp_path, status):
    with pytest.raises(RunError, match=f"not finished but {status}"):
        baseline_of(leave(tmp_path / "part", clean, status=status))


def test_an_empty_run_makes_no_baseline(clean, tmp_path):
    with pytest.raises(RunError, match="no cell"):
        baseline_of(leave(tmp_path / "none", clean.iloc[:0]))


def test_write_refuses_to_replace_and_update_shows_what_moved(
    run, baseline, clean, tmp_path, capsys
):
    assert main(["baseline", "write", str(run), str(baseline)]) == 2
    assert "bench baseline update" in capsys.readouterr().err
    frame = clean.copy()
    mask = frame["codec"] == "jpeg"
    frame["bytes"] = frame["bytes"].astype(float)
    frame.loc[mask, "bytes"] = (frame.loc[mask, "bytes"] * 0.95).round()
    frame.loc[mask, "bitstream_sha256"] = "c" * 64
    better = leave(tmp_path / "better", frame, versions={"pillow": "13.0.0"})
    before = baseline.read_text()
    assert main(["baseline", "update", str(better), str(baseline), "--dry-run"]) == 0
    assert baseline.read_text() == before
    assert main(["baseline", "update", str(better), str(baseline)]) == 0
    out = capsys.readouterr().out
    (row, *_) = [line for line in out.splitlines() if line.startswith("jpeg")]
    codec, metric, rate, _, size = row.split()[:5]
    assert (codec, metric) == ("jpeg", "psnr")
    assert float(rate) == pytest.approx(-5, abs=0.05)
    assert float(size) == pytest.approx(-5, abs=0.05)
    assert "package pillow changed: 12.0.0 → 13.0.0" in out
    assert "webp" not in out
    assert main(["gate", str(better), "--baseline", str(baseline)]) == 0


def test_check_tells_sound_files_from_edited_ones(baseline, capsys):
    assert main(["baseline", "check", str(baseline)]) == 0
    assert "40 cells of 2 codecs" in capsys.readouterr().out
    baseline.write_text(edited(baseline.read_text()))
    assert main(["baseline", "check", str(baseline)]) == 2


def test_a_place_that_can_not_be_written_to_is_an_error_of_ours(run, capsys):
    assert main(["baseline", "write", str(run), "/proc/none/b.json"]) == UsageError.exit_code
    assert "can't write /proc/none/b.json" in capsys.readouterr().err

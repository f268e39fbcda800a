"""A verdict on paper: terminal, Markdown, JUnit, SARIF, annotations, JSON, SVG."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from gating import leave
from junitparser import Failure, JUnitXml
from sarif_pydantic import Sarif

from bench.cli import main

OUTPUTS = {
    "markdown": "gate.md", "junit": "junit.xml", "sarif": "gate.sarif", "json": "verdict.json",
    "svg": "curves.svg",
}  # fmt: skip


@pytest.fixture(scope="module")
def red(clean, tmp_path_factory) -> tuple[int, str, Path]:
    """Exit code, standard output and folder of a gate that found losses of a codec."""
    from contextlib import redirect_stdout
    from io import StringIO

    from bench.gate.baseline import write_baseline
    from bench.gate.record import baseline_of

    folder = tmp_path_factory.mktemp("red")
    write_baseline(baseline_of(leave(folder / "was", clean)), folder / "baseline.json")
    frame = clean.copy()
    frame.loc[(frame["codec"] == "webp") & (frame["quality"] == 40), "psnr"] -= 0.5
    leave(folder / "now", frame, codecs={})
    arguments = [word for name, file in OUTPUTS.items() for word in (f"--{name}", file)]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        patch.chdir(folder)
        patch.setenv("BENCH_HOME", str(folder / "home"))
        code = main(["gate", "now", "--baseline", "baseline.json", "--github", *arguments])
    return code, out.getvalue(), folder


def test_the_terminal_shows_the_offending_rows_first_and_says_them_in_words(red):
    code, out, _ = red
    assert code == 1
    rows = out.splitlines()[1:]
    marks = [row.split()[0] for row in rows[: rows.index("")]]
    assert marks[0] == "WORSE"
    assert marks == sorted(marks, key=["WORSE", "OPEN", "better", "ok"].index)
    assert "- webp at 40: psnr worse by 0.5 " in out
    assert "red: " in out


def test_markdown_folds_away_what_passed(red):
    text = (red[2] / "gate.md").read_text()
    assert text.startswith("### ❌ Rate-distortion gate: red")
    before, after = text.split("<details>")
    assert "❌" in before
    assert "✅" not in before
    assert "✅" in after
    assert "❌" not in after


def test_junit_counts_what_it_holds(red):
    suites = ElementTree.parse(red[2] / "junit.xml").getroot()
    (suite,) = suites
    cases = suite.findall("testcase")
    assert int(suite.get("tests")) == len(cases)
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) > 0
    assert int(suite.get("errors")) == len(suite.findall("testcase/error")) == 0
    names = {(c.get("classname"), c.get("name")) for c in cases if c.find("failure") is not None}
    assert any(codec == "webp" and name.startswith("drop.psnr 40") for codec, name in names)


def test_a_reader_of_junit_finds_the_same(red):
    suites = JUnitXml.fromfile(str(red[2] / "junit.xml"))
    assert (suites.failures, suites.errors) == (3, 0)
    bad = [case for suite in suites for case in suite if case.result]
    assert [type(result) for case in bad for result in case.result] == [Failure] * 3
    assert {case.classname for case in bad} == {"webp"}  # two BD-rates and a drop


def test_a_model_of_sarif_knows_every_field(red):
    text = (red[2] / "gate.sarif").read_text()
    read = Sarif.model_validate_json(text)
    assert json.loads(read.model_dump_json(by_alias=True, exclude_none=True)) == json.loads(text)


def test_sarif_and_annotations_point_at_the_line_of_the_baseline(red):
    _, out, folder = red
    sarif = json.loads((folder / "gate.sarif").read_text())
    assert sarif["version"] == "2.1.0"
    (run,) = sarif["runs"]
    known = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    lines = (folder / "baseline.json").read_text().splitlines()
    drop = next(r for r in run["results"] if r["ruleId"] == "drop")
    assert {r["ruleId"] for r in run["results"]} == known
    place = drop["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "baseline.json"
    number = place["region"]["startLine"]
    assert lines[number - 1].startswith(' ["webp", 40, ')
    assert drop["message"]["text"].startswith("webp at 40: psnr")
    assert f"::error file=baseline.json,line={number},title=webp%3A drop.psnr::webp at 40" in out


def test_json_holds_the_numbers(red):
    verdict = json.loads((red[2] / "verdict.json").read_text())
    assert (verdict["outcome"], verdict["exit_code"]) == ("regression", 1)
    drop = next(f for f in verdict["findings"] if f["rule"] == "drop" and f["codec"] == "webp")
    assert drop["change"] == pytest.approx(0.5, abs=1e-6)
    assert (drop["setting"], drop["limit"], drop["unit"]) == (40, 0.01, "dB")


def test_the_svg_is_small_and_shows_both_curves(red):
    file = red[2] / "curves.svg"
    text = file.read_text()
    assert file.stat().st_size < 100_000
    ElementTree.fromstring(text)
    # matplotlib draws text as shapes and leaves what it says in comments.
    assert "webp, baseline" in text
    assert "webp, this run" in text


def test_an_undecidable_gate_leaves_no_file_of_an_earlier_one(red, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in OUTPUTS.values():
        Path(name).write_text("of an earlier run")
    arguments = [word for name, file in OUTPUTS.items() for word in (f"--{name}", file)]
    assert main(["gate", str(red[2] / "now"), "--baseline", "no.json", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert json.loads(Path("verdict.json").read_text())["outcome"] == "undecidable"
    assert ElementTree.parse("junit.xml").getroot().get("errors") == "1"
    assert not Path("curves.svg").exists()
    assert "❓" in Path("gate.md").read_text()


def test_rules_of_the_folder_hold(red, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    folder = red[2]
    Path("bench.toml").write_text("[gates]\ndrop = {psnr = 1}\nbd_rate = {psnr = 9}\n")
    arguments = ["gate", str(folder / "now"), "--baseline", str(folder / "baseline.json")]
    assert main([*arguments, "--rule", "worst_image.psnr=20"]) == 0
    Path("bench.toml").write_text("[gates]\nbd_rat = 3\n")
    assert main(arguments) == 2
    assert "bench.toml: gates.bd_rat: there is no such field" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--baseline", "b.json"], "--measure 'ARGUMENTS'"),
        (["nowhere", "--baseline", "B"], "there is no nowhere"),
        (["nowhere", "--baseline", "B", "--config", "no.toml"], "no.toml"),
        (["--baseline", "B", "--measure", "'"], "--measure: "),
    ],
)
def test_wrong_use_is_one_line(arguments, message, red, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [str(red[2] / "baseline.json") if word == "B" else word for word in arguments]
    assert main(["gate", *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_gate_that_measures_for_itself_sees_another_setting(crops, tmp_path, capsys):
    from PIL import Image

    images = tmp_path / "images"
    images.mkdir()
    for name, pixels in crops.items():
        Image.fromarray(pixels).save(images / name)
    run = f"--codecs jpeg --dataset {images} --metrics psnr --jobs 0"
    out, file = str(tmp_path / "run"), str(tmp_path / "baseline.json")
    assert main(["run", *run.split(), "--quality", "20,40,60,75", "--out", out, "--quiet"]) == 0
    assert main(["baseline", "write", out, file]) == 0
    gate = ["gate", "--baseline", file, "--rule", "exact=true", "--measure"]
    assert main([*gate, f"{run} --quality 20,40,60,75"]) == 0
    assert main([*gate, f"{run} --quality 20,40,60,74"]) == 2
    assert "settings 75" in capsys.readouterr().out

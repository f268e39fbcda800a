"""The command line as a whole: help, errors, exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import COMMANDS, main
from bench.cli.run import parse_quality
from bench.engine.plan import choose_qualities
from bench.registry import codecs

HEAVY = ("torch", "pandas", "matplotlib", "numpy", "pydantic", "PIL")


def test_help_names_every_command_and_imports_nothing_heavy():
    code = (
        "import sys; from bench.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('heavy:', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "heavy: []" in answer.stdout
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s+\w", answer.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert "usage: bench " + command in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--codecs", "jepg"], "did you mean jpeg"),
        (["--dataset", "kodac"], "did you mean kodak"),
        (["--metrics", "psmr"], "did you mean psnr"),
        (["--codecs", "jpeg", "--quality", "0"], "quality 0 is outside 1 … 100"),
        (["--codecs", "jpeg", "--quality", "high"], "numbers separated by commas"),
        (["--codecs", "jpeg", "--quality", "10", "--quality", "webp=3"], "no codec of this run"),
        (["--codecs", "./nothing.yaml"], "nothing.yaml"),
        (["--codecs", ""], "no codec is named"),
        (["--repeats", "3"], "belongs to --timing"),
        (["--codecs", "jpeg", "--images", "none-*"], "none-*"),
        (["--codecs", "jpeg", "--out", "/proc/none"], "can't write into /proc/none"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("bench: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_malformed_card_is_named_with_its_field(capsys, tmp_path):
    card = tmp_path / "mine.yaml"
    card.write_text(
        "name: mine\nadapter: bench.adapters.pillow:PillowCodec\nquality: {ladder: x}\n"
    )
    assert main(["run", "--codecs", str(card)]) == 2
    err = capsys.readouterr().err
    assert f"{card}: quality.ladder: " in err
    assert err.count("\n") == 1


def test_an_empty_folder_is_wrong_use(capsys, tmp_path):
    assert main(["run", "--codecs", "jpeg", "--dataset", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_a_dry_run_prints_the_plan_and_leaves_nothing(capsys, kodak, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        main(["run", "--codecs", "jpeg,webp", "--images", "2", "--quality", "10,50", "--dry-run"])
        == 0
    )
    out = capsys.readouterr().out
    assert "jpeg" in out
    assert "cells: 8, of which 0 need no work" in out
    assert list(tmp_path.iterdir()) == []


def test_settings_of_one_codec_come_before_those_for_all():
    words = ["webp=75", "10,50", "jpeg*=30"]
    cards = [codecs().get(name) for name in ("jpeg", "webp", "avif")]
    chosen = choose_qualities(cards, parse_quality(words))
    assert chosen == [(30,), (75,), (10, 50)]


def test_a_run_prints_a_table_and_its_folder_and_ends_with_0(capsys, tmp_path, monkeypatch, kodak):
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "--codecs", "jpeg,webp", "--images", "1", "--metrics", "psnr"]
    assert main([*arguments, "--quality", "10,30,60,90"]) == 0
    out = capsys.readouterr().out
    assert "BD-rate vs jpeg" in out
    folder = Path(out.strip().splitlines()[-1])
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert names == {
        *("results.csv", "summary.csv", "bd.csv", "run.json", "curves.svg", "curves.png"),
        *("report.html", "report.pdf"),
    }


def test_a_run_with_failed_cells_ends_with_3(capsys, tmp_path):
    planted = Path(__file__).parents[1] / "engine" / "planted.py"
    (tmp_path / "codecs").mkdir()
    card = tmp_path / "codecs" / "breaks.yaml"
    card.write_text(
        f"name: breaks\nadapter: {planted}:Raises\nquality: {{ladder: [2, 4, 6]}}\n", "utf-8"
    )
    arguments = ["--codecs", str(card), "--images", "1", "--metrics", "psnr", "--report", "none"]
    assert main(["run", *arguments, "--out", str(tmp_path / "run")]) == 3
    out, err = capsys.readouterr()
    assert "1 failed" in out
    assert "failed: 1 cell: " in err
    assert "ZeroDivisionError" in err


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m bench run --dry-run --codecs jpeg | head -n 1"
    answer = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=os.environ
    )
    assert answer.returncode == 0
    assert "Traceback" not in answer.stderr

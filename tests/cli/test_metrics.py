"""`bench metrics`, as a person calls it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from bench.cli import main
from bench.metrics import BUILT_IN


def test_the_list_has_every_metric_with_its_state(capsys):
    assert main(["metrics"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        *("metric", "state", "better", "range", "unit", "version", "needs", "reference"),
    ]
    rows = {line.split()[0]: line for line in lines[1 : 1 + len(BUILT_IN)]}
    assert list(rows) == list(BUILT_IN)
    assert rows["bpp"].split()[1:3] == ["always", "lower"]
    assert rows["ms-ssim"].split()[1:6] == ["ready", "higher", "0", "…", "1"]
    assert rows["lpips-vgg"].split()[1] == "missing"
    (how,) = [line for line in lines if line.startswith("lpips-vgg: ")]
    assert how.endswith("get it with: bench metrics get lpips-vgg")


@pytest.mark.parametrize("arguments", [["--json"], ["list", "--json"], ["--json", "list"]])
def test_the_list_as_json(arguments, capsys):
    assert main(["metrics", *arguments]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(BUILT_IN)
    assert rows["psnr"]["range"] == [0.0, None]
    assert rows["psnr"]["identity"] == "psnr/1"
    assert rows["lpips"]["direction"] == "lower"
    assert rows["lpips-vgg"]["state"] == "missing"
    assert rows["lpips-vgg"]["identity"] is None


def test_show_tells_everything_about_a_metric(capsys):
    assert main(["metrics", "show", "ms-ssim", "psnr"]) == 0
    shown = capsys.readouterr().out
    assert "Asilomar Conference 2003" in shown
    assert "a short side of more than 160 pixels" in shown
    assert "identity   psnr/1" in shown


def test_get_takes_weights_from_a_file(shared, capsys):
    file = shared / "lpips" / "squeezenet1_1_features.pth"
    assert main(["metrics", "get", "lpips-squeeze", "--from", str(file)]) == 0
    place = capsys.readouterr().out.split(": ")[1].strip()
    assert Path(place).is_relative_to(os.environ["BENCH_HOME"])
    assert main(["metrics", "show", "lpips-squeeze", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "ready"


def test_get_says_where_there_is_nothing_to_get(capsys):
    assert main(["metrics", "get", "psnr", "lpips"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "psnr needs nothing"
    assert second.startswith("lpips: ")


@pytest.fixture
def pair(tmp_path):
    """Two image files, 200 by 180, one level apart."""
    for name, level in {"original": 100, "decoded": 101}.items():
        pixels = np.full((180, 200, 3), level, np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return [str(tmp_path / "original.png"), str(tmp_path / "decoded.png")]


def test_compare_prints_every_value_with_its_unit(pair, capsys):
    assert main(["metrics", "compare", *pair, "--metrics", "psnr,ms-ssim"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["psnr", "48.130804", "dB"]
    assert lines[2][0] == "ms-ssim"
    assert 0.999 < float(lines[2][1]) < 1


def test_compare_as_json_knows_infinity_and_reasons(tmp_path, capsys):
    PIL.Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    file = str(tmp_path / "a.png")
    assert main(["metrics", "compare", file, file, "--metrics", "psnr,ms-ssim", "--json"]) == 0
    psnr, ms_ssim = json.loads(capsys.readouterr().out)
    assert psnr == {"metric": "psnr", "value": "inf", "reason": None}
    assert ms_ssim["value"] is None
    assert "more than 160 pixels" in ms_ssim["reason"]


def test_compare_says_why_a_value_is_missing(tmp_path, capsys):
    PIL.Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    file = str(tmp_path / "a.png")
    assert main(["metrics", "compare", file, file, "--metrics", "ms-ssim"]) == 0
    assert "NA  MS-SSIM needs a short side of more than 160" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "psmr"], "no metric is called 'psmr'; did you mean psnr"),
        (["get", "psmr"], "no metric is called 'psmr'; did you mean psnr"),
        (["get", "lpips-vgg", "lpips-squeeze", "--from", "x"], "--from FILE holds the weights of"),
        (["get", "lpips-vgg", "--from", "no-such-file.pth"], "can't be read as network weights"),
        (["compare", "no-such-file.png", "b.png"], "no-such-file.png: can't be read"),
        (["compare", "ORIGINAL", "SMALL"], "only images of one size can be compared"),
        (["compare", "ORIGINAL", "ORIGINAL", "--metrics", "bpp"], "two images have no rate"),
        (["compare", "ORIGINAL", "ORIGINAL", "--metrics", "lpips-vgg"], "bench metrics get lpips"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, message, pair, tmp_path, capsys):
    PIL.Image.new("RGB", (40, 30)).save(tmp_path / "small.png")
    files = {"ORIGINAL": pair[0], "SMALL": str(tmp_path / "small.png")}
    assert main(["metrics", *(files.get(word, word) for word in arguments)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def blocks(guide: Path, language: str) -> list[str]:
    """Return the code blocks of a guide in one language."""
    return re.findall(rf"```{language}\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)


def test_the_guides_metric_is_found_and_a_broken_one_is_left_out(pair, tmp_path):
    guide = Path(__file__).resolve().parents[2] / "docs" / "add-a-metric.md"
    (source,), (settings,) = blocks(guide, "python"), blocks(guide, "toml")
    points = tomllib.loads(settings)["project"]["entry-points"]["bench.metrics"]
    assert points == {"mean-error": "mean_error:MeanError"}
    site = tmp_path / "site"
    info = site / "mean_error-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "mean_error.py").write_text(source)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mean-error\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[bench.metrics]\nmean-error = mean_error:MeanError\nbroken = mean_error:Nothing\n"
    )

    def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bench", "metrics", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(site)}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    listed = bench("--json")
    assert listed.returncode == 0
    assert "broken is left out" in listed.stderr
    mine = json.loads(listed.stdout)[-1]
    assert mine["name"] == "mean-error"
    assert mine["origin"] == "mean-error 1.0 (mean_error:MeanError)"
    assert mine["identity"].startswith("mean-error/1 source=")
    compared = bench("compare", *pair, "--metrics", "mean-error", "--json")
    assert json.loads(compared.stdout)[0]["value"] == 1.0

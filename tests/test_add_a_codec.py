"""Every example of docs/add-a-codec.md does what the page says, the installed package included."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def blocks() -> dict[str, list[str]]:
    """The page's examples by language, in order."""
    found: dict[str, list[str]] = {}
    text = (ROOT / "docs" / "add-a-codec.md").read_text("utf-8")
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        found.setdefault(language, []).append(block)
    return found


def bench(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "bench", *arguments]
    env = dict(os.environ) | {"PYTHONPATH": str(ROOT)} | env
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, check=False)


def check(path: str, folder: Path) -> str:
    answer = bench("codecs", "check", path, cwd=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_the_python_file_keeps_the_contract(blocks, tmp_path):
    (tmp_path / "mine.py").write_text(blocks["python"][0], "utf-8")
    assert check("./mine.py", tmp_path).count("  ok  ") == 9


def test_the_card_for_a_program_keeps_the_contract(blocks, tmp_path):
    if shutil.which("cwebp") is None:
        pytest.skip("needs cwebp of Debian's package webp")
    (tmp_path / "my-webp.yaml").write_text(blocks["yaml"][0], "utf-8")
    assert check("./my-webp.yaml", tmp_path).count("  ok  ") == 9


def test_the_script_beside_its_card_keeps_the_contract(blocks, tmp_path):
    folder = tmp_path / "cards"
    folder.mkdir()
    (folder / "my-tool.yaml").write_text(blocks["yaml"][1], "utf-8")
    (folder / "my-tool.sh").write_text(blocks["sh"][0], "utf-8")
    said = check(str(folder), tmp_path)
    assert said.count("  ok  ") == 9
    assert "lossless at every setting" in said


@pytest.fixture(scope="module")
def site(blocks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the page's package."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    metric = (ROOT / "docs" / "add-a-metric.md").read_text("utf-8")
    metric = re.findall(r"^```python\n(.*?)^```$", metric, re.M | re.S)[0]
    (source / "pyproject.toml").write_text(blocks["toml"][0], "utf-8")
    (source / "upper_bits.py").write_text(blocks["python"][0] + "\n\n" + metric, "utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*command, str(source)], check=True)
    return target


def test_an_installed_package_brings_a_codec_and_a_metric(site, tmp_path):
    env = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(site)))}
    codecs = json.loads(bench("codecs", "mine", "--json", cwd=tmp_path, **env).stdout)
    assert [(codec["name"], codec["state"]) for codec in codecs] == [("mine", "ready")]
    assert codecs[0]["source"] == "upper-bits 1.0 (upper_bits:Mine)"
    metrics = json.loads(bench("metrics", "--json", cwd=tmp_path, **env).stdout)
    assert "mean-error" in [metric["name"] for metric in metrics]


def test_an_installed_package_is_measured(site, tmp_path):
    env = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(site)))}
    answer = bench(
        *("run", "--codecs", "mine,jpeg", "--dataset", "kodak", "--images", "1", "--jobs", "1"),
        *("--quality", "mine=3", "--quality", "jpeg=50", "--metrics", "psnr,mean-error"),
        *("--out", "run", "--report", "none"),
        **{"cwd": tmp_path, **env},
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    lines = (tmp_path / "run" / "results.csv").read_text().splitlines()
    header = lines[0].split(",")
    rows = [dict(zip(header, line.split(","), strict=True)) for line in lines[1:]]
    assert [row["codec"] for row in rows] == ["mine", "jpeg"]
    assert all(float(row["mean_error"]) > 0 for row in rows)

"""The Action's steps, the GitLab template, the hooks and the pytest plug-in, run for real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
RUN = "--codecs jpeg --dataset images --metrics psnr --jobs 0 --quality 20,40,60,{}"


@pytest.fixture
def repository(crops, tmp_path: Path) -> Path:
    """A git repository with two images and a committed baseline of jpeg."""
    folder = tmp_path / "repository"
    (folder / "images").mkdir(parents=True)
    for name in ("crop01.png", "crop05.png"):
        Image.fromarray(crops[name]).save(folder / "images" / name)
    shell(folder, f"bench run {RUN.format(75)} --out {tmp_path}/run --quiet")
    shell(folder, f"bench baseline write {tmp_path}/run baseline.json")
    who = "-c user.name=A -c user.email=a@example.org"
    shell(folder, f"git init -q && git add -A && git {who} commit -q -m start")
    return folder


def shell(
    folder: Path, script: str, code: int | None = 0, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as the CI services do: bash, stop at the first error."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    answer = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env={**os.environ, "PATH": path, **env}, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    if code is not None:
        assert answer.returncode == code, answer.stdout + answer.stderr
    return answer


def action(folder: Path, **inputs: str) -> tuple[int, dict[str, str]]:
    """Run the steps of action.yml but the installation; return exit code and outputs."""
    described = yaml.safe_load((ROOT / "action.yml").read_text())
    values = {name: str(i.get("default", "")) for name, i in described["inputs"].items()} | inputs
    files = {"GITHUB_OUTPUT": folder / "outputs", "GITHUB_STEP_SUMMARY": folder / "summary.md"}
    code = 0
    for step in described["runs"]["steps"]:
        assert "${{" not in step["run"], "inputs reach scripts as variables, never as text"
        if step["name"] == "Install bench":
            continue
        env = {
            key: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: values[m[1]], value)
            for key, value in step.get("env", {}).items()
        }
        answer = shell(folder, step["run"], None, **env, **{k: str(v) for k, v in files.items()})
        code = answer.returncode
        if code:
            break
    outputs = files["GITHUB_OUTPUT"].read_text() if files["GITHUB_OUTPUT"].exists() else ""
    return code, dict(line.split("=", 1) for line in outputs.splitlines())


def test_the_action_is_green_where_nothing_changed(repository):
    code, outputs = action(
        repository, measure=RUN.format(75), baseline="baseline.json",
        rules="exact=true\njpeg:bytes=0\n",
    )  # fmt: skip
    assert (code, outputs) == (0, {"verdict": "pass"})
    assert (repository / "summary.md").read_text().startswith("### ✅")
    assert {path.name for path in (repository / "bench-gate").iterdir()} == {
        "run", "gate.md", "junit.xml", "gate.sarif", "verdict.json", "curves.svg"
    }  # fmt: skip


def test_the_action_is_red_where_quality_fell_and_writes_its_files(repository):
    (repository / "images" / "crop01.png").unlink()
    code, outputs = action(
        repository, measure=RUN.format(75), baseline="baseline.json", out="other folder"
    )
    assert (code, outputs) == (2, {"verdict": "undecidable"})
    assert "crop01.png" in (repository / "summary.md").read_text()
    junit = ElementTree.parse(repository / "other folder" / "junit.xml").getroot()
    assert junit.get("errors") == "1"


def test_arguments_of_the_action_are_never_run(repository):
    code, _ = action(
        repository, measure="--codecs '$(touch ran)' ; touch ran", baseline="$(touch ran)"
    )
    assert code == 2
    assert not (repository / "ran").exists()


def test_the_gitlab_template_is_green_and_red(repository):
    job = yaml.safe_load((ROOT / "docs/ci/gitlab.yml").read_text())[".bench-gate"]
    script = "\n".join(job["script"])
    variables = {**job["variables"], "BENCH_BASELINE": "baseline.json"}
    variables["BENCH_RULES"] = "exact=true j*:bytes=0"
    shell(repository, script, **{**variables, "BENCH_MEASURE": RUN.format(75)})
    report = job["artifacts"]["reports"]["junit"].replace("$BENCH_OUT", variables["BENCH_OUT"])
    assert ElementTree.parse(repository / report).getroot().get("errors") == "0"
    shell(repository, f"rm -r {variables['BENCH_OUT']}")
    answer = shell(repository, script, 2, **{**variables, "BENCH_MEASURE": RUN.format(74)})
    assert "jpeg: 2 of 8 cells were not measured (settings 75" in answer.stdout
    # The setting that is missing, and the two BD-rates for which three settings are too few.
    assert ElementTree.parse(repository / report).getroot().get("errors") == "3"


def test_the_hooks_run(repository):
    baselines, gate = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert re.search(baselines["files"], "tests/baseline-kodak.json")
    shell(repository, f"{baselines['entry']} baseline.json")
    measure = f"--baseline baseline.json --measure '{RUN.format(75)}'"
    shell(repository, f"{gate['entry']} {measure}")
    text = (repository / "baseline.json").read_text()
    (repository / "baseline.json").write_text(text.replace("12.", "13.").replace(" 192,", " 193,"))
    shell(repository, f"{baselines['entry']} baseline.json", 2)
    shell(repository, f"{gate['entry']} {measure}", 2)


TEST = """
import bench

def test_rate_and_quality(rd_gate):
    run = bench.run("jpeg", "images", quality=[20, 40, 60, {}], metrics="psnr", jobs=0, out="{}")
    rd_gate(run, "exact=true")
"""


def test_the_pytest_plugin_passes_fails_skips_and_updates(repository):
    def pytest_(name: str, last: int, *options: str) -> subprocess.CompletedProcess[str]:
        (repository / f"test_{name}.py").write_text(TEST.format(last, f"runs-{name}"))
        words = f"python -m pytest -q -rs -p no:cacheprovider test_{name}.py {' '.join(options)}"
        return shell(repository, words, None)

    same = pytest_("same", 75, "--rd-baseline baseline.json")
    assert same.returncode == 0, same.stdout
    other = pytest_("other", 74, "--rd-baseline baseline.json")
    assert other.returncode == 1
    assert "settings 75" in other.stdout
    assert "Traceback" not in other.stdout
    assert "needs --rd-baseline FILE" in pytest_("none", 75).stdout
    assert pytest_("new", 74, "--rd-baseline baseline.json", "--rd-update").returncode == 0
    assert pytest_("again", 74, "--rd-baseline baseline.json").returncode == 0


def test_the_plugin_costs_a_session_without_it_nothing(tmp_path):
    code = (
        "import sys, bench.gate.plugin\n"
        "print([m for m in ('numpy', 'pandas', 'torch', 'pydantic') if m in sys.modules])"
    )
    assert shell(tmp_path, f'python -c "{code}"').stdout == "[]\n"

"""The example repository of docs/gate.md, gated in every way in, as its own files say."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "gate-example"
GUIDE = (ROOT / "docs" / "gate.md").read_text("utf-8")
#: Blocks of the guide that are files of the example, by path.
FILES = re.findall(
    r"^\[`([^`]+)`\]\(gate-example/\1\)[^\n]*\n```\w+\n(.*?)^```$", GUIDE, re.M | re.S
)
WHO = "git -c user.name=A -c user.email=a@example.org"


def shell(
    folder: Path, script: str, code: int | None = 0, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as the CI services do: bash, stop at the first error."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    answer = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder, env={**os.environ, "PATH": path, **env}, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=600,
    )  # fmt: skip
    if code is not None:
        assert answer.returncode == code, answer.stdout + answer.stderr
    return answer


def offline_pip() -> dict[str, str]:
    """Let pip build and install this checkout, with the dependencies of the test environment."""
    return {
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # as pip reads it: build isolation, no
        "PIP_NO_INDEX": "1",
        "PIP_IGNORE_INSTALLED": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONPATH": sysconfig.get_path("purelib"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests here, as CI services keep one."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def repository(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example as a git repository with a baseline, made by the guide's own commands."""
    monkeypatch.setenv("BENCH_HOME", str(home))
    folder = tmp_path / "my-codec"
    shutil.copytree(EXAMPLE, folder)
    (folder / "ci").mkdir(exist_ok=True)
    shutil.copy(ROOT / "docs" / "ci" / "gitlab.yml", folder / "ci" / "bench-gate.yml")
    (commands,) = re.findall(r"^## In three lines\n```sh\n(.*?)^```$", GUIDE, re.M | re.S)
    answer = shell(folder, commands)
    assert "green: " in answer.stdout
    shell(folder, f"git init -q && git add -A && {WHO} commit -q -m start")
    return folder


def spoil(repository: Path) -> None:
    """Let the codec round away from the nearest level, at the same settings."""
    file = repository / "codec.py"
    text = file.read_text("utf-8")
    changed = text.replace(
        "np.rint(coefficients / quality)", "np.rint(coefficients / quality + 0.1)"
    )
    assert changed != text
    file.write_text(changed, "utf-8")


def test_the_guide_shows_the_examples_files_as_they_are():
    assert len(FILES) == 5
    for name, block in FILES:
        assert (EXAMPLE / name).read_text("utf-8") == block, name
    tree = re.search(r"^my-codec/\n(.*?)^```$", GUIDE, re.M | re.S)
    assert tree
    named = {Path(name).name for name in re.findall(r"[├└]── (\S+)", tree[1])}
    assert {path.name for path in EXAMPLE.rglob("*") if path.is_file()} <= named


@pytest.mark.parametrize(
    ("schema", "file", "options"),
    [
        ("github-actions", ROOT / "action.yml", []),
        ("github-workflows", EXAMPLE / ".github/workflows/gate.yml", []),
        ("gitlab-ci", ROOT / "docs/ci/gitlab.yml", ["--data-transform", "gitlab-ci"]),
        ("gitlab-ci", EXAMPLE / ".gitlab-ci.yml", ["--data-transform", "gitlab-ci"]),
    ],
)
def test_files_for_ci_services_fit_the_schemas_that_these_publish(schema, file, options):
    command = ["--builtin-schema", f"vendor.{schema}", *options, str(file)]
    answer = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout


def action(folder: Path, venv: Path) -> tuple[int, str]:
    """Run all steps of action.yml with the inputs of the example's workflow, in a fresh virtual
    environment; return the exit code and what was said.
    """
    workflow = yaml.safe_load((folder / ".github/workflows/gate.yml").read_text("utf-8"))
    steps = workflow["jobs"]["rate-distortion"]["steps"]
    (given,) = (step["with"] for step in steps if "rdbench" in step.get("uses", ""))
    described = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    values = {f"inputs.{n}": str(i.get("default", "")) for n, i in described["inputs"].items()}
    values |= {f"inputs.{name}": value for name, value in given.items()}
    values["github.action_path"] = str(ROOT)
    paths = {"GITHUB_OUTPUT": str(folder / "out"), "GITHUB_STEP_SUMMARY": str(folder / "s.md")}
    shell(folder, f"python -m venv --without-pip {shlex.quote(str(venv))}")
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    said = ""
    for step in described["runs"]["steps"]:
        env = {
            key: re.sub(r"\$\{\{ (\S+) \}\}", lambda m: values[m[1]], value)
            for key, value in step.get("env", {}).items()
        }
        answer = shell(folder, f"PATH={shlex.quote(path)}\n{step['run']}", None, **env, **paths)
        said += answer.stdout + answer.stderr
        if answer.returncode:
            return answer.returncode, said
    return 0, said


def test_the_action_installs_measures_and_tells_good_from_bad(repository, tmp_path, monkeypatch):
    for name, value in offline_pip().items():
        monkeypatch.setenv(name, value)
    code, said = action(repository, tmp_path / "venv")
    assert code == 0, said
    assert (tmp_path / "venv" / "bin" / "bench").exists()
    spoil(repository)
    shutil.rmtree(repository / "bench-gate")
    code, said = action(repository, tmp_path / "venv")
    assert code == 1, said
    assert "::error file=tests/baseline.json,line=" in said
    assert (repository / "out").read_text().split() == ["verdict=pass", "verdict=regression"]
    assert "mine at 8: psnr worse by" in (repository / "s.md").read_text()


def test_the_gitlab_job_installs_measures_and_tells_good_from_bad(
    repository, tmp_path, monkeypatch
):
    included = yaml.safe_load((repository / "ci/bench-gate.yml").read_text("utf-8"))
    config = yaml.safe_load((repository / ".gitlab-ci.yml").read_text("utf-8"))
    assert config["include"] == [{"local": "ci/bench-gate.yml"}]
    mine = config["rate-distortion"]
    job = included[mine["extends"]]
    variables = {**job["variables"], **mine["variables"], "BENCH_INSTALL": str(ROOT)}
    script = "\n".join([*job["before_script"], *job["script"]])
    venv = tmp_path / "venv"
    shell(repository, f"python -m venv --without-pip {shlex.quote(str(venv))}")
    script = f"PATH={shlex.quote(str(venv / 'bin'))}:$PATH\n{script}"
    for name, value in offline_pip().items():
        monkeypatch.setenv(name, value)
    shell(repository, script, **variables)
    spoil(repository)
    shutil.rmtree(repository / "bench-gate")
    assert "red: " in shell(repository, script, 1, **variables).stdout


def test_pre_commit_itself_installs_and_runs_the_hooks(repository, tmp_path, monkeypatch):
    """The hooks of this checkout, as a git repository of their own with a tag."""
    hooks = tmp_path / "rdbench"
    listed = shell(ROOT, "git ls-files --cached --others --exclude-standard -z").stdout.split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (hooks / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, hooks / name)
    config = repository / ".pre-commit-config.yaml"
    (there,) = yaml.safe_load(config.read_text("utf-8"))["repos"]
    commit = f"git init -q && git add -A && {WHO} commit -q -m x && git tag {there['rev']}"
    shell(hooks, commit)
    config.write_text(config.read_text("utf-8").replace(there["repo"], hooks.as_uri()), "utf-8")
    shell(repository, f"git add -A && {WHO} commit -q -m hooks")
    for name, value in {**offline_pip(), "PRE_COMMIT_HOME": str(tmp_path / "pre")}.items():
        monkeypatch.setenv(name, value)
    run = "python -m pre_commit run --all-files"
    assert "baselines are sound" in shell(repository, run).stdout
    assert "rate-distortion gate" in shell(repository, f"{run} --hook-stage pre-push").stdout
    spoil(repository)
    answer = shell(repository, f"{run} --hook-stage pre-push", 1)
    assert "mine at 8: psnr worse by" in answer.stdout
    baseline = repository / "tests" / "baseline.json"
    text = baseline.read_text("utf-8")
    baseline.write_text(text.replace('"better": "lower"', '"better": "higher"'), "utf-8")
    assert "was changed by hand" in shell(repository, run, 1).stdout


def test_the_examples_own_test_passes_and_fails(repository):
    test = "python -m pytest -q -p no:cacheprovider --rd-baseline tests/baseline.json"
    assert "1 passed" in shell(repository, test).stdout
    spoil(repository)
    assert "mine at 8: psnr worse by" in shell(repository, test, 1).stdout

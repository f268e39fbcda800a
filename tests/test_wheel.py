"""The wheel works outside the checkout, catalogue and weights included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    out = tmp_path_factory.mktemp("dist")
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's contents; its dependencies are those of the test environment."""
    target = tmp_path_factory.mktemp("site")
    command = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run([sys.executable, *command], check=True)
    return target


def test_the_wheel_is_small_enough_to_be_uploaded(wheel):
    assert wheel.stat().st_size < 95e6


def test_a_run_from_the_wheel_in_an_empty_folder(installed, tmp_path):
    env = os.environ | {"PYTHONPATH": str(installed), "BENCH_HOME": str(tmp_path / "home")}
    empty = tmp_path / "empty"
    empty.mkdir()

    def python(*arguments: str) -> str:
        command = [sys.executable, "-P", *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, env=env, cwd=empty)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    where = python("-c", "import bench; print(bench.__file__)")
    assert Path(where.strip()).is_relative_to(installed)
    python(
        *("-m", "bench", "run", "--codecs", "jpeg,webp", "--dataset", "kodak"),
        *("--images", "1", "--quality", "50", "--metrics", "psnr,lpips", "--out", "run"),
    )
    rows = (empty / "run" / "results.csv").read_text().splitlines()
    assert len(rows) == 3
    assert "kodim01.png" in rows[1]

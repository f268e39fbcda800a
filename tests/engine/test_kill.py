"""A run that is killed, interrupted or orphaned loses nothing and leaves nobody behind."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from bench import paths

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")

TIMES = ["encode_s", "decode_s"]


def start(
    counting: Path, crops: Path, out: Path, stderr: int = subprocess.DEVNULL, **env: str
) -> subprocess.Popen[bytes]:
    """Start `bench run` over 6 images, 3 settings of a codec that counts its encodings."""
    return subprocess.Popen(
        [
            sys.executable, "-m", "bench", "run", "--codecs", str(counting),
            "--dataset", str(crops), "--metrics", "psnr", "--jobs", "2", "--out", str(out),
            "--report", "none",
        ],
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=os.environ | env,
    )  # fmt: skip


def committed() -> set[tuple[str, int]]:
    """Return (image, quality) of every cell that the cache holds."""
    database = paths.cache_dir() / "cache.sqlite"
    if not database.exists():
        return set()
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        try:
            return set(db.execute("SELECT image_sha256, CAST(quality AS INTEGER) FROM cells"))
        except sqlite3.OperationalError:  # killed before the tables were made
            return set()


def workers_of(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in children.read_text().split()] if children.exists() else []


@pytest.fixture
def counting(planted: Path, tmp_path: Path) -> Path:
    """A folder with one Python file that declares the counting codec alone."""
    folder = tmp_path / "codecs"
    folder.mkdir()
    text = planted.read_text("utf-8")
    head, works = text.split('@bench.declare_codec("works"')
    body = works.split('@bench.declare_codec("raises"')[0]
    (folder / "counting.py").write_text(f'{head}@bench.declare_codec("works"{body}', "utf-8")
    return folder / "counting.py"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up in /proc")
def test_ten_kills_at_random_moments_cost_nothing_that_was_done(counting, crops, tmp_path):
    log = tmp_path / "encoded"
    env = {"COUNT_FILE": str(log), "SLEEP": "0.4"}
    moments = random.Random(20)
    killed = 0
    for _ in range(10):
        before = committed()
        lines = len(log.read_text().splitlines()) if log.exists() else 0
        process = start(counting, crops, tmp_path / "run", **env)
        try:
            process.wait(moments.uniform(0.4, 2.2))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        again = log.read_text().splitlines()[lines:] if log.exists() else []
        done_again = {(d, int(q)) for d, q in (line.split() for line in again)} & before
        assert not done_again
    assert killed >= 3, "the kills came too late to show anything"

    known = len(committed())
    final = start(counting, crops, tmp_path / "run", **env)
    assert final.wait(60) == 0
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["cells"] == {
        "total": 18, "cached": known, "scored": 0, "measured": 18 - known, "failed": 0,
    }  # fmt: skip
    undisturbed = start(
        counting, crops, tmp_path / "undisturbed", BENCH_HOME=str(tmp_path / "other home")
    )
    assert undisturbed.wait(60) == 0
    resumed, whole = (
        pd.read_csv(tmp_path / name / "results.csv").drop(columns=TIMES)
        for name in ("run", "undisturbed")
    )
    pd.testing.assert_frame_equal(resumed, whole)
    # A cell is encoded again only where the kill hit it before it was committed: at most one in
    # each of two workers for each kill.
    repeats = sum(Counter(log.read_text().splitlines()).values()) - 18
    assert repeats <= 2 * killed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_cleanly_and_keeps_what_was_measured(how, counting, crops, tmp_path):
    process = start(counting, crops, tmp_path / "run", subprocess.PIPE, SLEEP="0.6")
    deadline = time.monotonic() + 30
    while not committed() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in stderr
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert info["status"] == "interrupted"
    results = pd.read_csv(tmp_path / "run" / "results.csv")
    assert len(results) == info["cells"]["measured"] == len(committed()) < 18


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up in /proc")
def test_workers_end_with_a_killed_parent_in_the_middle_of_a_cell(counting, crops, tmp_path):
    process = start(counting, crops, tmp_path / "run", SLEEP="600")
    deadline = time.monotonic() + 30
    while not (workers := workers_of(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers
    time.sleep(1.0)
    process.kill()
    process.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]

"""The history: where a series of baselines changed."""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gating import leave

from bench.cli import main
from bench.gate.baseline import write_baseline
from bench.gate.record import baseline_of

TIMING = {"repeats": 8, "warmup": 1, "threads": 1}


@pytest.fixture
def series(clean: pd.DataFrame, tmp_path: Path) -> list[Path]:
    """Five baselines: jpeg needs 5 % more bytes from the third on, webp decodes 40 % slower from
    the fourth on.
    """
    noise = np.random.default_rng(4)
    files = []
    for step in range(5):
        frame = clean.copy()
        larger = 1.05 if step >= 2 else 1
        frame["bytes"] = frame["bytes"].astype(float)
        mask = frame["codec"] == "jpeg"
        frame.loc[mask, "bytes"] = (frame.loc[mask, "bytes"] * larger).round()
        run = leave(tmp_path / f"run{step}", frame, timing=TIMING)
        rows = []
        for codec, quality, image in zip(
            frame["codec"], frame["quality"], frame["image"], strict=True
        ):
            slower = 1.4 if codec == "webp" and step >= 3 else 1
            for repeat in range(8):
                encode, decode = 0.002 * noise.lognormal(0, 0.04, 2)
                rows.append((codec, quality, image, repeat, encode, slower * decode))
        columns = ["codec", "quality", "image", "repeat", "encode_s", "decode_s"]
        pd.DataFrame(rows, columns=columns).to_csv(run / "times.csv", index=False)
        files.append(tmp_path / f"step{step}.json")
        write_baseline(
            baseline_of(run).model_copy(
                update={"provenance": baseline_of(run).provenance.model_copy(update={"commit": ""})}
            ),
            files[-1],
        )
    return files


def test_the_steps_at_which_something_changed_are_found(series, capsys):
    assert main(["history", *map(str, series), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    changed = {(row["codec"], row["step"]): row["changes"] for row in rows if row["changes"]}
    assert set(changed) == {("jpeg", "step2.json"), ("webp", "step3.json")}
    assert changed["jpeg", "step2.json"][0].startswith("BD-rate +5")
    assert changed["webp", "step3.json"][0].startswith("decode time ×1.")
    last = [row for row in rows if row["codec"] == "jpeg"][-1]
    assert last["bd_rate_since_start"] == pytest.approx(5, abs=0.05)
    assert last["bd_rate_since_last"] == pytest.approx(0, abs=1e-6)


def test_the_page_needs_nothing_beside_it(series, tmp_path, capsys):
    out = tmp_path / "history.html"
    assert main(["history", *map(str, series[:3]), "--html", str(out)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 1 + 2 * 3
    assert "BD-rate +5" in next(line for line in table if "step2.json" in line)

    class Tags(HTMLParser):
        seen: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.append(tag)
            assert not any(name == "src" for name, _ in attrs)

    parser = Tags()
    parser.feed(out.read_text())
    assert parser.seen.count("svg") == 1
    assert parser.seen.count("tr") == 1 + 2 * 3


def test_the_versions_that_git_knows_are_a_series(series, tmp_path, capsys):
    repository = tmp_path / "repository"
    repository.mkdir()

    def git(*words: str) -> None:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *words], cwd=repository, check=True, capture_output=True)

    git("init", "-q")
    file = repository / "baseline.json"
    for source in (series[0], series[2]):
        file.write_bytes(source.read_bytes())
        git("add", "baseline.json")
        git("commit", "-q", "-m", "step")
    assert main(["history", str(file), "--git", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [bool(row["changes"]) for row in rows if row["codec"] == "jpeg"] == [False, True]
    assert main(["history", str(repository / "other.json"), "--git"]) == 2
    assert "git knows no version" in capsys.readouterr().err


def test_a_damaged_file_in_the_series_is_one_line(series, capsys):
    series[1].write_text(series[1].read_text()[:-100])
    assert main(["history", *map(str, series)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"bench: {series[1]}: ")
    assert err.count("\n") == 1


def test_a_metric_that_no_baseline_holds_is_wrong_use(series, capsys):
    assert main(["history", str(series[0]), "--metric", "lpips"]) == 2
    assert "no baseline of these holds lpips" in capsys.readouterr().err

"""A real small run, its baseline, and ways to plant a change into a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gating import SETTINGS, leave, measure
from PIL import Image

from bench.gate.baseline import write_baseline
from bench.gate.record import baseline_of
from bench.gate.rules import parse_options
from bench.gate.verdict import Verdict


@pytest.fixture(scope="session")
def crops(kodak: Path) -> dict[str, np.ndarray]:
    """Crops of four Kodak images, 192 wide and 160 high, by name."""
    found = {}
    for number in (1, 5, 13, 23):
        with Image.open(kodak / f"kodim{number:02}.png") as image:
            found[f"crop{number:02}.png"] = np.asarray(image.crop((200, 100, 392, 260)))
    return found


@pytest.fixture(scope="session")
def clean(crops: dict[str, np.ndarray]) -> pd.DataFrame:
    """JPEG and WebP by Pillow at five settings, as results.csv has it; copy it to change it."""
    return pd.DataFrame(
        [
            measure(codec, setting, name, pixels)
            for codec in ("jpeg", "webp")
            for setting in SETTINGS
            for name, pixels in crops.items()
        ]
    )


@pytest.fixture
def run(clean: pd.DataFrame, tmp_path: Path) -> Path:
    """The folder of the clean run."""
    return leave(tmp_path / "clean", clean)


@pytest.fixture
def baseline(run: Path, tmp_path: Path) -> Path:
    """The baseline of the clean run."""
    path = tmp_path / "baseline.json"
    write_baseline(baseline_of(run), path)
    return path


@pytest.fixture
def gate(baseline: Path, tmp_path: Path) -> Callable[..., Verdict]:
    """Judges rows as if a run had left them: ``gate(frame, "bytes=0.5", jobs=8)``."""
    from bench.gate.check import check

    def judge(frame: pd.DataFrame, *rules: str, **changes: object) -> Verdict:
        folder = tmp_path / "changed"
        shutil.rmtree(folder, ignore_errors=True)
        return check(leave(folder, frame, **changes), baseline, [parse_options(rules)])

    return judge

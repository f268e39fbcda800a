"""Regressions planted into a codec's source, measured and judged by the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.cli import main
from bench.metrics.psnr import Psnr

#: JPEG by Pillow, with the setting as a last byte, which JPEG decoders don't read.
CODEC = """
import io
import numpy as np
from PIL import Image
import bench

@bench.declare_codec("mine", ladder=[20, 40, 60, 75, 90])
class Mine(bench.Codec):
    def encode(self, image, quality):
        file = io.BytesIO()
        Image.fromarray(image.pixels).save(file, "JPEG", quality=int(quality))
        extra = b""
        return file.getvalue() + extra + bytes([int(quality)])

    def decode(self, bitstream):
        pixels = np.array(Image.open(io.BytesIO(bitstream)).convert("RGB"))
        return bench.Image(pixels)
"""
WIDE = 200


@pytest.fixture(scope="module")
def images(crops: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three crops of Kodak; crop13 is wider than the others, so that the codec can tell it."""
    folder = tmp_path_factory.mktemp("images")
    for name in ("crop01.png", "crop05.png", "crop23.png"):
        Image.fromarray(crops[name]).save(folder / name)
    wide = np.pad(crops["crop13.png"], ((0, 0), (0, WIDE - 192), (0, 0)), "reflect")
    Image.fromarray(wide).save(folder / "crop13.png")
    return folder


@pytest.fixture
def gate(images: Path, tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Writes the baseline, then gates the codec with text replaced in its source:
    ``gate(old, new, "image_bytes=1", jobs=2)``; returns exit code and verdict.
    """
    baseline = tmp_path / "baseline.json"
    options = "--metrics psnr --quality 20,40,60,75,90"

    def measure(codec: str, dataset: Path, jobs: int) -> str:
        return f"--codecs {codec} --dataset {dataset} --jobs {jobs} {options}"

    def gate(
        old: str = "", new: str = "", *rules: str, dataset: Path = images, codec: str = "",
        jobs: int = 0,
    ) -> tuple[int, dict[str, Any]]:  # fmt: skip
        (tmp_path / "was").mkdir(exist_ok=True)
        (tmp_path / "was" / "mine.py").write_text(CODEC)
        if not baseline.exists():
            first = measure(f"{tmp_path}/was/mine.py", images, 0)
            assert main(["baseline", "write", "--measure", first, str(baseline)]) == 0
        changed = CODEC.replace(old, new)
        assert changed != CODEC or old == new
        (tmp_path / "now").mkdir(exist_ok=True)
        (tmp_path / "now" / "mine.py").write_text(changed)
        now = measure(codec or f"{tmp_path}/now/mine.py", dataset, jobs)
        options = [word for rule in rules for word in ("--rule", rule)]
        out = tmp_path / "verdict.json"
        code = main(
            ["gate", "--baseline", str(baseline), "--measure", now, "--json", str(out), *options]
        )
        return code, json.loads(out.read_text())

    return gate


def bad(verdict: dict[str, Any]) -> list[tuple[str | None, str, float | None, str | None]]:
    """Return codec, rule, setting and image of everything that offends."""
    return [
        (f["codec"], f["rule"], f["setting"], f["image"])
        for f in verdict["findings"]
        if f["outcome"] in ("regression", "undecidable")
    ]


def test_quality_74_passed_off_as_75(gate):
    code, verdict = gate("quality=int(quality))", "quality=int(quality) - (quality == 75))")
    assert code == 1
    assert [found[:3] for found in bad(verdict)] == [("mine", "drop", 75)]


def test_one_image_3_percent_larger(gate):
    larger = f'extra = bytes(round(0.03 * file.tell())) if image.width == {WIDE} else b""'
    code, verdict = gate('extra = b""', larger, "bd_rate.psnr=2")
    assert code == 1
    assert bad(verdict) == [("mine", "worst_image", None, "crop13.png")]
    (found,) = [f for f in verdict["findings"] if f["outcome"] == "regression"]
    assert found["change"] == pytest.approx(3, abs=0.05)


def test_a_fiftieth_of_a_decibel_less_at_one_setting(gate):
    """Noise of ±1 on every fourth sample adds a quarter to a mean squared error of about 50."""
    noise = """noise = np.random.default_rng(1).choice([-1, 0, 0, 0, 0, 0, 0, 1], pixels.shape)
        pixels = np.clip(pixels + noise * (bitstream[-1] == 40), 0, 255).astype(np.uint8)
        return bench.Image(pixels)"""
    code, verdict = gate("return bench.Image(pixels)", noise)
    assert code == 1
    assert [found[:3] for found in bad(verdict)] == [("mine", "drop", 40)]
    (found,) = [f for f in verdict["findings"] if f["outcome"] == "regression"]
    assert 0.01 < found["change"] < 0.03


def test_a_codec_that_fails_on_an_image(gate):
    fail = f"if image.width == {WIDE}: raise ValueError('too wide')\n        return file.getvalue()"
    code, verdict = gate("return file.getvalue()", fail)
    assert code == 1
    assert ("mine", "failures", 20, "crop13.png") in bad(verdict)
    assert any("too wide" in f["message"] for f in verdict["findings"])


def test_a_codec_that_is_missing(gate):
    code, verdict = gate(codec="jpeg")
    assert code == 2
    assert bad(verdict) == [("mine", "codec", None, None)]


def test_a_metric_of_another_version(gate, monkeypatch):
    gate()
    monkeypatch.setattr(Psnr, "version", Psnr.version + 1)
    code, verdict = gate()
    assert code == 2
    assert {found[1] for found in bad(verdict)} == {"metric"}


def test_nan_in_a_metric(gate, monkeypatch):
    gate()
    measure = Psnr.measure

    def spoilt(self: Psnr, reference: Any, *rest: Any) -> float:
        return math.nan if reference.width == WIDE else measure(self, reference, *rest)

    monkeypatch.setattr(Psnr, "measure", spoilt)
    # Another source, so that no value comes from the cache.
    code, verdict = gate("import io\n", "import io\nAGAIN = 1\n")
    assert code == 2
    assert ("mine", "value", 20, "crop13.png") in bad(verdict)


def test_another_data_set_and_an_empty_one(gate, images, tmp_path, capsys):
    other, empty = tmp_path / "other", tmp_path / "empty"
    other.mkdir()
    empty.mkdir()
    for file in images.iterdir():
        with Image.open(file) as image:
            image.rotate(180).save(other / file.name)
    code, verdict = gate(dataset=other)
    assert (code, {found[1] for found in bad(verdict)}) == (2, {"data"})
    code, verdict = gate(dataset=empty)
    assert (code, verdict["outcome"]) == (2, "undecidable")
    assert str(empty) in capsys.readouterr().err


def test_more_workers_other_names_and_another_order_pass(gate, images, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for number, file in enumerate(sorted(images.iterdir(), reverse=True)):
        (other / f"photo {number}.png").write_bytes(file.read_bytes())
    code, verdict = gate("import io\n", "import io\nAGAIN = 1\n", dataset=other, jobs=2)
    assert (code, verdict["outcome"]) == (0, "pass")

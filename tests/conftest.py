"""Fixtures for all tests."""

from __future__ import annotations

import io
import json
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cache, the data folder and the user's cards of a test out of the user's own."""
    monkeypatch.setenv("BENCH_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def kodak() -> Path:
    """The folder of the 24 Kodak images."""
    return ROOT / "datasets" / "kodak"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test data that lies beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data, which is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def measured_cells(kodak: Path) -> pd.DataFrame:
    """A small real measurement, as results.csv has it: JPEG and WebP by Pillow at 6 settings on
    crops of 5 Kodak images, PSNR and SSIM by scikit-image. Copy it before changing it.
    """
    rows = [
        _measure(codec, quality, path)
        for codec in ("jpeg", "webp")
        for quality in (5, 15, 30, 50, 75, 90)
        for path in sorted(kodak.glob("kodim0[1-5].png"))
    ]
    return pd.DataFrame(rows)


def _measure(codec: str, quality: int, path: Path) -> dict[str, object]:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    with PIL.Image.open(path) as image:
        original = image.convert("RGB").crop((200, 100, 392, 260))
    stream = io.BytesIO()
    start = time.perf_counter()
    original.save(stream, codec, quality=quality)
    middle = time.perf_counter()
    decoded = np.asarray(PIL.Image.open(stream).convert("RGB"))
    end = time.perf_counter()
    pixels, content = np.asarray(original), stream.getvalue()
    bpp = 8 * len(content) / (original.width * original.height)
    return {
        "codec": codec,
        "codec_id": f"{codec:0>16}",
        "quality": float(quality),
        "dataset": "crops",
        "image": path.name,
        "image_sha256": sha256(pixels.tobytes()).hexdigest(),
        "width": float(original.width),
        "height": float(original.height),
        "bytes": float(len(content)),
        "bitstream_sha256": sha256(content).hexdigest(),
        "bpp": bpp,
        "compression_ratio": 24 / bpp,
        "encode_s": middle - start,
        "decode_s": end - middle,
        "psnr": float(peak_signal_noise_ratio(pixels, decoded)),
        "ssim": float(structural_similarity(pixels, decoded, channel_axis=2)),
        "status": "ok",
        "error": "",
        "na": "",
    }


@pytest.fixture
def run_folder(measured_cells: pd.DataFrame, tmp_path: Path) -> Path:
    """The folder of a run that left `measured_cells` behind."""
    folder = tmp_path / "small"
    folder.mkdir()
    measured_cells.to_csv(folder / "results.csv", index=False, lineterminator="\n")
    info = {
        "schema": 1,
        "metrics": {"psnr": "psnr/1", "ssim": "ssim/1"},
        "dataset": {"name": "crops", "title": "Crops of Kodak"},
        "codecs": {"jpeg": {"title": "JPEG"}, "webp": {"title": "WebP"}},
    }
    (folder / "run.json").write_text(json.dumps(info))
    return folder

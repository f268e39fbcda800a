"""Rows and folders of runs, for tests that plant a change into them."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

SETTINGS = (20, 40, 60, 75, 90)
METRICS = {"psnr": "psnr/1", "ssim": "ssim/1"}


def measure(
    codec: str, setting: int, name: str, pixels: np.ndarray, actual: int | None = None
) -> dict[str, object]:
    """Return a row measured at `actual` and passed off as `setting`."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, codec, quality=setting if actual is None else actual)
    content, decoded = file.getvalue(), np.asarray(Image.open(file).convert("RGB"))
    height, width = pixels.shape[:2]
    bpp = 8 * len(content) / (width * height)
    return {
        "codec": codec, "codec_id": f"{codec:0>16}", "quality": setting, "dataset": "crops",
        "image": name, "image_sha256": sha256(pixels.tobytes()).hexdigest(), "width": width,
        "height": height, "bytes": len(content), "bitstream_sha256": sha256(content).hexdigest(),
        "bpp": bpp, "compression_ratio": 24 / bpp, "encode_s": 0.001, "decode_s": 0.001,
        "psnr": peak_signal_noise_ratio(pixels, decoded), "ssim": 0.5 + setting / 200,
        "status": "ok", "error": "", "na": "",
    }  # fmt: skip


def leave(folder: Path, frame: pd.DataFrame, **changes: object) -> Path:
    """Write a run's folder with these rows; `changes` are fields of its run.json."""
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "results.csv", index=False, lineterminator="\n")
    codecs = {
        name: {
            "id": f"{name:0>16}", "title": name.upper(), "better": "higher",
            "bytes_depend_on_processor": name != "jpeg",
            "identity": {"libraries": {"pillow": "12.0.0"}, "machine": "x86_64"},
        }
        for name in ("jpeg", "webp", "mine", "mine-main")
    }  # fmt: skip
    info = {
        "schema": 1, "status": "finished", "command": ["/usr/bin/bench", "run"],
        "dataset": {"name": "crops", "sha256": "0" * 64}, "metrics": METRICS, "codecs": codecs,
        "machine": {"processor": "A", "architecture": "x86_64", "cores": 8},
        "versions": {"pillow": "12.0.0"}, "timing": None, "jobs": 1, **changes,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(info))
    return folder

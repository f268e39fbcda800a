"""A report over 200,000 result rows: seconds and memory of `bench report`, as a user meets it.

    python tests/benchmarks/bench_report.py [--rows 200000] [--run FOLDER]

The rows come from a real run: of JPEG and WebP over Kodak, or the one named. Every further image
lies between two real ones: at each setting its rate and values are a mixture of theirs, so that
images differ from each other as photographs do. Ends with 1 where a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

SECONDS = 30.0
BYTES = 2e9


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--run", type=Path, help="a run's folder; measured afresh if left out")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        source = args.run or measure(home)
        large = home / "large"
        rows = replicate(source, large, args.rows)
        wall, cpu, memory = timed_report(large)
        sizes = ", ".join(
            f"{p.name} {p.stat().st_size / 1e6:.1f} MB" for p in sorted(large.glob("report.*"))
        )
    print(
        f"{rows:,} rows: {wall:.1f} s, of the processor {cpu:.1f} s, {memory / 1e9:.2f} GB; {sizes}"
    )
    return int(wall > SECONDS or memory > BYTES)


def measure(home: Path) -> Path:
    """Run JPEG and WebP over Kodak."""
    folder = home / "small"
    options = {
        "--codecs": "jpeg,jpeg-444,webp",
        "--metrics": "psnr,ssim,ms-ssim",
        "--report": "none",
        "--out": str(folder),
    }
    words = [word for option in options.items() for word in option]
    command = [sys.executable, "-m", "bench", "run", "--quiet", *words]
    subprocess.run(command, check=True, env={**os.environ, "BENCH_HOME": str(home)})
    return folder


def replicate(source: Path, target: Path, n_rows: int) -> int:
    """Write a run folder of about so many rows; return their number."""
    frame = pd.read_csv(source / "results.csv", keep_default_na=False)
    images = sorted(frame["image"].unique())
    frame = frame.sort_values(["image", "codec", "quality"], kind="stable")
    per_image = len(frame) // len(images)
    count = n_rows // per_image
    blocks = [rows for _, rows in frame.groupby("image")]
    mixed = [
        name
        for name in frame.columns
        if frame[name].dtype.kind == "f" and name not in ("quality", "width", "height")
    ]
    values = np.stack([block[mixed].to_numpy(float) for block in blocks])
    generator = np.random.default_rng(0)
    parts = []
    for k in range(count):
        one, other = generator.choice(len(images), 2, replace=False)
        share = generator.uniform()
        block = blocks[one].copy()
        block[mixed] = share * values[one] + (1 - share) * values[other]
        block["image"] = f"image-{k:05}.png"
        block["image_sha256"] = f"{k:064x}"
        parts.append(block)
    target.mkdir()
    large = pd.concat(parts)
    large.to_csv(target / "results.csv", index=False, lineterminator="\n")
    info = json.loads((source / "run.json").read_text("utf-8"))
    info["results_sha256"] = sha256((target / "results.csv").read_bytes()).hexdigest()
    info["cells"] = {"total": len(large), "measured": len(large), "failed": 0}
    (target / "run.json").write_text(json.dumps(info), "utf-8")
    return len(large)


def timed_report(folder: Path) -> tuple[float, float, float]:
    """Return wall seconds, processor seconds and peak bytes of making both reports."""
    begin = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "bench", "report", str(folder)])
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begin
    if status:
        raise SystemExit(f"bench report ended with status {status}")
    if f'"nImages":{pd.read_csv(folder / "results.csv")["image"].nunique()}' not in (
        (folder / "report.html").read_text("utf-8")
    ):
        raise SystemExit("the report does not show the run")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())

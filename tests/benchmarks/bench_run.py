"""Speed and memory of a whole run, as a user meets them: processes timed from outside.

    python tests/benchmarks/bench_run.py [--rival PYTHON] [--only PART ...]

`--rival` is a Python that has CompressAI installed (its own environment, for its NumPy pin): the
same codecs, settings, images and metrics are then measured by ``python -m compressai.utils.bench``
in the same call, and the ratio is what counts. Absolute seconds are those of one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

KODAK = Path(__file__).resolve().parents[2] / "datasets" / "kodak"
QUALITIES = "5,15,25,35,50,65,80,95"


def main() -> None:
    """Run the parts that were asked for and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", help="a Python with CompressAI, for the comparison")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, {os.uname().machine}")
    for part in args.only:
        PARTS[part](args)


def against_the_peer(args: argparse.Namespace) -> None:
    """JPEG and WebP, eight settings, Kodak, PSNR and MS-SSIM, cold cache, all cores."""
    with home() as env:
        ours = timed(run("--codecs", "jpeg,webp", "--metrics", "psnr,ms-ssim", "--quality",
                         QUALITIES, "--report", "none"), env)  # fmt: skip
    say("JPEG and WebP, 8 settings, PSNR and MS-SSIM", f"{ours:.1f} s")
    if not args.rival:
        return
    cores = str(len(os.sched_getaffinity(0)))
    theirs = sum(
        timed([args.rival, "-W", "ignore", "-m", "compressai.utils.bench", codec, str(KODAK),
               "-q", QUALITIES, "-j", cores, "--metrics", "psnr-rgb", "ms-ssim-rgb"], os.environ)
        for codec in ("jpeg", "webp")
    )  # fmt: skip
    say("the same by compressai.utils.bench", f"{theirs:.1f} s, {theirs / ours:.1f} times ours")


def everything(args: argparse.Namespace) -> None:
    """All classical codecs of the default install, all default metrics; then all from the cache."""
    with home() as env:
        command = run("--codecs", "classical", "--out", f"{env['BENCH_HOME']}/run")
        cold = timed(command, env)
        info = json.loads(Path(env["BENCH_HOME"], "run", "run.json").read_text())
        warm = min(timed(command, env) for _ in range(3))
    cells, seconds = info["cells"], info["seconds"]
    say("classical codecs, default metrics, cold cache", f"{cold:.0f} s, {cells['total']} cells")
    inside = (seconds["codecs"] + seconds["metrics"]) / info["jobs"]
    outside = 100 * (1 - inside / seconds["wall"])
    say("outside codec and metric calls", f"{outside:.1f} % of the run")
    say("the same again, all from the cache", f"{warm:.2f} s")


def light_start(args: argparse.Namespace) -> None:
    """`bench --help`."""
    help_ = [sys.executable, "-m", "bench", "--help"]
    say("bench --help", f"{min(timed(help_, os.environ) for _ in range(5)):.3f} s")


def memory(args: argparse.Namespace) -> None:
    """The largest worker after 4 and after 24 images."""
    peaks = []
    for images in (4, 24):
        with home() as env:
            command = run("--codecs", "jpeg", "--images", str(images), "--report", "none")
            peaks.append(peak_of_workers(command, env))
    say("largest worker, 4 and 24 images", f"{peaks[0] / 2**20:.0f} and {peaks[1] / 2**20:.0f} MiB")


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "peer": against_the_peer,
    "all": everything,
    "help": light_start,
    "memory": memory,
}


def run(*options: str) -> list[str]:
    """Return a `bench run` over Kodak."""
    return [sys.executable, "-m", "bench", "run", "--dataset", "kodak", "--quiet", *options]


@contextmanager
def home() -> Iterator[dict[str, str]]:
    """Yield an environment with an empty cache; runs land beside it."""
    folder = tempfile.mkdtemp(prefix="bench-")
    try:
        yield os.environ | {"BENCH_HOME": folder}
    finally:
        shutil.rmtree(folder)


def timed(command: list[str], env: dict[str, str] | os._Environ[str]) -> float:
    """Return the seconds that a process takes; its failure is ours."""
    begin = time.perf_counter()
    cwd = env.get("BENCH_HOME")
    subprocess.run(command, env=env, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def peak_of_workers(command: list[str], env: dict[str, str]) -> int:
    """Return the largest resident set, in bytes, of any child of the process while it runs."""
    process = subprocess.Popen(command, env=env, cwd=env["BENCH_HOME"], stdout=subprocess.DEVNULL)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            try:
                for child in children.read_text().split():
                    status = Path(f"/proc/{child}/status").read_text()
                    peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) * 1024)
            except (OSError, IndexError):
                pass
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    process.wait()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return peak


def say(what: str, figure: str) -> None:
    """Print one figure."""
    print(f"{what:<55} {figure}", flush=True)


if __name__ == "__main__":
    main()

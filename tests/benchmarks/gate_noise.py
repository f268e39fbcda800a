"""How often a codec is said to be slower, on this machine as it is now.

Times jpeg and a copy of it under another name in one run, again and again, and gates the copy by
its predecessor. Every alarm is a false one. With ``--slowed 1.3`` the copy's decoding really takes
30 % longer (it works on for that share of the time it took), and every repetition without an alarm
is a miss.

    python tests/benchmarks/gate_noise.py --repetitions 100
    python tests/benchmarks/gate_noise.py --repetitions 20 --slowed 1.3
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import yaml

import bench
from bench import paths
from bench.gate.baseline import write_baseline
from bench.gate.check import check
from bench.gate.record import baseline_of
from bench.gate.rules import parse_options

SETTINGS = [30, 75]

SLOWED = """
import time
import bench
from bench.adapters.pillow import PillowCodec

@bench.declare_codec("copy", ladder=(30, 75))
class Slowed(PillowCodec):
    def __init__(self):
        super().__init__("JPEG")

    def decode(self, bitstream):
        began = time.perf_counter()
        image = super().decode(bitstream)
        until = began + {factor} * (time.perf_counter() - began)
        while time.perf_counter() < until:
            pass
        return image
"""


def main() -> int:
    """Print how many repetitions ended how; return 1 where one was an alarm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--limit", type=float, default=1.1, help="largest ratio allowed [1.1]")
    parser.add_argument("--slowed", type=float, help="how many times longer the copy decodes")
    args = parser.parse_args()
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        card = yaml.safe_load((paths.catalogue("codecs") / "jpeg.yaml").read_text("utf-8"))
        copy = folder / "copy.yaml"
        copy.write_text(yaml.safe_dump({**card, "name": "copy"}), "utf-8")
        for number in range(args.repetitions + 1):
            run = bench.run(
                ["jpeg", copy], "kodak", quality=SETTINGS, images=args.images,
                metrics="psnr", repeats=args.repeats, jobs=0, out=folder / f"run{number}",
            )  # fmt: skip
            if number == 0:
                write_baseline(baseline_of(run.folder), folder / "baseline.json")
                if args.slowed:
                    copy = folder / "slowed" / "copy.py"
                    copy.parent.mkdir()
                    copy.write_text(SLOWED.format(factor=args.slowed), "utf-8")
                continue
            limits = [f"{way}_ratio={args.limit}" for way in ("encode", "decode")]
            for kind, other in (("predecessor", "jpeg"), ("yardstick", "jpeg")):
                rules = [f"copy:{limit}" for limit in limits] + [f"copy:{kind}={other}"]
                off = ["bd_rate.psnr=off", "worst_image.psnr=off"]
                verdict = check(run.folder, folder / "baseline.json", [parse_options(rules + off)])
                outcomes[f"{kind}: {verdict.outcome.value}"] += 1
                if not args.slowed:
                    for finding in verdict.offending:
                        print(finding.message)
    for outcome, count in sorted(outcomes.items()):
        print(f"{outcome} {count}")
    wanted = ("regression",) if args.slowed else ("pass", "better")
    return int(any(not outcome.endswith(wanted) for outcome in outcomes))


if __name__ == "__main__":
    raise SystemExit(main())

"""The project's own gates: what they measure, and by which rules.

    python tests/own_gates.py                    # measure, show what moved, write the baselines
    python tests/own_gates.py learned --dry-run  # one of them, and write nothing
    python tests/own_gates.py --check            # measure and judge: exit code 0 or 1

A codec is added, taken out or given other settings by a line in `GATES`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bench
from bench.gate.baseline import read_baseline, write_baseline
from bench.gate.check import check
from bench.gate.moved import moved
from bench.gate.record import baseline_of
from bench.gate.rules import parse_options
from bench.gate.show import terminal
from bench.gate.verdict import Finding, Outcome, Verdict

IMAGES = "kodim0[15].png"


@dataclass(frozen=True)
class Gate:
    """Codecs with the settings they are measured at, rules, and the baseline's file."""

    file: str
    quality: dict[str, list[float]]
    rules: tuple[str, ...]

    @property
    def baseline(self) -> Path:
        return Path(__file__).parent / "gate" / self.file

    def measure(self, folder: Path, codecs: Sequence[str] = ()) -> Path:
        """Measure into a folder, all codecs or some."""
        quality = {name: q for name, q in self.quality.items() if not codecs or name in codecs}
        run = bench.run(
            list(quality), "kodak", quality=quality, images=IMAGES, metrics="psnr", jobs=0,
            out=folder, report=(),
        )  # fmt: skip
        return run.folder

    def judge(self, folder: Path) -> Verdict:
        """Judge a run; other weights than the baseline's are red whatever they do."""
        verdict = check(folder, self.baseline, [parse_options(self.rules)])
        other = [
            Finding("checkpoint", Outcome.REGRESSION, note, note.partition(":")[0])
            for note in verdict.notes
            if "checkpoint sha256 changed" in note
        ]
        return replace(verdict, findings=(*verdict.findings, *other))


GATES = {
    # jpeg and webp give the same bytes on every processor; OpenJPEG's wavelet is floating point.
    "classical": Gate(
        "baseline-kodak.json",
        {"jpeg": [10, 30, 60, 90], "webp": [5, 30, 75, 90], "jpeg2000": [120, 48, 20, 12]},
        ("jpeg:exact=true", "webp:exact=true", "bytes=0.5"),
    ),
    # The transforms of learned codecs are networks in float32, whose sums come out otherwise in the
    # last digits on another processor, with another number of threads or another PyTorch; now and
    # then a latent is rounded to its neighbour. So bytes are gated by their number, not by digest,
    # an order of magnitude above that noise and below any change of weights, quantiser or entropy
    # model that is worth the name. The weights themselves are held by their digest.
    "learned": Gate(
        "baseline-learned.json",
        {"hybrid-s": [5, 25, 45, 65], "hybrid": [5, 25, 45, 65]},
        ("bytes=0.05", "image_bytes=0.1", "bd_rate.psnr=0.05", "worst_image.psnr=0.1",
         "drop.psnr=0.002"),
    ),
}  # fmt: skip


def main() -> int:
    """Measure, show what moved, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(GATES)} [all]")
    parser.add_argument("--codecs", default="", help="some of their codecs, for --check")
    parser.add_argument("--dry-run", action="store_true", help="show what moved and stop")
    parser.add_argument("--check", action="store_true", help="show the verdict and stop")
    args = parser.parse_args()
    code = 0
    for name in args.names or GATES:
        if name not in GATES:
            parser.error(f"there is no gate {name}; there are {', '.join(GATES)}")
        gate = GATES[name]
        with tempfile.TemporaryDirectory() as folder:
            run = gate.measure(Path(folder) / "own", args.codecs.split(",") if args.codecs else ())
            if args.check:
                verdict = gate.judge(run)
                print(terminal(verdict))
                code = max(code, verdict.exit_code)
                continue
            now = baseline_of(run)
        was = read_baseline(gate.baseline) if gate.baseline.exists() else None
        print(f"{gate.baseline}: {moved(was, now) if was else 'new'}")
        if not args.dry_run:
            write_baseline(now, gate.baseline)
    return code


if __name__ == "__main__":
    sys.exit(main())

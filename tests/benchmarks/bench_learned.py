"""Speed of the learned codecs: CPU seconds of one thread, ours and CompressAI's in turn.

    .tox/oracle/bin/python tests/benchmarks/bench_learned.py [--images N] [--quality Q] [NAME ...]

Both get the same random weights, scaled so that the streams are worth coding, and the same Kodak
images. Where CompressAI is not installed only ours is measured. What counts are the ratios within
one run; the seconds are those of one machine. Exit code 1 where a bound is not kept:

- whole decoding at most 1.4 times the synthesis alone, whole encoding 1.4 times the analysis;
- under a context model everything but the transforms at most a tenth of the reference's.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from learned import crop_tensor, enliven  # noqa: E402

from bench.adapters.heap import keep_freed_memory  # noqa: E402
from bench.models.minnen2018 import JointPrior  # noqa: E402
from bench.models.zoo import ARCHITECTURES  # noqa: E402

KODAK = ROOT / "datasets" / "kodak"
TRANSFORM_BOUND = 1.4
ENTROPY_BOUND = 0.1


@dataclass
class Seconds:
    """CPU seconds, one entry per measurement.

    What else runs on the machine only adds to them: the least is what counts.
    """

    analysis: list[float]
    synthesis: list[float]
    encode: list[float]
    decode: list[float]

    @classmethod
    def none(cls) -> Seconds:
        return cls([], [], [], [])

    @property
    def total(self) -> float:
        return min(self.encode) + min(self.decode)

    @property
    def entropy(self) -> float:
        """Everything but the transforms."""
        return self.total - min(self.analysis) - min(self.synthesis)


def main() -> int:
    """Print a line per architecture; return 1 where a bound is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(ARCHITECTURES), metavar="NAME")
    parser.add_argument("--images", type=int, default=2, help="Kodak images (2)")
    parser.add_argument("--quality", type=int, default=1, help="published size, by quality (1)")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    # As every learned codec does when it is opened; the reference has the same of it.
    keep_freed_memory()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from compressai.zoo.image import model_architectures as peers
        except ImportError:
            peers = {}
            print("CompressAI is not installed: ours alone")
    kept = [measure(name, args, peers.get(name)) for name in args.names]
    return 0 if all(kept) else 1


def measure(name: str, args: argparse.Namespace, peer: Any) -> bool:
    """Measure one architecture; return whether it keeps the bounds."""
    images = [crop_tensor(path, 512, 768) for path in landscape()[: args.images]]
    model = ARCHITECTURES[name].build(args.quality)
    enliven(model, images[0][:, :, :256, :256], loudest=1.2)
    model.ready()
    reference = None
    if peer is not None:
        reference = peer(*ARCHITECTURES[name].widths[args.quality - 1])
        reference.load_state_dict(model.state_dict())
        reference.eval()
    ours, theirs, bits = Seconds.none(), Seconds.none(), 0.0
    with torch.inference_mode():
        for _ in range(args.repeats):
            for x in images:
                bits += 8 * time_ours(model, x, ours) / x[0, 0].numel()
                if reference is not None:
                    time_theirs(reference, x, theirs)
    return report(name, ours, theirs if reference else None, bits / len(ours.encode),
                  isinstance(model, JointPrior))  # fmt: skip


def time_ours(model: Any, x: Tensor, seconds: Seconds) -> int:
    payload = timed(seconds.encode, lambda: model.compress(x, 1))
    height, width = x.shape[2:]
    timed(seconds.decode, lambda: model.decompress(payload, height, width))
    timed(seconds.analysis, lambda: model.analyse(x))
    latent = model.coder.decode(payload, (height // 16, width // 16))
    timed(seconds.synthesis, lambda: model.synthesise(latent))
    return len(payload)


def time_theirs(model: Any, x: Tensor, seconds: Seconds) -> None:
    packed = timed(seconds.encode, lambda: model.compress(x))
    timed(seconds.decode, lambda: model.decompress(packed["strings"], packed["shape"]))
    latent = timed(seconds.analysis, lambda: model.g_a(x))
    timed(seconds.synthesis, lambda: model.g_s(torch.round(latent)))


def timed(into: list[float], call: Callable[[], Any]) -> Any:
    begin = time.process_time()
    result = call()
    into.append(time.process_time() - begin)
    return result


def report(name: str, ours: Seconds, theirs: Seconds | None, bpp: float, context: bool) -> bool:
    """Print what was measured; return whether the bounds are kept."""
    encode = min(ours.encode) / min(ours.analysis)
    decode = min(ours.decode) / min(ours.synthesis)
    kept = encode <= TRANSFORM_BOUND and decode <= TRANSFORM_BOUND
    print(
        f"{name}: {bpp:.2f} bpp; analysis {min(ours.analysis):.2f} s, encode ×{encode:.2f}; "
        f"synthesis {min(ours.synthesis):.2f} s, decode ×{decode:.2f}"
    )
    if theirs is not None:
        share = ours.entropy / theirs.entropy
        kept = kept and (share <= ENTROPY_BOUND or not context)
        print(
            f"    CompressAI: analysis {min(theirs.analysis):.2f} s, encode "
            f"{min(theirs.encode):.2f} s, synthesis {min(theirs.synthesis):.2f} s, decode "
            f"{min(theirs.decode):.2f} s; all in all {theirs.total / ours.total:.1f} times "
            f"ours; everything but the transforms: ours {ours.entropy:.2f} s, {share:.3f} of it"
        )
    print("    within the bounds" if kept else "    OUTSIDE THE BOUNDS")
    return kept


def landscape() -> list[Path]:
    """Return the Kodak images that are wider than high."""
    portrait = {4, 9, 10, 17, 18, 19}
    return [path for path in sorted(KODAK.glob("*.png")) if int(path.stem[-2:]) not in portrait]


if __name__ == "__main__":
    sys.exit(main())

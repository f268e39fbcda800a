"""Throughput of training: images per second, and the share of time that is not the network's.

    python tests/benchmarks/bench_train.py PHOTOS [--steps N] [--model M] [--batch N] [NAME=VALUE …]

Trains the base model on crops of PHOTOS, one process. What Lightning, the crops, the moving average
and the logging take is everything outside forward, backward and step. Exit code 1 where that is
5 % or more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from bench.training import run
from bench.training.loop import FidelityStage

BOUND = 0.05
WARM_UP = 5


class Clock(Callback):
    """Adds up the seconds of forward, backward and step, and those of everything."""

    def __init__(self) -> None:
        self.network = 0.0
        self.began = self.ended = 0.0
        self.steps = 0

    def wrap(self, stage: FidelityStage) -> None:
        for name in ("training_step", "backward", "optimizer_step"):
            setattr(stage, name, self._timed(getattr(stage, name), name))

    def _timed(self, call: Any, name: str) -> Any:
        # Lightning's optimizer_step runs forward and backward inside: count the outermost alone.
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            outermost, self.inside = not getattr(self, "inside", False), True
            try:
                return call(*args, **kwargs)
            finally:
                if outermost:
                    self.inside = False
                    if self.steps >= WARM_UP:
                        self.network += time.perf_counter() - start

        return timed

    def on_train_batch_end(self, *_: Any) -> None:
        self.steps += 1
        self.ended = time.perf_counter()
        if self.steps == WARM_UP:
            self.began = self.ended


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("more", nargs="*", metavar="NAME=VALUE", help="settings of bench train")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--model", default="hybrid")
    parser.add_argument("--batch", type=int, default=4)
    args = parser.parse_intermixed_args()
    clock = Clock()
    original = FidelityStage.__init__

    def watched(self: FidelityStage, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        clock.wrap(self)

    FidelityStage.__init__ = watched  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as out:
        run.train(
            run.settings([
                f"model={args.model}", f"data.folders={args.photos}", f"data.batch={args.batch}",
                "data.valid=0", f"trainer.max_steps={args.steps}", f"out={out}",
                "trainer.save_every=3600", *args.more,
            ]),
            callbacks=[clock],
        )  # fmt: skip
    total = clock.ended - clock.began
    share = 1 - clock.network / total
    images = (clock.steps - WARM_UP) * args.batch / total
    print(f"{images:.2f} images/s, {torch.get_num_threads()} threads; {share:.1%} of the time "
          f"outside forward, backward and step (bound {BOUND:.0%})")  # fmt: skip
    return int(share >= BOUND)


if __name__ == "__main__":
    sys.exit(main())

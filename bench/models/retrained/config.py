"""The settings of the retrained baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.models.settings import Settings


@dataclass(frozen=True)
class RetrainedConfig(Settings):
    """What both baselines have in common.

    Parameters
    ----------
    width, latents : channels of the transforms and of z, N in the papers, and of y, M.
    start : first weights of a training: a block DCT with a hyperprior of local energies, or random.
    outer : whether the two outermost stages are trained, or stay the block DCT of 4×4 that they
        begin as, at an eighth of the cost of a step; only while they are that.
    gain_points : qualities at which gains are learned, evenly over 0 … 100; linear between.
    steps_of : the hybrid codec's qualities at whose steps the lowest and the highest quality begin:
        for Kodak 0.1 and 1.5 bits per pixel of the hyperprior, 0.07 and 1.1 of cheng2020-anchor.
        Steps in between are geometric.
    rate : what training takes the latent's bits of: values with noise in place of rounding, or
        rounded ones. Those of the side information are always of noise.
    only : the one quality to train for, 0 … 100, or None for all: what a set of gains costs.

    Raises
    ------
    ValueError : an unknown value, or a combination that makes no sense, with the reason.
    """

    width: int = 112
    latents: int = 320
    start: Literal["dct", "random"] = "dct"
    outer: Literal["trained", "fixed"] = "trained"
    gain_points: int = 6
    steps_of: tuple[float, float] = (-12.0, 75.0)
    rate: Literal["noisy", "rounded"] = "rounded"
    only: float | None = None

    def faults(self) -> list[str]:
        """Return what is wrong with the combination of values."""
        faults = []
        if self.width < 64:
            faults.append("width: 64 at least was expected: the start needs 48 channels")
        if not 48 <= self.latents <= 768:
            faults.append("latents: 48 … 768 were expected")
        if self.gain_points < 2:
            faults.append("gain_points: 2 at least was expected")
        if len(self.steps_of) != 2 or not self.steps_of[0] < self.steps_of[1]:
            faults.append("steps_of: two rising qualities were expected")
        if self.outer == "fixed" and self.start == "random":
            faults.append("outer=fixed needs start=dct: only a block DCT can be left as it is")
        if self.only is not None and not 0 <= self.only <= 100:
            faults.append("only: a quality, 0 … 100, was expected")
        return faults


@dataclass(frozen=True)
class HyperpriorConfig(RetrainedConfig):
    """bmshj2018-hyperprior; published with N = 128, M = 192 and with N = 192, M = 320."""


@dataclass(frozen=True)
class ChengConfig(RetrainedConfig):
    """cheng2020-anchor; published with N = M = 128 and with N = M = 192."""

    width: int = 72
    latents: int = 192

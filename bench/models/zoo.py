"""The architectures by name, with the widths that were published."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from bench.errors import UnknownNameError
from bench.models.base import CompressionModel


@dataclass(frozen=True)
class Architecture:
    """An architecture that was published in several sizes.

    Parameters
    ----------
    target : ``module:Class`` of a :class:`~bench.models.base.CompressionModel`.
    widths : for the qualities 1, 2, … the arguments of the class.
    """

    target: str
    widths: tuple[tuple[int, ...], ...]

    def load(self) -> type[CompressionModel]:
        """Import the class."""
        module, _, name = self.target.partition(":")
        cls: type[CompressionModel] = getattr(importlib.import_module(module), name)
        return cls

    def build(self, quality: int) -> CompressionModel:
        """Return the network of `quality` (from 1), with random weights."""
        return self.load()(*self.widths[quality - 1])


_NARROW, _MIDDLE, _WIDE = (128, 192), (192, 192), (192, 320)

ARCHITECTURES = {
    "bmshj2018-factorized": Architecture(
        "bench.models.balle2018:FactorizedPrior", 5 * (_NARROW,) + 3 * (_WIDE,)
    ),
    "bmshj2018-hyperprior": Architecture(
        "bench.models.balle2018:ScaleHyperprior", 5 * (_NARROW,) + 3 * (_WIDE,)
    ),
    "mbt2018-mean": Architecture(
        "bench.models.minnen2018:MeanScaleHyperprior", 4 * (_NARROW,) + 4 * (_WIDE,)
    ),
    "mbt2018": Architecture("bench.models.minnen2018:JointPrior", 4 * (_MIDDLE,) + 4 * (_WIDE,)),
    "cheng2020-anchor": Architecture(
        "bench.models.cheng2020:Cheng2020Anchor", 3 * ((128,),) + 3 * ((192,),)
    ),
    "cheng2020-attn": Architecture(
        "bench.models.cheng2020:Cheng2020Attention", 3 * ((128,),) + 3 * ((192,),)
    ),
}


def architecture(name: str) -> Architecture:
    """Return the architecture called `name`. Raises UnknownNameError with suggestions."""
    if name not in ARCHITECTURES:
        raise UnknownNameError("architecture", name, ARCHITECTURES)
    return ARCHITECTURES[name]

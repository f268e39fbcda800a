"""The learning curve: true operating points on the photos kept out, while training goes on."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from bench.codec import Quality
from bench.files import write_whole

if TYPE_CHECKING:
    from bench.models.trainable import Trainable
    from bench.training.loop import FidelityStage


@dataclass(frozen=True)
class Point:
    """What one quality brings, measured with real bytes.

    Parameters
    ----------
    quality : the setting.
    bpp : bits per pixel, the mean over the photos.
    psnr : of the decoded 8-bit pixels in dB, the mean over the photos.
    """

    quality: Quality
    bpp: float
    psnr: float


@torch.no_grad()
def operating_points(network: Trainable, x: Tensor, qualities: Sequence[Quality]) -> list[Point]:
    """Encode and decode photos (n, 3, height, width) in 0 … 1 at every quality."""
    points = []
    x = x.to(next(network.parameters()).device)
    for quality in qualities:
        bits = decibels = 0.0
        for image in x:
            # As the codec will compute, also where training computes in mixed precision.
            with torch.autocast(x.device.type, enabled=False):
                stream = network.compress(image[None], quality)
                decoded = network.decompress(stream, *image.shape[1:])
            rounded = (decoded * 255).round() / 255
            bits += 8 * len(stream) / (image.shape[1] * image.shape[2])
            decibels += -10 * math.log10(float((rounded - image).square().mean()) + 1e-10)
        points.append(Point(quality, bits / len(x), decibels / len(x)))
    return points


class Curve(Callback):
    """Writes every validation's points into a CSV file: step, seconds, quality, bpp, psnr.

    A training that goes on from a checkpoint goes on with the file; what it had beyond that step
    is measured again.
    """

    HEAD = ("step", "seconds", *(field.name for field in fields(Point)))

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[tuple[str, ...]] = []

    def on_train_start(self, trainer: lightning.Trainer, stage: Any) -> None:
        """Take up the file; measure what is there before the first step."""
        self._rows = (
            [row for row in self._read() if int(row[0]) <= stage.done] if stage.done else []
        )
        if not self._rows and trainer.is_global_zero:
            for x, qualities in trainer.val_dataloaders or []:
                self.add(stage, operating_points(stage.released(), x, qualities))

    def on_validation_end(self, trainer: lightning.Trainer, stage: Any) -> None:
        """Add the points that the stage has measured."""
        if trainer.is_global_zero:
            self.add(stage, stage.points)

    def on_train_end(self, trainer: lightning.Trainer, stage: Any) -> None:
        """Measure the end, where the last validation was before it."""
        if trainer.is_global_zero and self._rows and int(self._rows[-1][0]) != stage.done:
            for x, qualities in trainer.val_dataloaders or []:
                self.add(stage, operating_points(stage.released(), x, qualities))

    def add(self, stage: FidelityStage, points: Sequence[Point]) -> None:
        """Write points of the step at which training stands."""
        at = (str(stage.done), f"{stage.seconds():.1f}")
        self._rows += [(*at, *(f"{value:.6g}" for value in astuple(point))) for point in points]
        lines = [",".join(row) for row in (self.HEAD, *self._rows)]
        write_whole(self.path, "\n".join(lines) + "\n")

    def _read(self) -> list[tuple[str, ...]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return [tuple(row) for row in csv.reader(file)][1:]

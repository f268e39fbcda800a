"""Photos where the network is: bytes on the accelerator, from which crops are cut there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from bench.image import Pixels

log = logging.getLogger(__name__)

#: Where photos are kept: on the device where it is a GPU and has the room, or as said.
Memory = Literal["auto", "host", "device"]
#: The photos take this share of a GPU's free memory at most: the rest is the training's.
SHARE = 0.5


class Shelf:
    """Photos as bytes on a device.

    Parameters
    ----------
    photos : uint8 arrays (height, width, 3).
    size : of a crop in pixels.
    device : where they lie and are cut.
    """

    def __init__(self, photos: Sequence[Pixels], size: int, device: torch.device) -> None:
        self.size, self.device = size, device
        self.photos = [
            torch.from_numpy(photo).to(device).permute(2, 0, 1).contiguous() for photo in photos
        ]

    def cut(self, cuts: Tensor) -> Tensor:
        """Return crops, uint8 (batch, 3, size, size), reduced as by OpenCV's area interpolation.

        `cuts` is int64 (batch, 6): photo, top, left, side, and whether the crop is mirrored and
        transposed.
        """
        return torch.stack([self._one(*cut) for cut in cuts.tolist()])

    def _one(
        self, photo: int, top: int, left: int, side: int, mirrored: int, transposed: int
    ) -> Tensor:
        crop = self.photos[photo][:, top : top + side, left : left + side]
        if side != self.size:
            weights = _area(side, self.size).to(self.device)
            crop = (weights @ crop.float() @ weights.T).round().to(torch.uint8)
        if mirrored:
            crop = crop.flip(2)
        return crop.transpose(1, 2) if transposed else crop


def shelf_for(
    photos: Sequence[Pixels], size: int, device: torch.device, memory: Memory
) -> Shelf | None:
    """Return the photos on `device`, or None where they are to stay in the host's memory: because
    `memory` says so, because "auto" meets a processor, or because they do not fit.
    """
    if memory == "host" or (memory == "auto" and device.type != "cuda"):
        return None
    need = sum(photo.nbytes for photo in photos)
    if device.type == "cuda":
        room = int(SHARE * torch.cuda.mem_get_info(device)[0])
        if need > room:
            log.warning(
                "%.1f GB of photos stay in the host's memory: %s has room for %.1f GB",
                need / 1e9, device, room / 1e9,
            )  # fmt: skip
            return None
    return Shelf(photos, size, device)


@cache
def _area(inputs: int, outputs: int) -> Tensor:
    """Return the share that each input sample has in each output, float32 (outputs, inputs)."""
    ratio = inputs / outputs
    low = torch.arange(outputs, dtype=torch.float64)[:, None] * ratio
    at = torch.arange(inputs, dtype=torch.float64)[None]
    overlap = torch.minimum(low + ratio, at + 1) - torch.maximum(low, at)
    return (overlap.clamp_min(0) / ratio).float()

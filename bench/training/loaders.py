"""What a training reads: photos, crops of them, and those kept out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch.utils.data import DataLoader

from bench.errors import UsageError
from bench.image import Pixels
from bench.training.photos import (
    Crops,
    CropSettings,
    Order,
    find_photos,
    load_photos,
    to_batch,
)
from bench.training.shelf import Memory, Shelf, shelf_for

if TYPE_CHECKING:
    from bench.codec import Quality

log = logging.getLogger(__name__)


class Loaders:
    """The loaders of one training."""

    def __init__(
        self, values: dict[str, Any], photos: list[Pixels], kept: list[Pixels], processes: int
    ) -> None:
        part = values["data"]
        self.memory = part["memory"]
        if self.memory not in get_args(Memory):
            raise UsageError(
                f"data.memory: {', '.join(get_args(Memory))} was expected, got {self.memory!r}"
            )
        self.batch, self.valid_size, self.kept = part["batch"], part["valid_size"], kept
        #: Crops of a step, of all processes.
        self.crops_a_step = self.batch * processes
        total = values["trainer"]["max_steps"] * self.crops_a_step
        self.crops = Crops(photos, _crop_settings(values), values["seed"], total)

    def sample(self, count: int) -> torch.Tensor:
        """Return the first crops, float32 (count, 3, size, size)."""
        return torch.stack([self.crops.crop(i) for i in range(count)]).float() / 255

    def shelf(self, device: torch.device) -> Shelf | None:
        """Put the photos where the network will be, where they fit and are wanted there."""
        crops = self.crops
        shelf = shelf_for(crops.photos, crops.settings.size, device, self.memory)
        crops.elsewhere = shelf is not None
        return shelf

    def train(self, trainer: Any, stage: Any) -> Any:
        """Return the endless loader of crops."""
        order = Order(self.batch, trainer.global_rank, trainer.world_size,
                      lambda: stage.done)  # fmt: skip
        return DataLoader(self.crops, batch_size=self.batch, sampler=order)

    def valid(self, points: Sequence[Quality]) -> Any:
        """Return the loader of the one batch that is validated: photos and qualities."""
        batches: Any = [(to_batch(self.kept, self.valid_size), points)]
        return DataLoader(batches, batch_size=None)


def _crop_settings(values: dict[str, Any]) -> CropSettings:
    """Return how crops are cut."""
    part = values["data"]
    return CropSettings(part["crop"], tuple(part["scales"]), part["augment"], part["curriculum"])


def read_photos(values: dict[str, Any]) -> tuple[list[Pixels], list[Pixels]]:
    """Return the photos to train on and those kept out for validation."""
    part = values["data"]
    folders = part["folders"] if isinstance(part["folders"], list) else [part["folders"]]
    photos = load_photos(find_photos(folders), _crop_settings(values).size)
    large = [i for i, photo in enumerate(photos) if min(photo.shape[:2]) >= part["valid_size"]]
    count = part["valid"]
    if count >= len(photos) or count > len(large):
        raise UsageError(
            f"data.valid={count}: of {len(photos)} photos only {len(large)} have the "
            f"{part['valid_size']} pixels of data.valid_size, and some must be left to train on"
        )
    # Spread over the folder: neighbours often show the same.
    chosen = {large[i * len(large) // count] for i in range(count)}
    kept = [photos[i] for i in sorted(chosen)]
    log.info("%d photos to train on, %d kept for validation", len(photos) - len(kept), len(kept))
    return [photo for i, photo in enumerate(photos) if i not in chosen], kept

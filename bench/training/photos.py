"""Training photos in memory, crops cut there: reading is never what training waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from bench.errors import DatasetError
from bench.image import SUFFIXES, Pixels, read_image

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CropSettings:
    """How crops are cut.

    Parameters
    ----------
    size : of a crop in pixels, a multiple of 16.
    scales : a crop is cut this many times larger and averaged down; each as likely as the others.
    augment : flips and transposition.
    curriculum : share of the training in which crops grow harder: from small and smooth ones of
        photos scaled down to whole ones as they come.
    """

    size: int = 192
    scales: tuple[float, ...] = (1.0, 4 / 3, 2.0)
    augment: bool = True
    curriculum: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 32 or self.size % 16:
            raise DatasetError(f"data.crop: a multiple of 16 from 32 was expected: {self.size}")
        if not self.scales or min(self.scales) < 1:
            raise DatasetError(f"data.scales: numbers from 1 were expected: {self.scales}")
        if not 0 <= self.curriculum <= 1:
            raise DatasetError(f"data.curriculum: a share, 0 … 1, was expected: {self.curriculum}")


def find_photos(folders: Sequence[str | Path]) -> list[Path]:
    """Return the images of folders, below them too, sorted. Raises DatasetError where none are."""
    files: list[Path] = []
    for folder in folders:
        found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
        if not found:
            raise DatasetError(f"{folder} holds no images: PNG, JPEG, WebP, AVIF, … were expected")
        files += found
    return files


def load_photos(files: Sequence[Path], smallest: int) -> list[Pixels]:
    """Return the pixels of every file whose sides are `smallest` at least.

    Raises DatasetError where there is none of that size, ImageError for a file that is no image.
    """
    with ThreadPoolExecutor() as pool:
        pixels = list(pool.map(lambda file: read_image(file).pixels, files))
    photos = [photo for photo in pixels if min(photo.shape[:2]) >= smallest]
    if not photos:
        raise DatasetError(
            f"all {len(files)} images are smaller than the crop of {smallest} pixels: give larger "
            "images, or set data.crop"
        )
    return photos


class Crops(Dataset[dict[str, Any]]):
    """Crops by number: sample `i` is the same in every process and after every restart.

    Parameters
    ----------
    photos : uint8 arrays (height, width, 3).
    settings : how crops are cut.
    seed : of everything that is drawn.
    total : samples of the whole training, for the curriculum.
    """

    def __init__(
        self, photos: Sequence[Pixels], settings: CropSettings, seed: int, total: int
    ) -> None:
        self.photos, self.settings, self.seed, self.total = photos, settings, seed, max(1, total)
        self._augment: Any = None

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return `x` uint8 (3, size, size), `quality` 0 … 100, `seed` of the sample's noise."""
        rng = np.random.default_rng((self.seed, index))
        crop = self._cut(rng, self._ease(index))
        if self.settings.augment:
            crop = self._augmented(crop, int(rng.integers(1 << 31)))
        return {
            "x": torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))),
            "quality": np.float32(100 * rng.random()),
            "seed": int(rng.integers(1 << 62)),
        }

    def _ease(self, index: int) -> float:
        """Return how easy sample `index` should be: 1 at the start, 0 after the curriculum."""
        span = self.settings.curriculum * self.total
        return max(0.0, 1 - index / span) if span else 0.0

    def _cut(self, rng: np.random.Generator, ease: float) -> Pixels:
        if rng.random() >= ease:
            return self._one(rng, float(rng.choice(self.settings.scales)))
        # The smoothest of some crops, photos scaled down as far as it goes.
        choices = [self._one(rng, max(self.settings.scales)) for _ in range(3)]
        return min(choices, key=lambda crop: float(np.abs(np.diff(crop, axis=0)).mean()))

    def _one(self, rng: np.random.Generator, scale: float) -> Pixels:
        import cv2

        photo, size = self.photos[int(rng.integers(len(self.photos)))], self.settings.size
        height, width = photo.shape[:2]
        side = min(round(size * scale), height, width)
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        cut: Pixels = photo[top : top + side, left : left + side]
        if side == size:
            return cut
        return np.asarray(cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA), np.uint8)

    def _augmented(self, crop: Pixels, seed: int) -> Pixels:
        if self._augment is None:
            import albumentations as A

            self._augment = A.Compose([A.HorizontalFlip(p=0.5), A.Transpose(p=0.3)])
        self._augment.set_random_seed(seed)
        return np.asarray(self._augment(image=crop)["image"], np.uint8)


class Order(Sampler[int]):
    """Numbers of samples for one of several processes, from where training stands, without end.

    Step s takes the samples s · world · batch … : what one process with the whole batch would
    take, dealt out among them.

    Parameters
    ----------
    batch, rank, world : samples per process and step, which process, of how many.
    first_step : the step that training stands at; asked when the iteration begins.
    """

    def __init__(self, batch: int, rank: int, world: int, first_step: Any) -> None:
        self.batch, self.rank, self.world, self.first_step = batch, rank, world, first_step

    def __iter__(self) -> Iterator[int]:
        step = int(self.first_step())
        while True:
            first = (step * self.world + self.rank) * self.batch
            yield from range(first, first + self.batch)
            step += 1


def to_batch(photos: Sequence[Pixels], size: int) -> Tensor:
    """Return the middle of every photo, float32 (n, 3, size, size) in 0 … 1."""
    rows = []
    for photo in photos:
        top, left = (photo.shape[0] - size) // 2, (photo.shape[1] - size) // 2
        rows.append(photo[top : top + size, left : left + size])
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float() / 255

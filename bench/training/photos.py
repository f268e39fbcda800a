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


#: How likely a crop is mirrored, and transposed.
MIRRORED, TRANSPOSED = 0.5, 0.3
#: The golden ratio: its multiples fall evenly into 0 … 1, any few in a row, too. So no batch is of
#: high qualities alone.
GOLDEN = (5**0.5 - 1) / 2


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


@dataclass(frozen=True)
class Cut:
    """What is drawn for a sample.

    Parameters
    ----------
    photo, top, left, side : where a square is cut.
    turn : seed of its augmentation, None without.
    quality : 0 … 100.
    seed : of the sample's noise.
    """

    photo: int
    top: int
    left: int
    side: int
    turn: int | None
    quality: float
    seed: int


class Crops(Dataset[dict[str, Any]]):
    """Crops by number: sample `i` is the same in every process and after every restart.

    Parameters
    ----------
    photos : uint8 arrays (height, width, 3).
    settings : how crops are cut.
    seed : of everything that is drawn.
    total : samples of the whole training, for the curriculum.
    """

    #: Whether samples say where to cut, for :class:`bench.training.shelf.Shelf`, and hold no
    #: pixels.
    elsewhere = False

    def __init__(
        self, photos: Sequence[Pixels], settings: CropSettings, seed: int, total: int
    ) -> None:
        self.photos, self.settings, self.seed, self.total = photos, settings, seed, max(1, total)
        self._augment: Any = None
        #: Where qualities begin, 0 … 1.
        self._first = np.random.default_rng(seed).random()

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return `x` uint8 (3, size, size), or `cut` int64 (6,) for a shelf; `quality` 0 … 100
        and `seed` of the sample's noise.
        """
        cut = self.draw(index)
        what = {"cut": self._order(cut)} if self.elsewhere else {"x": self._tensor(cut)}
        return {**what, "quality": np.float32(cut.quality), "seed": cut.seed}

    def crop(self, index: int) -> Tensor:
        """Return the pixels of a sample, uint8 (3, size, size), cut in the host's memory."""
        return self._tensor(self.draw(index))

    def draw(self, index: int) -> Cut:
        """Return what is drawn for sample `index`."""
        rng = np.random.default_rng((self.seed, index))
        place = self._place(rng, self._ease(index))
        turn = int(rng.integers(1 << 31)) if self.settings.augment else None
        quality = 100 * ((self._first + index * GOLDEN) % 1)
        return Cut(*place, turn, quality, int(rng.integers(1 << 62)))

    def _ease(self, index: int) -> float:
        """Return how easy sample `index` should be: 1 at the start, 0 after the curriculum."""
        span = self.settings.curriculum * self.total
        return max(0.0, 1 - index / span) if span else 0.0

    def _place(self, rng: np.random.Generator, ease: float) -> tuple[int, int, int, int]:
        if rng.random() >= ease:
            return self._one(rng, float(rng.choice(self.settings.scales)))
        # The smoothest of some crops, photos scaled down as far as it goes.
        choices = [self._one(rng, max(self.settings.scales)) for _ in range(3)]
        return min(choices, key=lambda at: float(np.abs(np.diff(self._pixels(*at), axis=0)).mean()))

    def _one(self, rng: np.random.Generator, scale: float) -> tuple[int, int, int, int]:
        photo = int(rng.integers(len(self.photos)))
        height, width = self.photos[photo].shape[:2]
        side = min(round(self.settings.size * scale), height, width)
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        return photo, top, left, side

    def _pixels(self, photo: int, top: int, left: int, side: int) -> Pixels:
        import cv2

        size = self.settings.size
        cut: Pixels = self.photos[photo][top : top + side, left : left + side]
        if side == size:
            return cut
        return np.asarray(cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA), np.uint8)

    def _tensor(self, cut: Cut) -> Tensor:
        pixels = self._pixels(cut.photo, cut.top, cut.left, cut.side)
        if cut.turn is not None:
            pixels = self._augmented(pixels, cut.turn)
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def _augmented(self, crop: Pixels, seed: int) -> Pixels:
        if self._augment is None:
            import albumentations as A

            self._augment = A.Compose([A.HorizontalFlip(p=MIRRORED), A.Transpose(p=TRANSPOSED)])
        self._augment.set_random_seed(seed)
        return np.asarray(self._augment(image=crop)["image"], np.uint8)

    @staticmethod
    def _order(cut: Cut) -> Tensor:
        mirrored = transposed = False
        if cut.turn is not None:
            mirrored, transposed = np.random.default_rng(cut.turn).random(2) < (
                MIRRORED,
                TRANSPOSED,
            )
        return torch.tensor(
            [cut.photo, cut.top, cut.left, cut.side, int(mirrored), int(transposed)]
        )


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

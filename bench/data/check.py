"""Whether the files of a data set are what its card says, and images that can be measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench.data.cards import DatasetCard
from bench.data.dataset import Dataset
from bench.data.download import file_digest
from bench.data.load import load_dataset, resolve
from bench.errors import ImageError
from bench.image import read_image


@dataclass(frozen=True)
class Problem:
    """What is wrong with one image."""

    image: str
    what: str


@dataclass(frozen=True)
class Check:
    """What a check found.

    Parameters
    ----------
    digests : how many files were compared with a digest of the card.
    sizes : how many images there are of each "width×height", the most frequent first.
    same : groups of images with the same pixels; no fault, but they count twice in every mean.
    """

    dataset: Dataset
    digests: int
    sizes: dict[str, int]
    megapixels: float
    problems: tuple[Problem, ...]
    same: tuple[tuple[str, ...], ...]


def check_dataset(spec: str | Path | DatasetCard, *, data_root: str | Path | None = None) -> Check:
    """Read every image of a data set, and compare it with its card.

    Raises
    ------
    BenchError : there is no such data set, or files are missing, as :func:`load_dataset` does.
    """
    from tqdm import tqdm

    found = resolve(spec)
    dataset = load_dataset(spec, data_root=data_root)
    digests = found.digests if isinstance(found, DatasetCard) else {}
    problems: list[Problem] = []
    sizes: Counter[str] = Counter()
    by_pixels: dict[str, list[str]] = {}
    pixels = 0
    for file in tqdm(dataset.images, desc=dataset.name, unit="image", disable=None):
        expected = digests.get(file.name)
        if expected and file_digest(file.path) != expected:
            problems.append(Problem(file.name, "not the published file: another SHA-256"))
        try:
            image = read_image(file.path)
        except ImageError as error:
            problems.append(Problem(file.name, str(error).removeprefix(f"{file.path}: ")))
            continue
        sizes[f"{image.width}×{image.height}"] += 1
        pixels += image.width * image.height
        by_pixels.setdefault(image.digest, []).append(file.name)
    return Check(
        dataset,
        digests=sum(file.name in digests for file in dataset.images),
        sizes=dict(sizes.most_common()),
        megapixels=pixels / 1e6,
        problems=tuple(problems),
        same=tuple(tuple(names) for names in by_pixels.values() if len(names) > 1),
    )

"""The plan of a run: which cells there are, and under which key each is known to the cache."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bench.cards import CodecCard, digest
from bench.codec import Quality
from bench.data.dataset import Dataset
from bench.errors import UsageError

Qualities = Sequence[Quality] | Mapping[str, Sequence[Quality]]


@dataclass(frozen=True)
class PlannedCodec:
    """A codec with the settings to measure it at, and everything that can change its bytes."""

    card: CodecCard
    codec_id: str
    identity: dict[str, Any]
    qualities: tuple[Quality, ...]


@dataclass(frozen=True)
class PlannedImage:
    """An image with the digest of its pixels and its size in pixels.

    An image that can't be read has an `error` instead: its cells fail with that reason.
    """

    name: str
    path: str
    sha256: str = ""
    width: int = 0
    height: int = 0
    error: str = ""


@dataclass(frozen=True)
class Cell:
    """One measurement: a codec at a setting on an image. `index` counts within the plan."""

    index: int
    codec: int
    quality: Quality
    image: int
    key: str


@dataclass(frozen=True)
class Timing:
    """How the timing mode measures: each cell `repeats` times after `warmup` unmeasured rounds."""

    repeats: int
    warmup: int = 1


@dataclass(frozen=True)
class Plan:
    """What a run measures. Two runs with the same :attr:`digest` give the same rows."""

    dataset: Dataset
    codecs: tuple[PlannedCodec, ...]
    images: tuple[PlannedImage, ...]
    #: Metric name to identity: what the cache knows its values by.
    metrics: dict[str, str]
    device: str = "cpu"
    threads: int = 1
    timing: Timing | None = None
    #: Codecs that a group or glob named but that can't run here, with the reason.
    left_out: tuple[tuple[str, str], ...] = field(default=())

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, image by image: the reference is loaded and prepared once for a group."""
        return tuple(self._lay_out())

    def _lay_out(self) -> Iterator[Cell]:
        index = 0
        for i, image in enumerate(self.images):
            for c, codec in enumerate(self.codecs):
                for quality in codec.qualities:
                    key = cell_key(codec.codec_id, quality, image.sha256)
                    yield Cell(index, c, quality, i, key)
                    index += 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides the rows, and over nothing else."""
        timing = (self.timing.repeats, self.timing.warmup) if self.timing else None
        return digest(
            {
                "codecs": [(c.card.name, c.codec_id, c.qualities) for c in self.codecs],
                "images": [(i.name, i.sha256) for i in self.images],
                "dataset": self.dataset.name,
                "metrics": self.metrics,
                "timing": timing and [*timing, self.threads],
            }
        )


def cell_key(codec_id: str, quality: Quality, image_sha256: str) -> str:
    """Return the cache's key of a cell."""
    return digest([codec_id, quality, image_sha256])


def choose_qualities(
    cards: Iterable[CodecCard], wanted: Qualities | None
) -> list[tuple[Quality, ...]]:
    """Return the settings of each card, from lowest to highest quality.

    Parameters
    ----------
    wanted : a list for every codec, or lists by codec name or glob; the ladders if None.

    Raises
    ------
    UsageError : a setting that the codec can't take, or a pattern that names no codec.
    """
    cards = list(cards)
    if isinstance(wanted, Mapping):
        for pattern in wanted:
            if not any(fnmatch.fnmatchcase(card.name, pattern) for card in cards):
                raise UsageError(f"--quality {pattern}=…: no codec of this run is called that")
    return [_settings(card, wanted) for card in cards]


def _settings(card: CodecCard, wanted: Qualities | None) -> tuple[Quality, ...]:
    chosen: Sequence[Quality] | None = None
    if isinstance(wanted, Mapping):
        for pattern, values in wanted.items():
            if fnmatch.fnmatchcase(card.name, pattern):
                chosen = values
    else:
        chosen = wanted
    if chosen is None:
        chosen = card.quality.ladder
    if not chosen:
        raise UsageError(f"{card.name}: an empty list of settings")
    checked = {card.quality.check(value, card.name) for value in chosen}
    return tuple(sorted(checked, reverse=card.quality.better == "lower"))

"""From what the user asks for to a plan: names become cards, images get their digests."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.adapters.make import identity
from bench.cards import CodecCard, digest
from bench.codec import Codec
from bench.data.dataset import Dataset, ImageFile
from bench.data.load import load_dataset
from bench.engine.plan import (
    Plan,
    PlannedCodec,
    PlannedImage,
    Qualities,
    Timing,
    choose_qualities,
)
from bench.engine.store import ImageFacts, Store
from bench.errors import ImageError, UsageError
from bench.image import read_image
from bench.metrics.select import metric_identity, select_metrics
from bench.selection import Selection, select_codecs

if TYPE_CHECKING:
    from bench.data.cards import DatasetCard

CodecSpec = str | Sequence[str | Path | CodecCard | type[Codec]] | Selection


@dataclass(frozen=True)
class Request:
    """What the user asks for; see :func:`bench.run` for the meaning of each field."""

    codecs: CodecSpec
    dataset: str | Path | DatasetCard
    quality: Qualities | None = None
    metrics: str | Sequence[str] | None = None
    images: int | str | None = None
    data_root: Path | None = None
    download: bool = False
    device: str = "cpu"
    threads: int = 1
    timing: Timing | None = None


def make_plan(request: Request, store: Store, jobs: int) -> Plan:
    """Return the plan for `request`.

    Everything that can be wrong with a request is found here, before any work starts.

    Raises
    ------
    BenchError : an unknown name, a setting out of range, a codec or data set that is not there.
    """
    if request.threads != 1 and request.timing is None:
        raise UsageError("more threads are for the timing mode: measured bytes may depend on them")
    selection = (
        request.codecs
        if isinstance(request.codecs, Selection)
        else select_codecs(request.codecs, download=request.download)
    )
    if not selection.cards:
        reasons = (f"\n  {card.name}: {missing}" for card, missing in selection.left_out)
        raise UsageError(f"no codec of this list can run here:{''.join(reasons)}")
    qualities = choose_qualities(selection.cards, request.quality)
    names = select_metrics(request.metrics)
    dataset = load_dataset(
        request.dataset,
        data_root=request.data_root,
        download=request.download,
        images=request.images,
    )
    return Plan(
        dataset=dataset,
        codecs=tuple(
            _planned_codec(card, chosen, request)
            for card, chosen in zip(selection.cards, qualities, strict=True)
        ),
        images=_read_images(dataset, store, jobs),
        metrics={name: metric_identity(name) for name in names},
        device=request.device,
        threads=request.threads,
        timing=request.timing,
        left_out=tuple((card.name, str(missing)) for card, missing in selection.left_out),
    )


def _planned_codec(
    card: CodecCard, qualities: tuple[int | float, ...], request: Request
) -> PlannedCodec:
    known = identity(card, request.device)
    return PlannedCodec(card, digest(known)[:16], known, qualities)


def _read_images(dataset: Dataset, store: Store, jobs: int) -> tuple[PlannedImage, ...]:
    """Return every image with its digest; a file that has not changed is not read again."""
    known = store.image_facts([image.path for image in dataset.images])
    unknown = [i for i, facts in enumerate(known) if facts is None]
    planned = {
        i: PlannedImage(image.name, str(image.path), facts.sha256, facts.width, facts.height)
        for i, (image, facts) in enumerate(zip(dataset.images, known, strict=True))
        if facts is not None
    }
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for i, image in zip(
            unknown, pool.map(_read_one, [dataset.images[i] for i in unknown]), strict=True
        ):
            planned[i] = image
            if not image.error:
                facts = ImageFacts(image.sha256, image.width, image.height)
                store.remember_image(Path(image.path), facts)
    return tuple(planned[i] for i in range(len(dataset.images)))


def _read_one(file: ImageFile) -> PlannedImage:
    try:
        image = read_image(file.path)
    except ImageError as error:
        return PlannedImage(file.name, str(file.path), error=" ".join(str(error).split()))
    return PlannedImage(file.name, str(file.path), image.digest, image.width, image.height)

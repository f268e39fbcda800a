"""Ablations, ``bench.ablate("hybrid")``: measure a codec and its variants, say what differs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.api import Run, run
from bench.family import select_family
from bench.files import whole, write_whole
from bench.report.fingerprint import ABLATION
from bench.selection import Item

if TYPE_CHECKING:
    from bench.analysis.ablation import Ablation
    from bench.data.cards import DatasetCard

#: What variants are compared on unless told otherwise.
METRICS = ("psnr", "ms-ssim", "lpips")
CSV = "ablation.csv"


@dataclass(frozen=True)
class AblationRun:
    """A finished run of a codec and its variants, and what it shows.

    The run's folder also holds the table as ablation.csv and ablation.json.
    """

    run: Run
    ablation: Ablation


def ablate(
    base: Item,
    dataset: str | Path | DatasetCard = "kodak",
    *,
    variants: Item | Sequence[Item] | None = None,
    metrics: str | Sequence[str] = METRICS,
    report: Sequence[str] = (),
    published: str | Sequence[str] | None = None,
    quiet: bool = True,
    **options: Any,
) -> AblationRun:
    """Measure a codec and its variants, and compare each variant with its base.

    Parameters
    ----------
    base : the name or the card of a codec.
    variants : where to look for variants; the catalogue if left out.
    metrics : names of metrics to compare on.
    report : reports to write into the run's folder: "html", "pdf".
    published : published curves in them, as in :func:`bench.run`.
    options : every other argument of :func:`bench.run`.

    Raises
    ------
    BenchError : what is wrong with the request, before any work starts; among it a base without
        variants, and a variant that is the very codec its base is.
    """
    from bench.analysis.ablation import Variant, ablation
    from bench.analysis.results import read_results

    device, download = str(options.get("device", "cpu")), bool(options.get("download", False))
    family = select_family(base, variants, device=device, download=download)
    finished = run(family, dataset, metrics=metrics, published=published, quiet=quiet, **options)
    found = ablation(
        read_results(finished.folder),
        left_out={
            Variant(card.name, str(card.base), str(card.change), str(card.differs)): str(lack)
            for card, lack in family.left_out
        },
    )
    _write(found, finished.folder)
    if report:
        from bench.report.build import write_report

        cards = {card.name: card for card in family.cards}
        write_report([finished.folder], report, published=published, cards=cards, reuse=True)
    return AblationRun(finished, found)


def _write(found: Ablation, folder: Path) -> None:
    from bench.report.ablation_text import ablation_json

    with whole(folder / CSV) as part:
        found.table().to_csv(
            part, index=False, float_format="%.6g", lineterminator="\n", encoding="utf-8"
        )
    document = json.dumps(ablation_json(found), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(folder / ABLATION, document + "\n")

"""The figures of a run as files for papers: vector and pixels, in the one style."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.analysis.curves import CellIndex
from bench.analysis.results import Results
from bench.analysis.tables import known_metrics
from bench.analysis.tradeoff import points_of
from bench.metrics.metric import column
from bench.report.export_json import plain_name
from bench.report.figures import plot_curves, save
from bench.report.front_figure import draw_front
from bench.report.palette import looks
from bench.report.references import beside

KINDS = ("svg", "pdf", "png")


def write_figures(results: Results, folder: Path) -> Iterator[Path]:
    """Write curves and Pareto front over each metric, `curves-METRIC` and `front-METRIC`, in the
    folder of the data set where there are several; yield the paths.

    What a codec looks like is the same in all of them, and in the run's report. Over Kodak the
    usual published curves are dashed beside the run's.
    """
    found = looks(results.codecs)
    cards = results.info.get("codecs", {})
    titles = {name: str(card["title"]) for name, card in cards.items() if card.get("title")}
    for dataset in results.datasets:
        some = results.only(dataset)
        place = folder if len(results.datasets) == 1 else folder / plain_name(dataset)
        place.mkdir(parents=True, exist_ok=True)
        cells = CellIndex.of(some)
        for metric in known_metrics(some):
            published = beside(some, metric, None)
            name = column(metric)
            yield from plot_curves(
                some, metric, place / f"curves-{name}", published=published, titles=titles,
                formats=KINDS,
            )  # fmt: skip
            curves = cells.curves(metric)
            axis = next(iter(curves.values())).axis
            front = draw_front(points_of(cells, curves), axis, found)
            yield from save(front, place / f"front-{name}", KINDS)

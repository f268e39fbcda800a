"""Figures that stand still: for the PDF, and for a page whose scripts are off."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report.content import SectionContent
from bench.report.figures import draw_curves, save
from bench.report.front_figure import draw_front
from bench.report.palette import Look
from bench.report.spread_figure import draw_spread


@dataclass(frozen=True)
class StaticFigure:
    """A figure as SVG, with the metric it shows and what a caption says."""

    metric: str
    svg: str
    alt: str

    @property
    def uri(self) -> str:
        """The figure as a data URI."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode("ascii")


def draw_more(content: SectionContent, looks: Mapping[str, Look]) -> dict[str, str]:
    """Return the figures that the PDF has of a data set's first metric alone, as SVG: the Pareto
    front and how BD-rates differ between images; what has nothing to show is left out.
    """
    if not content.metrics:
        return {}
    metric = content.metrics[content.first_metric]
    figures = {
        "front": draw_front(metric.front, metric.axis, looks),
        "spread": draw_spread(metric, content.anchor, looks),
    }
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, figure in figures.items():
            for path in save(figure, Path(folder) / name, ["svg"]):
                found[name] = path.read_text("utf-8")
    return found


def draw(
    content: SectionContent, metrics: Sequence[str], looks: Mapping[str, Look]
) -> list[StaticFigure]:
    """Draw the curves of a data set over some metrics; none where nothing has a point.

    Parameters
    ----------
    looks : what each codec and published curve looks like.
    """
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for name in metrics:
            metric = content.metrics[name]
            curves = [band.curve for band in metric.bands]
            curves += [reference.curve for reference in metric.references if reference.drawn]
            figure = draw_curves(curves, content.title, looks=looks)
            written = save(figure, Path(folder) / "curves", ["svg"])
            for path in written:
                codecs = ", ".join(curve.codec for curve in curves)
                alt = f"{metric.axis.title} against bits per pixel on {content.title}: {codecs}"
                figures.append(StaticFigure(name, path.read_text("utf-8"), alt))
    return figures

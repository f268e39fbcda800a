"""Figures that stand still: for the PDF, and for a page whose scripts are off."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report.content import SectionContent
from bench.report.figures import draw_curves, save


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


def draw(content: SectionContent, metrics: Sequence[str]) -> list[StaticFigure]:
    """Draw the curves of a data set over some metrics; none where nothing has a point."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for name in metrics:
            metric = content.metrics[name]
            curves = [band.curve for band in metric.bands]
            written = save(draw_curves(curves, content.title), Path(folder) / "curves", ["svg"])
            for path in written:
                codecs = ", ".join(curve.codec for curve in curves)
                alt = f"{metric.axis.title} against bits per pixel on {content.title}: {codecs}"
                figures.append(StaticFigure(name, path.read_text("utf-8"), alt))
    return figures

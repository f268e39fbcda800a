"""The HTML report: one file that opens from disk, without a network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench import __version__, paths
from bench.analysis.bootstrap import CURVE_DRAWS
from bench.cards import CodecCard
from bench.engine.environment import usable_cores
from bench.report.content import BDRow, SectionContent
from bench.report.crops import Crops, Embedded, cut, embed
from bench.report.palette import Look, css
from bench.report.payload import dump, payload
from bench.report.pictures import Gallery, Planned
from bench.report.prose import Prose
from bench.report.static import StaticFigure
from bench.report.verdict import signed

#: Bytes of the whole file, at most; pictures get what the rest leaves.
LIMIT = 14_500_000
#: The parts of the page's script, in the order in which they are joined.
SCRIPTS = (
    "base",
    "axes",
    "published",
    "curves",
    "ranking",
    "target",
    "speed",
    "front",
    "images",
    "agreement",
    "pictures",
    "page",
)


@dataclass(frozen=True)
class _Page:
    """What is on the page beside the pictures."""

    sections: Sequence[SectionContent]
    prose: Prose
    figures: Sequence[Sequence[StaticFigure]]
    looks: Mapping[str, Look]
    fingerprint: str


def render_html(
    sections: Sequence[SectionContent],
    prose: Prose,
    figures: Sequence[Sequence[StaticFigure]],
    looks: Mapping[str, Look],
    fingerprint: str,
    cards: Mapping[str, CodecCard] | None = None,
    limit: int = LIMIT,
) -> str:
    """Return the page.

    Parameters
    ----------
    figures : of each section, what is shown where scripts are off.
    looks : what each codec and published curve looks like.
    fingerprint : of what the report is made from; kept in the page's head.
    cards : of codecs that no catalogue has, by name, for the pictures.
    limit : bytes that the page may take.
    """
    page = _Page(sections, prose, figures, looks, fingerprint)
    rest = len(_fill(page, [None] * len(sections), []).encode())
    budget = max(0, limit - rest) // max(1, len(sections))
    # A picture's own record (setting, rate, metrics) takes some bytes besides its data.
    shown = [_pictures(section, int(budget * 0.97), cards or {}) for section in sections]
    pictures = [embedded for embedded, _ in shown]
    return _fill(page, pictures, [note for _, notes in shown for note in notes])


def _pictures(
    content: SectionContent, budget: int, cards: Mapping[str, CodecCard]
) -> tuple[Embedded | None, list[str]]:
    """Return the pictures of a section, and why some are missing."""
    gallery = Gallery(content.section, cards, usable_cores())
    pool = ThreadPoolExecutor(gallery.processes)
    try:
        found = pool.map(lambda item: _crops(gallery, item), gallery.plan())
        crops = [crop for crop in found if crop is not None]
    finally:
        # Interrupted, no thread may begin with another image.
        pool.shutdown(wait=False, cancel_futures=True)
        gallery.close()
    embedded = embed(crops, budget) if crops else None
    notes = [
        f"{content.title}: {why} ({count} picture{'s' * (count != 1)})"
        for why, count in gallery.missing.most_common()
    ]
    if embedded is None:
        notes.insert(0, f"{content.title}: no picture can be shown")
    elif len(embedded.images) < len(content.images):
        count = f"{len(embedded.images)} of {len(content.images)} images"
        notes.insert(0, f"{content.title}: {count} have pictures, evenly chosen")
    return embedded, notes


def _crops(gallery: Gallery, item: Planned) -> Crops | None:
    pictures = gallery.decode(*item)
    return None if pictures is None else cut(pictures)


def _fill(page: _Page, pictures: Sequence[Embedded | None], notes: Sequence[str]) -> str:
    import jinja2

    folder = paths.catalogue("reports")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "interval": _interval, "range": _range}
    style = (folder / "style.css").read_text("utf-8") + css(page.looks.values())
    parts = [(folder / "js" / f"{name}.js").read_text("utf-8") for name in SCRIPTS]
    script = "(() => {\n'use strict';\n" + "\n".join(parts) + "})();\n"
    return environment.get_template("report.html.jinja").render(
        sections=page.sections,
        figures=page.figures,
        fingerprint=page.fingerprint,
        version=__version__,
        draws=f"{CURVE_DRAWS:,}",
        style=style,
        script=script,
        policy=_policy(style, script),
        data=dump(payload(page.sections, page.looks, pictures)),
        picture_notes=notes,
        **vars(page.prose),
    )


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy: this style and script, embedded pictures, no more."""

    def source(text: str) -> str:
        digest = hashlib.sha256(text.encode("utf-8")).digest()
        return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"

    return (
        f"default-src 'none'; script-src {source(script)}; style-src {source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _percent(value: float) -> str:
    return "NA" if math.isnan(value) else signed(value)


def _interval(row: BDRow) -> str:
    return "" if math.isnan(row.ci_low) else f"{signed(row.ci_low)} … {signed(row.ci_high)}"


def _range(row: BDRow) -> str:
    return "" if math.isnan(row.range_low) else f"{row.range_low:.4g} … {row.range_high:.4g}"

"""Pictures: which are chosen, what is cut out, and that they fit."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from report.reading import HOSTILE, ROOT, change_rows, data_of, home_at

from bench.report.build import write_report
from bench.report.crops import GRADES, cut, embed
from bench.report.html import render_html
from bench.report.matching import Choice, choose, evenly
from bench.report.pictures import ImagePictures


def ladder(codec: str, rates: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "codec": codec,
            "quality": range(len(rates)),
            "bpp": rates,
            "bitstream_sha256": "x",
            "psnr": 30.0,
            "decode_s": 0.01,
        }
    )


def test_settings_are_matched_where_the_codecs_come_nearest_to_each_other() -> None:
    # Around 0.5 bpp the two have 0.55 and 0.56 in common; 0.45 is nearer to the band's centre for
    # the first alone.
    cells = pd.concat(
        [ladder("a", [0.1, 0.45, 0.55]), ladder("b", [0.3, 0.56, 2.0])], ignore_index=True
    )
    targets, choices = choose(cells)
    medium = {c.codec: c.bpp for c in choices if c.band == "medium"}
    assert medium == {"a": 0.55, "b": 0.56}
    assert 0.55 <= targets["medium"] <= 0.57


def test_codec_without_a_near_setting_has_no_picture_in_the_band() -> None:
    cells = pd.concat([ladder("a", [0.25, 0.5, 1.0]), ladder("b", [3.0])], ignore_index=True)
    _, choices = choose(cells)
    assert {c.codec for c in choices} == {"a"}


@given(st.lists(st.text(min_size=1), unique=True, max_size=60), st.integers(1, 30))
def test_an_even_choice_keeps_order_and_ends(items: list[str], most: int) -> None:
    chosen = evenly(items, most)
    assert len(chosen) == min(len(items), most)
    assert [item for item in items if item in chosen] == chosen
    if most > 1 and items:
        assert (chosen[0], chosen[-1]) == (items[0], items[-1])


@pytest.fixture
def pictures() -> ImagePictures:
    """A photograph and two distortions of it that differ in the lower right corner alone."""
    with Image.open(ROOT / "datasets" / "kodak" / "kodim07.png") as image:
        original = np.array(image)
    noise = np.random.default_rng(0).integers(-9, 10, original.shape)
    first = np.clip(original + noise, 0, 255).astype(np.uint8)
    second = first.copy()
    second[400:, 500:] = 128
    choices = [Choice("medium", name, 1, 0.5, 30, 0.01, "x") for name in ("first", "second")]
    both = ((choices[0], first), (choices[1], second))
    return ImagePictures("photo.png", original, {"medium": 0.5}, both)


def decoded(uri: str) -> Any:
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return np.array(image.convert("RGB"))


def test_crop_is_where_the_errors_differ_most(pictures: ImagePictures) -> None:
    left, top = cut(pictures).corner
    # The window of 320 pixels that holds most of the corner touches the image's lower right end.
    assert left + 320 > 740
    assert top + 320 > 490


def test_small_report_is_lossless(pictures: ImagePictures) -> None:
    embedded = embed([cut(pictures)], 10_000_000)
    assert embedded is not None
    assert embedded.grade == GRADES[0]
    assert embedded.error == (0.0, 0.0)
    image = embedded.images[0]
    left, top, width, height = image.box
    expected = pictures.original[top : top + height, left : left + width]
    assert np.array_equal(decoded(image.original), expected)
    second = pictures.pictures[1][1][top : top + height, left : left + width]
    assert np.array_equal(decoded(image.pictures[1].uri), second)


def test_recompressed_crops_are_as_far_off_as_is_said(pictures: ImagePictures) -> None:
    embedded = embed([cut(pictures)], 120_000)
    assert embedded is not None
    assert embedded.grade.quality > 0
    image = embedded.images[0]
    left, top, width, height = image.box
    window = np.s_[top : top + height, left : left + width]
    truths = [pictures.original[window], *(pixels[window] for _, pixels in pictures.pictures)]
    uris = [image.original, *(picture.uri for picture in image.pictures)]
    errors = [
        np.abs(decoded(uri).astype(float) - truth).mean()
        for uri, truth in zip(uris, truths, strict=True)
    ]
    assert embedded.error == pytest.approx((np.mean(errors), np.max(errors)))


@pytest.mark.parametrize("budget", [0, 1_000, 30_000, 90_000, 400_000])
def test_pictures_never_take_more_than_the_budget(pictures: ImagePictures, budget: int) -> None:
    embedded = embed([cut(pictures)] * 2, budget)
    if embedded is None:
        assert budget <= 30_000
        return
    uris = [
        uri
        for image in embedded.images
        for uri in (image.preview, image.original, *(p.uri for p in image.pictures))
    ]
    assert sum(map(len, uris)) <= budget


def test_page_keeps_to_its_limit(measured: Path, home: Path) -> None:
    from bench.report.content import describe
    from bench.report.merge import merge
    from bench.report.palette import looks
    from bench.report.prose import write_prose
    from bench.report.sources import read_runs

    runs = read_runs([measured])
    sections = describe(merge(runs))
    found = looks(sections[0].codecs)
    with home_at(home):
        page = render_html(sections, write_prose(runs, sections), [[]], found, "x", limit=700_000)
    assert 400_000 < len(page.encode()) <= 700_000


def test_picture_that_decodes_to_other_pixels_is_not_shown(
    copied: Path, home: Path, tmp_path: Path
) -> None:
    change_rows(
        copied,
        lambda frame: frame.assign(psnr=frame["psnr"].mask(frame["codec"] == "webp", "12.5")),
    )
    with home_at(home):
        write_report([copied], ["html"], out=tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    pictures = data_of(page)["sections"][0]["pictures"]
    assert not any(p["codec"] == "webp" for i in pictures["images"] for p in i["pictures"])
    assert "webp: decodes to other pixels here than in the run" in page


def test_image_that_has_changed_since_the_run_has_no_pictures(
    copied: Path, home: Path, photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in photos.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    with Image.open(folder / HOSTILE) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / HOSTILE)
    info = json.loads((copied / "run.json").read_text("utf-8"))
    info["dataset"]["folder"] = str(folder)
    (copied / "run.json").write_text(json.dumps(info), "utf-8")
    with home_at(home):
        write_report([copied], ["html"], out=tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    images = data_of(page)["sections"][0]["pictures"]["images"]
    assert [image["image"] for image in images] == ["b.png", "c.png"]
    assert "the original image is not here, or has changed since the run" in page

"""Pictures are decoded in a process of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from report.conftest import Runner
from report.reading import data_of, home_at, make

#: JPEG, but for what it does when a report decodes it.
CODEC = """
import io, os, time
import numpy as np
from PIL import Image
import bench
from bench.image import Image as Picture

@bench.declare_codec("{name}", ladder=[10, 30, 50, 80])
class Mine(bench.Codec):
    def encode(self, image, quality):
        stream = io.BytesIO()
        Image.fromarray(image.pixels).save(stream, "JPEG", quality=int(quality))
        return stream.getvalue()

    def decode(self, bitstream):
        {deed}
        return Picture(np.asarray(Image.open(io.BytesIO(bitstream))))
"""
DEEDS = {
    "exits": ("os._exit(3)", "exit code 3"),
    "aborts": ("os.abort()", "SIGABRT"),
    "hangs": ("time.sleep(60)", "took longer than"),
    "raises": ("raise RuntimeError('out of luck')", "RuntimeError: out of luck"),
}


@pytest.mark.parametrize(
    "deed", ["exits", "aborts", "raises", pytest.param("hangs", marks=pytest.mark.slow)]
)
def test_a_decoder_that_crashes_or_hangs_costs_its_pictures_and_nothing_else(
    deed: str, measure: Runner, photos: Path, home: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    code, reason = DEEDS[deed]
    file = tmp_path / "mine.py"
    guarded = f"if os.environ.get('IN_A_REPORT'): {code}"
    file.write_text(CODEC.replace("{name}", deed).replace("{deed}", guarded), "utf-8")
    run = measure(f"{file},jpeg", photos, metrics="psnr", quality=[10, 30, 50, 80])
    monkeypatch.setenv("IN_A_REPORT", "1")
    if deed == "hangs":
        monkeypatch.setattr("bench.report.decoder.START_LIMIT", 20.0)
        monkeypatch.setattr("bench.report.decoder._MOST_DEATHS", 1)
        monkeypatch.setattr("bench.report.pictures._MOST_TIME", 5.0)
    with home_at(home):
        page = make([run], tmp_path / "out")
    assert f"{deed}: picture could not be decoded: " in page
    assert reason in page
    images = data_of(page)["sections"][0]["pictures"]["images"]
    assert {p["codec"] for image in images for p in image["pictures"]} == {"jpeg"}


def test_as_many_pictures_are_decoded_at_once_as_there_are_cores(
    measure: Runner, photos: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each process waits for another one that decodes: one alone would wait in vain.
    here = tmp_path / "here"
    here.mkdir()
    meet = """here = os.environ.get('MEET')
        open(f"{here}/{os.getpid()}", "w").close() if here else None
        end = time.monotonic() + 30
        while here and len(os.listdir(here)) < 2:
            if time.monotonic() > end:
                raise RuntimeError("nobody came")
            time.sleep(0.01)"""
    file = tmp_path / "mine.py"
    file.write_text(CODEC.replace("{name}", "sociable").replace("{deed}", meet), "utf-8")
    run = measure(f"{file},jpeg", photos, metrics="psnr", quality=[10, 30, 50, 80])
    monkeypatch.setenv("MEET", str(here))
    monkeypatch.setattr("bench.report.html.usable_cores", lambda: 2)
    with home_at(home):
        page = make([run], tmp_path / "out")
    assert "nobody came" not in page
    images = data_of(page)["sections"][0]["pictures"]["images"]
    assert {p["codec"] for image in images for p in image["pictures"]} == {"jpeg", "sociable"}
    assert len(list(here.iterdir())) == 2

"""SSIMULACRA 2, where the official program is on the PATH."""

from __future__ import annotations

import shutil
import stat

import pytest

from bench.errors import CodecError, NotApplicableError, UnavailableError
from bench.metrics.measure import Measurer
from bench.metrics.ssimulacra2 import Ssimulacra2


@pytest.mark.skipif(
    shutil.which("ssimulacra2") is None, reason="needs libjxl's program ssimulacra2 on the PATH"
)
class TestOfficialProgram:
    @pytest.mark.parametrize(
        ("quality", "score"),
        # Official values of kodim21 as JPEG by Pillow. Builds for other instruction sets differ by
        # hundredths; ports, by points.
        [(10, -14.618), (30, 47.003), (60, 66.100), (90, 84.439)],
    )
    def test_the_score_is_the_official_one(self, photo, jpeg, quality, score):
        original = photo(21)
        decoded = jpeg(original, quality)
        assert Ssimulacra2().measure(original, decoded, None) == pytest.approx(score, abs=0.05)

    def test_identical_images_score_100(self, photo):
        image = photo(21, 64, 80)
        assert Ssimulacra2().measure(image, image, None) == 100

    def test_the_smallest_image_it_takes_is_that_of_its_needs(self, flat):
        assert Ssimulacra2().measure(flat(9, 8, 8), flat(9, 8, 8), None) == 100

    def test_it_is_identified_by_the_program(self):
        assert len(Ssimulacra2().identity()["program"]) == 16


def test_a_smaller_image_is_not_applicable(flat):
    with pytest.raises(NotApplicableError, match="8 pixels or more, the image has 7"):
        Ssimulacra2().prepare(flat(0, 7, 90))


def test_without_the_program_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="ssimulacra2 is not on the PATH; get it with: "):
        Ssimulacra2().check_available()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo rubbish", "printed no score: rubbish"),
        ("echo nan", "printed no score: nan"),
        ("echo broken >&2; exit 3", r"exit status 3\): broken"),
        ("kill -9 $$", "signal 9"),
    ],
)
def test_a_program_that_fails_is_a_reason(script, message, monkeypatch, tmp_path, flat):
    program = tmp_path / "ssimulacra2"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CodecError, match=message):
        Ssimulacra2().measure(flat(1), flat(2), None)
    measurer = Measurer(["ssimulacra2"])
    measurer.reference(flat(1))
    assert measurer.measure(flat(2))["ssimulacra2"].reason.startswith("CodecError: ssimulacra2")

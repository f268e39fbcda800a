"""`check_codec` finds each way to break the contract, and finds nothing where it is kept."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from bench import registry
from bench.adapters.make import missing
from bench.cards import CodecCard
from bench.codec_check import check_codec
from bench.errors import ImageError, UsageError
from bench.image import Image
from bench.trial import Decode, Encode, run_calls

BROKEN = Path(__file__).with_name("broken.py")
READY = ["avif", "heif", "heif-444", "jpeg", "jpeg-444", "jpeg2000", "jpegli", "jxl", "mozjpeg"]
READY += ["webp", "bpg", "bpg-420", pytest.param("vvc", marks=pytest.mark.slow)]
#: Faults of libbpg 0.9.8 itself: bpgenc crashes on 16 columns or fewer, bpgdec conceals a cut.
KNOWN = {name: ["odd sizes", "empty, foreign and cut"] for name in ("bpg", "bpg-420")}


@pytest.fixture(scope="module")
def sample(tmp_path_factory, kodak):
    """A small image as a file."""
    path = tmp_path_factory.mktemp("sample") / "sample.png"
    with PIL.Image.open(kodak / "kodim23.png") as picture:
        picture.crop((300, 100, 348, 132)).save(path)
    return path


@pytest.fixture(scope="module")
def image(sample):
    with PIL.Image.open(sample) as picture:
        return Image.from_pil(picture)


def card(name: str) -> CodecCard:
    return next(card for card in registry.read_file(BROKEN) if card.name == name)


@pytest.mark.parametrize("name", READY)
def test_the_catalogues_codecs_keep_the_contract(name):
    made = registry.codecs().get(name)
    if lack := missing(made):
        pytest.skip(str(lack))
    findings = list(check_codec(made))
    assert len(findings) == 9
    broken = [finding for finding in findings if not finding.kept]
    for known in KNOWN.get(name, []):
        broken = [finding for finding in broken if not finding.promise.startswith(known)]
    assert broken == []


@pytest.mark.parametrize("name", ["good", "prints"])
def test_a_codec_that_keeps_the_contract_passes(name, sample):
    findings = list(check_codec(card(name), sample))
    assert [finding for finding in findings if not finding.kept] == []
    assert len(findings) == 9


@pytest.mark.parametrize(
    ("name", "promise", "detail"),
    [
        ("returns-text", "encode returns bytes", "at 2: got a str"),
        ("returns-nothing", "encode returns bytes", "at 2: got no bytes at all"),
        ("raises", "encode returns bytes", "at 2: ZeroDivisionError: no such luck"),
        ("does-not-open", "encode returns bytes", "RuntimeError: no weights here"),
        ("stamps-the-time", "the same image gives the same bytes", "other bytes a second time"),
        ("draws-on-it", "encode leaves the image as it is", "work on a copy"),
        ("remembers", "a fresh process decodes", "at 2: BitstreamError: never seen"),
        ("turns", "a fresh process decodes", "at 2: got 32x48"),
        ("returns-an-array", "a fresh process decodes", "got a ndarray, a bench.Image"),
        ("knows-threads", "with two threads", "other pixels at 2"),
        ("upside-down", "rate and PSNR rise from 6 to 2", "from 6 to 2 the rate falls"),
        ("even-only", "odd sizes come back", "encoding 1x1: ValueError: an even width"),
        ("believes-everything", "empty, foreign and cut", "no bytes: decoded without an error"),
        ("own-errors", "empty, foreign and cut", "no bytes: KeyError: 'magic'"),
        ("crashes", "empty, foreign and cut", "no bytes: the process died (signal 11)"),
        ("hangs", "empty, foreign and cut", "no bytes: no answer within 2 s"),
    ],
)
def test_a_broken_promise_is_found_and_named(name, promise, detail, sample):
    limit = 2 if name == "hangs" else 60
    broken = [finding for finding in check_codec(card(name), sample, limit) if not finding.kept]
    assert broken[0].promise.startswith(promise)
    assert detail in broken[0].detail
    if name == "hangs":
        assert broken[1].promise == "no call takes longer than 2 s"
    else:
        # What breaks at every size breaks at the odd ones too.
        assert {finding.promise[:9] for finding in broken[1:]} <= {"odd sizes"}


def test_after_a_crash_the_other_calls_are_still_made(image):
    codec = card("crashes")
    [answer] = run_calls(codec, [Encode(image, 6)], limit=60)
    stream, changed = answer.value
    assert not changed
    calls = [Decode(stream), Decode(b"bad"), Decode(stream), Decode(b"bad")]
    answers = run_calls(codec, calls, limit=60)
    assert [each.kind for each in answers] == ["returned", "died", "returned", "died"]
    assert answers[2].value.pixels.shape == image.pixels.shape


def test_wrong_use_is_an_error(tmp_path, sample):
    with pytest.raises(UsageError, match="positive number of seconds"):
        list(check_codec(card("good"), sample, limit=0))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ImageError):
        list(check_codec(card("good"), tmp_path / "text.png"))

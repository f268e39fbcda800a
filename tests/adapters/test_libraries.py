"""The codecs that come as Python packages: what is in their files, and what they refuse."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL.JpegImagePlugin import get_sampling

from bench import registry
from bench.adapters.make import make_codec, missing
from bench.cards import CodecCard, parse_card
from bench.errors import BitstreamError, CardError
from bench.image import Image, read_image

#: The classical codecs of a plain `pip install rdbench`.
DEFAULT = [
    "avif",
    "avif-444-psnr",
    "heif",
    "heif-444",
    "heif-444-psnr",
    "jpeg",
    "jpeg-444",
    "jpeg2000",
    "jpegli",
    "jxl",
    "mozjpeg",
]
DEFAULT += ["webp"]
JPEGS = ["jpeg", "jpeg-444", "jpegli", "mozjpeg"]


@pytest.fixture(scope="module")
def image(kodak):
    return Image(read_image(kodak / "kodim23.png").pixels[100:164, 200:301])


def opened(name, threads=1):
    codec = make_codec(registry.codecs().get(name))
    codec.open(threads=threads)
    return codec


def pillow(**options):
    values = {"name": "x", "adapter": "bench.adapters.pillow:PillowCodec", "options": options}
    return parse_card(CodecCard, {**values, "quality": {"ladder": [50]}}, "x.yaml")


@pytest.mark.parametrize("name", DEFAULT)
def test_the_default_install_has_every_classical_codec(name):
    card = registry.codecs().get(name)
    assert missing(card) is None
    assert "classical" in card.groups
    assert len(card.quality.ladder) >= 8
    assert card.title
    assert card.reference


@pytest.mark.parametrize("name", DEFAULT)
@pytest.mark.parametrize("threads", [1, 4])
def test_the_bytes_do_not_depend_on_the_number_of_threads(name, threads, image):
    quality = registry.codecs().get(name).quality.ladder[4]
    assert opened(name, threads).encode(image, quality) == opened(name).encode(image, quality)


@pytest.mark.parametrize("name", DEFAULT)
def test_a_bitstream_cut_anywhere_is_refused(name, image):
    codec = opened(name)
    stream = codec.encode(image, registry.codecs().get(name).quality.ladder[4])
    places = {*range(0, len(stream), max(1, len(stream) // 40)), len(stream) - 1, len(stream) - 2}
    for place in sorted(places):
        with pytest.raises(BitstreamError):
            codec.decode(stream[:place])


@pytest.mark.parametrize("name", DEFAULT)
def test_damaged_bitstreams_give_an_image_or_a_bitstream_error(name, image):
    codec = opened(name)
    stream = codec.encode(image, registry.codecs().get(name).quality.ladder[4])
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        damaged = bytearray(stream)
        for place in random.integers(len(stream), size=4):
            damaged[place] = random.integers(256)
        try:
            assert isinstance(codec.decode(bytes(damaged)), Image)
        except BitstreamError:
            refused += 1
    assert refused


@pytest.mark.parametrize("name", DEFAULT)
def test_the_bitstream_of_another_codec_is_refused(name, image):
    other = "webp" if name in JPEGS else "jpeg"
    foreign = opened(other).encode(image, 50)
    with pytest.raises(BitstreamError):
        opened(name).decode(foreign)


@pytest.mark.parametrize("name", DEFAULT)
def test_the_identity_names_the_library_and_its_version(name):
    libraries = make_codec(registry.codecs().get(name)).identity()
    assert libraries
    assert all(version and version != "none" for version in libraries.values())


@pytest.mark.parametrize(("name", "sampling"), [("jpeg", 2), ("jpeg-444", 0), ("mozjpeg", 2)])
def test_jpeg_has_the_chroma_that_its_title_says(name, sampling, image):
    stream = opened(name).encode(image, 50)
    with PIL.Image.open(io.BytesIO(stream)) as picture:
        assert get_sampling(picture) == sampling  # Pillow: 0 is 4:4:4, 2 is 4:2:0
        assert picture.info.get("progressive", 0) == (1 if name == "mozjpeg" else 0)
        assert "exif" not in picture.info
        assert "icc_profile" not in picture.info


@pytest.mark.parametrize(("name", "chroma"), [("heif", 420), ("heif-444", 444)])
def test_heif_has_the_chroma_that_its_title_says_and_no_thumbnail(name, chroma, image):
    import pillow_heif

    info = pillow_heif.open_heif(opened(name).encode(image, 50)).info
    assert info["chroma"] == chroma
    assert not info["exif"]
    assert not info["thumbnails"]
    assert not info["metadata"]


def test_avif_has_the_chroma_that_its_title_says(image):
    # av1C (AV1-ISOBMFF, 2.3.3): two bits of chroma subsampling in the third byte.
    stream = opened("avif").encode(image, 50)
    flags = stream[stream.index(b"av1C") + 6]
    assert (flags >> 3 & 1, flags >> 2 & 1) == (1, 1)
    assert flags >> 6 & 1 == 0  # 8 bit


def test_jpeg_2000_decorrelates_its_colours_with_the_irreversible_wavelet(image):
    # The COD marker (ISO/IEC 15444-1, A.6.1): multiple component transform, then the wavelet.
    stream = opened("jpeg2000").encode(image, 24)
    at = stream.index(b"\xff\x52")
    layers, transform = struct.unpack(">HB", stream[at + 6 : at + 9])
    assert (layers, transform) == (1, 1)
    assert stream[at + 13] == 0  # 9/7
    assert stream.startswith(b"\xff\x4f")  # a bare codestream, no JP2 boxes


@pytest.mark.parametrize("ratio", [240, 48, 12])
def test_jpeg_2000_keeps_to_the_rate(ratio, kodak):
    image = read_image(kodak / "kodim23.png")
    size = len(opened("jpeg2000").encode(image, ratio))
    assert size * ratio == pytest.approx(image.pixels.size, rel=0.02)


def test_jpeg_xl_is_a_bare_codestream(image):
    assert opened("jxl").encode(image, 50).startswith(b"\xff\x0a")  # ISO/IEC 18181-1, B.1


def test_mozjpeg_is_smaller_than_jpeg_at_the_same_psnr(kodak):
    image = read_image(kodak / "kodim20.png")

    def point(name, quality):
        codec = opened(name)
        stream = codec.encode(image, quality)
        error = image.pixels.astype(float) - codec.decode(stream).pixels
        return len(stream), 10 * np.log10(255**2 / np.mean(error**2))

    size, psnr = point("jpeg", 50)
    smaller, better = point("mozjpeg", 66)
    assert smaller < 0.95 * size
    assert better > psnr - 0.1


def test_an_option_that_the_format_does_not_take_is_an_error():
    with pytest.raises(CardError, match=r"x\.yaml: options: Pillow's JPEG takes no .*'subsampl"):
        make_codec(pillow(format="JPEG", save={"subsamplng": "4:2:0"}))
    with pytest.raises(CardError, match="takes no argument 'level'"):
        make_codec(pillow(format="WEBP", setting="level"))


def test_any_format_that_pillow_writes_is_a_codec(image):
    codec = make_codec(pillow(format="png", setting="compress_level"))
    codec.open()
    assert np.array_equal(codec.decode(codec.encode(image, 6)).pixels, image.pixels)
    lack = missing(pillow(format="NOFORMAT"))
    assert lack is not None
    assert "writes no NOFORMAT" in lack.what


def test_a_grey_file_is_none_of_ours(image):
    file = io.BytesIO()
    image.to_pil().convert("L").save(file, "JPEG")
    with pytest.raises(BitstreamError, match="mode L, expected RGB"):
        opened("jpeg").decode(file.getvalue())


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(image):
    stream = bytearray(opened("jpeg").encode(image, 50))
    at = stream.index(b"\xff\xc0") + 5  # SOF0: length, precision, then height and width
    for height, width in ((65000, 65000), (10000, 10000)):
        stream[at : at + 4] = struct.pack(">HH", height, width)
        with pytest.raises(BitstreamError, match="exceeds limit"):
            opened("jpeg").decode(bytes(stream))


def test_a_jpeg_2000_header_that_claims_the_world_is_refused(image):
    stream = bytearray(opened("jpeg2000").encode(image, 24))
    at = stream.index(b"\xff\x51") + 6  # SIZ: length, capabilities, then width and height
    stream[at : at + 8] = struct.pack(">II", 60000, 60000)
    with pytest.raises(BitstreamError):
        opened("jpeg2000").decode(bytes(stream))


FALLBACK = """
import ctypes.util, os, sys
ctypes.util.find_library = lambda name: None  # a system without OpenJPEG
before = dict(os.environ)
from bench.adapters.openjpeg import Jpeg2000Codec
from bench.image import read_image
codec = Jpeg2000Codec()
codec.check_available()
codec.open()
image = read_image(sys.argv[1])
assert codec.decode(codec.encode(image, 24)).pixels.shape == image.pixels.shape
assert dict(os.environ) == before
print(codec.identity()["openjpeg"])
"""


@pytest.mark.skipif(
    sys.platform == "win32", reason="Pillow's wheels for Windows link it statically"
)
def test_without_a_system_library_jpeg_2000_uses_the_one_in_pillows_wheel(tmp_path, kodak):
    from PIL import features

    env = os.environ | {"HOME": str(tmp_path)}
    env.pop("XDG_CONFIG_HOME", None)
    command = [sys.executable, "-c", FALLBACK, str(kodak / "kodim23.png")]
    answer = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == features.version("jpg_2000")
    assert not list(Path(tmp_path).iterdir())

"""External programs from a card alone: real scripts, real programs, real processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from bench.adapters.make import codec_id, identity, make_codec, missing
from bench.cards import CodecCard, parse_card, read_card
from bench.errors import BitstreamError, CardError, CellTimeoutError, CodecError
from bench.image import Image, read_image

#: Stores the picture as it is: a codec of two lines of shell.
COPY = {
    "encode": ["sh", "{script}", "{input}", "{bitstream}"],
    "decode": ["sh", "{script}", "{bitstream}", "{output}"],
    "files": {"script": "copy.sh"},
}

#: Programs of Debian packages: card options, ladder, and the way to read the version.
REAL = {
    "cwebp": {
        "encode": ["cwebp", "-quiet", "-q", "{quality}", "{input}", "-o", "{bitstream}"],
        "decode": ["dwebp", "-quiet", "{bitstream}", "-o", "{output}"],
        "suffix": ".webp",
        "version": ["cwebp", "-version"],
    },
    "cjxl": {
        "encode": ["cjxl", "{input}", "{bitstream}", "-q", "{quality}", "--quiet"],
        "decode": ["djxl", "{bitstream}", "{output}", "--quiet"],
        "input": "ppm",
        "suffix": ".jxl",
    },
    "avifenc": {
        "encode": [
            *("avifenc", "--min", "{quality}", "--max", "{quality}", "-s", "8"),
            *("-j", "{threads}", "{input}", "{bitstream}"),
        ],
        "decode": ["avifdec", "-j", "{threads}", "{bitstream}", "{output}"],
        "suffix": ".avif",
    },
}
PACKAGES = {"cwebp": "webp", "cjxl": "libjxl-tools", "avifenc": "libavif-bin"}


@pytest.fixture
def image(kodak: Path) -> Image:
    return Image(read_image(kodak / "kodim23.png").pixels[100:164, 200:300])


def card(folder: Path, options: dict, ladder=(10, 50, 90), **fields) -> CodecCard:
    """A card in `folder`, read from its file as a user's is."""
    values = {
        "name": "mine",
        "adapter": "bench.adapters.command:CommandCodec",
        "options": options,
        "quality": {"ladder": list(ladder)},
        **fields,
    }
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(values), "utf-8")
    return read_card(CodecCard, path)


def script(folder: Path, text: str, name: str = "copy.sh") -> None:
    (folder / name).write_text(text, "utf-8")


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def copying(folder: Path, text: str = 'cat "$1" > "$2"\n', **options):
    script(folder, text)
    codec = make_codec(card(folder, COPY | options))
    codec.open()
    return codec


def test_a_card_with_a_script_beside_it_is_a_codec(tmp_path, image):
    codec = copying(tmp_path)
    stream = codec.encode(image, 50)
    assert stream.startswith(b"\x89PNG")
    assert np.array_equal(codec.decode(stream).pixels, image.pixels)


@pytest.mark.parametrize("kind", ["ppm", "yuv444p10", "png"])
def test_every_kind_of_file_brings_the_pixels_back(kind, tmp_path, image):
    colour = {"matrix": "bt709", "range": "full"} if kind.startswith("yuv") else {}
    codec = copying(tmp_path, input=kind, **colour)
    stream = codec.encode(image, 50)
    assert np.array_equal(codec.decode(stream).pixels, image.pixels)


def test_raw_video_pays_four_bytes_for_its_size(tmp_path, image):
    codec = copying(tmp_path, input="yuv420p8", matrix="bt601", range="limited", multiple=16)
    stream = codec.encode(image, 50)
    # 100 × 64 pixels become 112 × 64, with a quarter of the chroma twice; 2 + 2 bytes of size.
    assert len(stream) == 4 + 112 * 64 * 3 // 2
    assert codec.decode(stream).pixels.shape == image.pixels.shape
    assert stream[:4] == bytes([0, 100, 0, 64])


def test_the_decoders_command_gets_the_size_from_the_bitstream(tmp_path, image):
    script(tmp_path, 'cat "$1" > "$2"; test "$#" = 2 || echo "$3x$4" > size\n')
    options = COPY | {"decode": [*COPY["decode"], "{width}", "{height}"]}
    codec = make_codec(card(tmp_path, options))
    codec.open()
    assert codec.encode(image, 50)[:4] == bytes([0, 100, 0, 64])


def test_arguments_reach_the_program_as_they_are(tmp_path, image):
    script(tmp_path, 'printf "%s\\n" "$3" "$4" "$5" > "$2"\n')
    words = ["; rm -rf $HOME `id`", "a  {{b}}", "q={quality} t={threads} {width}x{height}"]
    codec = make_codec(card(tmp_path, COPY | {"encode": [*COPY["encode"], *words]}))
    codec.open(threads=3)
    said = codec.encode(image, 7.5).decode().splitlines()
    assert said == ["; rm -rf $HOME `id`", "a  {b}", "q=7.5 t=3 100x64"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("echo out of tables >&2; exit 3\n", CodecError, r"exit status 3\): out of tables"),
        ("kill -SEGV $$\n", CodecError, r"failed \(signal 11\)"),
        ("echo all is well\n", CodecError, "wrote no bitstream: all is well"),
        (': > "$2"\n', CodecError, "wrote no bitstream: it said nothing"),
        ("yes rubbish | head -c 3000000; exit 1\n", CodecError, r"rubbish \| rubbish$"),
    ],
)
def test_an_encoder_that_fails_is_an_error_with_its_last_words(text, error, words, tmp_path, image):
    codec = copying(tmp_path, text)
    with pytest.raises(error, match=words) as raised:
        codec.encode(image, 50)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("exit 1\n", "exit status 1"),
        ("echo done\n", "wrote no image: done"),
        ('echo rubbish > "$2"\n', "wrote no usable image: .* expected for 100x64, got 8"),
        ('head -c 100 "$1" > "$2"\n', "9600 bytes of raw YCbCr were expected for 100x64, got 100"),
        ('cat "$1" "$1" > "$2"\n', "expected for 100x64, got 19200"),
    ],
)
def test_a_decoder_that_fails_is_a_bitstream_error(text, words, tmp_path, image):
    codec = copying(tmp_path, input="yuv420p8", matrix="bt709", range="full")
    stream = codec.encode(image, 50)
    script(tmp_path, text)
    with pytest.raises(BitstreamError, match=words):
        codec.decode(stream)


def test_a_decoder_that_writes_no_picture_is_a_bitstream_error(tmp_path, image):
    codec = copying(tmp_path)
    stream = codec.encode(image, 50)
    for bad in (stream[: len(stream) // 2], b"rubbish"):
        with pytest.raises(BitstreamError, match="wrote no usable image"):
            codec.decode(bad)


@pytest.mark.parametrize("bad", [b"", b"\x00\x10", b"\x00\x10\x00\x10"])
def test_a_bitstream_without_its_size_is_cut(bad, tmp_path):
    codec = copying(tmp_path, input="yuv420p8", matrix="bt709", range="full")
    with pytest.raises(BitstreamError, match="the bitstream is cut"):
        codec.decode(bad)


def test_a_program_that_hangs_is_stopped_with_all_it_started(tmp_path, image):
    text = 'sleep 300 & echo $! > "$PIDS"; sleep 300\n'
    pids = tmp_path / "pids"
    codec = copying(tmp_path, text.replace("$PIDS", str(pids)), timeout=1)
    start = time.monotonic()
    with pytest.raises(CellTimeoutError, match=r"sh took longer than 1 s"):
        codec.encode(image, 50)
    assert time.monotonic() - start < 20
    child = int(pids.read_text())
    while time.monotonic() - start < 30 and alive(child):
        time.sleep(0.05)
    assert not alive(child)


def test_a_child_that_is_left_behind_does_not_keep_us_waiting(tmp_path, image):
    codec = copying(tmp_path, 'cat "$1" > "$2"; sleep 20 & exit 0\n')
    start = time.monotonic()
    codec.encode(image, 50)
    assert time.monotonic() - start < 15


def test_the_working_folder_is_fresh_and_removed(tmp_path, image, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    codec = copying(tmp_path, 'ls | tr "\\n" " " > "$2"; touch left-over; pwd >> "$2"\n')
    said = codec.encode(image, 50).decode()
    assert said.startswith("input.png ")
    assert str(scratch) in said
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"encode": ["sh", "{inptu}", "{bitstream}"]},
            "encode: unknown placeholder {inptu}",
        ),
        ({"decode": [*COPY["decode"], "{quality}"]}, "decoder gets the bitstream alone"),
        ({"decode": [*COPY["decode"], "{input}"]}, "decoder gets the bitstream alone"),
        ({"encode": ["sh", "{script}", "{input}"]}, r"encode: the placeholder {bitstream} is miss"),
        ({"encode": []}, "encode: a program with its arguments was expected"),
        ({"encode": ["sh", "{script}", "{input}", "{bitstream}", "{"]}, "a brace is written twice"),
        ({"files": {"script": "copy.sh", "more": "x"}}, "files: no command uses more"),
        ({"input": "yuv420p8"}, "needs a matrix"),
        ({"matrix": "bt709"}, "for raw YCbCr files only"),
        ({"multiple": 8}, "for raw YCbCr files only"),
        ({"suffix": "/../x"}, "suffix"),
        ({"timeout": 0}, "timeout"),
        ({"input": "bmp"}, r"options\.input"),
        ({"encoder": "x"}, r"options\.encoder: there is no such field"),
    ],
)
def test_a_malformed_card_names_the_fault(change, words, tmp_path):
    with pytest.raises(CardError, match=words) as raised:
        make_codec(card(tmp_path, COPY | change))
    assert "mine.yaml" in str(raised.value)


def test_what_is_missing_is_told_with_the_way_to_get_it(tmp_path):
    options = COPY | {"encode": ["no-such-program", "{script}", "{input}", "{bitstream}"]}
    install = {"install": "apt-get install nothing"}
    script(tmp_path, "")
    lack = missing(card(tmp_path, options, requires=install))
    assert lack is not None
    assert lack.what == "the program no-such-program is not on the PATH"
    assert lack.how == "apt-get install nothing"
    (tmp_path / "copy.sh").unlink()
    lack = missing(card(tmp_path, COPY))
    assert lack is not None
    assert str(tmp_path / "copy.sh") in lack.what


def test_the_identity_changes_with_the_script_and_with_the_program(tmp_path, monkeypatch):
    script(tmp_path, "true\n")
    before = codec_id(card(tmp_path, COPY))
    assert codec_id(card(tmp_path, COPY)) == before
    script(tmp_path, "false\n")
    assert codec_id(card(tmp_path, COPY)) != before

    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    options = {
        "encode": ["mine-enc", "{input}", "{bitstream}", "{home}/../table.txt"],
        "decode": ["mine-dec", "{bitstream}", "{output}"],
        "version": ["mine-enc", "--version"],
    }
    for name in ("mine-enc", "mine-dec"):
        (programs / name).write_text("#!/bin/sh\necho version 1.0\n")
        (programs / name).chmod(0o755)
    lack = missing(card(tmp_path, options))
    assert lack is not None
    assert "table.txt" in lack.what
    (tmp_path / "table.txt").write_text("1 2 3")
    libraries = identity(card(tmp_path, options))["libraries"]
    assert set(libraries) == {"mine-enc", "mine-dec", "{home}/../table.txt", "version"}
    assert libraries["version"] == "version 1.0"
    (tmp_path / "table.txt").write_text("1 2 4")
    assert identity(card(tmp_path, options))["libraries"] != libraries


def test_the_identity_of_a_linked_program_covers_its_libraries(tmp_path):
    # cwebp is a thin program: what compresses is libwebp.so.
    program = shutil.which("cwebp")
    if program is None or sys.platform != "linux":
        pytest.skip("needs cwebp of Debian's package webp, on Linux")
    from hashlib import sha256

    from bench.adapters.programs import _libraries, program_digest

    path = Path(program).resolve()
    assert any("libwebp" in str(library) for library in _libraries(path))
    assert program_digest(path) != sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("program", REAL)
def test_a_real_program_is_listed_and_checked_with_no_line_of_python(program, tmp_path):
    if shutil.which(program) is None:
        pytest.skip(f"needs {program} of Debian's package {PACKAGES[program]}")
    ladder = [50, 35, 20] if program == "avifenc" else [10, 50, 90]
    better = "lower" if program == "avifenc" else "higher"
    made = card(tmp_path, REAL[program], quality={"ladder": ladder, "better": better})
    path = str(Path(made.source))

    def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bench", "codecs", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    listed = bench(path, "--json")
    assert [(c["name"], c["state"]) for c in json.loads(listed.stdout)] == [("mine", "ready")]
    checked = bench("check", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "FAIL" not in checked.stdout
    assert "rate and PSNR rise" in checked.stdout


def test_ffmpeg_comes_from_the_wheel(image):
    pytest.importorskip("imageio_ffmpeg", reason="needs the extra vvc")
    options = {
        "encode": [
            *("ffmpeg", "-f", "rawvideo", "-pix_fmt", "yuv444p", "-s", "{width}x{height}"),
            *("-i", "{input}", "-c:v", "ffv1", "-f", "matroska", "{bitstream}"),
        ],
        "decode": ["ffmpeg", "-i", "{bitstream}", "-f", "rawvideo", "{output}"],
        **{"input": "yuv444p8", "matrix": "bt709", "range": "full", "suffix": ".mkv"},
    }
    values = {"name": "ffv1", "adapter": "bench.adapters.ffmpeg:FfmpegCodec"}
    made = parse_card(CodecCard, {**values, "options": options, "quality": {"ladder": [1]}}, "x")
    codec = make_codec(made)
    assert missing(made) is None
    codec.open()
    back = codec.decode(codec.encode(image, 1))
    # ffv1 is lossless: what differs is the rounding to 8-bit YCbCr.
    assert np.abs(back.pixels.astype(int) - image.pixels).max() <= 1
    options["encode"][options["encode"].index("ffv1")] = "no_such_encoder"
    lack = missing(made.model_copy(update={"options": options}))
    assert lack is not None
    assert "no encoder no_such_encoder" in lack.what


def test_a_program_is_called_by_its_own_name_and_place(tmp_path, image, monkeypatch):
    # As busybox and the python of a virtual environment do, this one looks at how it was called.
    programs, elsewhere = tmp_path / "bin", tmp_path / "elsewhere"
    programs.mkdir()
    elsewhere.mkdir()
    real = elsewhere / "many-tools"
    real.write_text('#!/bin/sh\necho "$0 $3" > "$2"\n')
    real.chmod(0o755)
    (elsewhere / "table").touch()
    (programs / "tool").symlink_to(real)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    options = COPY | {"encode": ["tool", "{input}", "{bitstream}", "{home}/table"]}
    options["decode"] = ["sh", "{script}", "{bitstream}", "{output}"]
    script(tmp_path, "")
    codec = make_codec(card(tmp_path, options))
    codec.open()
    assert codec.encode(image, 1).decode() == f"{programs}/tool {elsewhere}/table\n"

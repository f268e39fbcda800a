"""Reading images: what is converted, and what is refused by name."""

from __future__ import annotations

import base64
import os
import struct
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageFile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import TiffImagePlugin

from bench.errors import ImageError
from bench.image import Image, read_image
from bench.image_io import MAX_PIXELS

Pixels = npt.NDArray[np.uint8]

HEIGHT, WIDTH = 21, 34


@pytest.fixture
def pixels() -> Pixels:
    """Smooth enough that a lossy format keeps it near, and with no symmetry."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = np.stack([7 * x, 11 * y, 3 * x + 5 * y], axis=-1)
    return np.clip(planes, 0, 255).astype(np.uint8)


def _write(path: Path, image: PIL.Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def _rejection(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# What is converted


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm", ".PNG"])
def test_lossless_files_give_back_their_pixels(tmp_path: Path, pixels: Pixels, suffix: str) -> None:
    path = _write(tmp_path / f"image{suffix}", PIL.Image.fromarray(pixels))
    assert np.array_equal(read_image(path).pixels, pixels)


def test_a_lossless_jxl_gives_back_its_pixels(tmp_path: Path, pixels: Pixels) -> None:
    import pillow_jxl  # noqa: F401

    path = _write(tmp_path / "image.jxl", PIL.Image.fromarray(pixels), lossless=True)
    assert np.array_equal(read_image(path).pixels, pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_lossy_files_are_read_as_opencv_reads_them(
    tmp_path: Path, pixels: Pixels, suffix: str
) -> None:
    path = _write(tmp_path / f"image{suffix}", PIL.Image.fromarray(pixels), quality=95)
    expected = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if expected is None:
        pytest.skip(f"this OpenCV does not read {suffix}")
    # Two decoders may round the colour conversion and the chroma filter differently.
    difference = read_image(path).pixels.astype(int) - expected[..., ::-1].astype(int)
    assert np.abs(difference).mean() < 2


def test_heic_is_read_without_anybody_registering_its_plugin(
    tmp_path: Path, pixels: Pixels
) -> None:
    import pillow_heif

    path = tmp_path / "image.heic"
    pillow_heif.from_pillow(PIL.Image.fromarray(pixels)).save(path, quality=95)
    code = f"from bench import read_image; print(read_image({str(path)!r}).pixels.shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"({HEIGHT}, {WIDTH}, 3)"


def test_grey_is_replicated(tmp_path: Path, pixels: Pixels) -> None:
    grey = pixels[..., 0]
    path = _write(tmp_path / "grey.png", PIL.Image.fromarray(grey))
    assert np.array_equal(read_image(path).pixels, np.stack([grey] * 3, axis=-1))


def test_a_real_grey_jpeg_of_imagenet_is_replicated(shared: Path) -> None:
    path = shared / "samples/imagenet_val/ILSVRC2012_val_00033079.JPEG"
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    for channel in range(3):
        assert np.array_equal(read_image(path).pixels[..., channel], grey)


def test_bilevel_becomes_black_and_white(tmp_path: Path) -> None:
    bits = np.arange(24).reshape(4, 6) % 5 == 0
    path = _write(tmp_path / "bits.png", PIL.Image.fromarray(bits))
    assert np.array_equal(read_image(path).pixels[..., 1], np.where(bits, 255, 0))


def test_few_bits_are_spread_over_the_whole_range(tmp_path: Path) -> None:
    path = tmp_path / "four_bits.ppm"
    path.write_bytes(b"P6\n2 1\n15\n" + bytes([0, 3, 5, 10, 12, 15]))
    # n / 15 of full scale is 17 n of 255.
    assert read_image(path).pixels.ravel().tolist() == [0, 51, 85, 170, 204, 255]


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    colours = [(200, 10, 30), (1, 2, 3), (250, 251, 252)]
    index = np.array([[0, 1, 2], [2, 2, 1]], dtype=np.uint8)
    image = PIL.Image.fromarray(index, mode=None).convert("P")
    image.putpalette([value for colour in colours for value in colour])
    path = _write(tmp_path / "palette.png", image)
    assert np.array_equal(read_image(path).pixels, np.array(colours, dtype=np.uint8)[index])


def test_a_real_palette_png_is_read_as_opencv_reads_it(shared: Path) -> None:
    path = shared / "samples/odd_modes/windows95.png"
    expected = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert expected is not None
    assert np.array_equal(read_image(path).pixels, expected[..., ::-1])


def test_cmyk_is_converted_as_pillow_does(tmp_path: Path) -> None:
    # 255 − min(255, ink + black): ink (0, 85, 170), black 0 leaves 255, 170, 85.
    image = PIL.Image.new("CMYK", (16, 16), (0, 85, 170, 0))
    path = _write(tmp_path / "cmyk.jpg", image, quality=100, subsampling=0)
    assert np.abs(read_image(path).pixels.astype(int) - [255, 170, 85]).max() <= 2


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_opaque_alpha_is_dropped(tmp_path: Path, pixels: Pixels, mode: str) -> None:
    image = PIL.Image.fromarray(pixels)
    path = _write(tmp_path / "opaque.png", image.convert(mode))
    expected = image.convert("L").convert("RGB") if mode == "LA" else image
    assert np.array_equal(read_image(path).pixels, np.array(expected))


def test_a_transparent_colour_that_no_pixel_has_is_dropped(tmp_path: Path, pixels: Pixels) -> None:
    path = _write(tmp_path / "key.png", PIL.Image.fromarray(pixels), transparency=(255, 0, 255))
    assert np.array_equal(read_image(path).pixels, pixels)


#: EXIF orientation to what brings the stored array upright (CIPA DC-008, tag 274).
_UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", _UPRIGHT)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_an_exif_orientation_is_applied_once(
    tmp_path: Path, pixels: Pixels, suffix: str, orientation: int
) -> None:
    exif = PIL.Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"turned{suffix}"
    PIL.Image.fromarray(pixels).save(path, exif=exif, lossless=True)
    assert np.array_equal(read_image(path).pixels, _UPRIGHT[orientation](pixels))


@pytest.mark.parametrize("suffix", [".jpg", ".avif", ".heic", ".jxl"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_lossy_formats_come_out_upright_too(
    tmp_path: Path, pixels: Pixels, suffix: str, orientation: int
) -> None:
    import pillow_heif
    import pillow_jxl  # noqa: F401

    pillow_heif.register_heif_opener()
    exif = PIL.Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"turned{suffix}"
    PIL.Image.fromarray(pixels).save(path, exif=exif.tobytes(), quality=95)
    # libjxl's encoder takes the pixels as they are meant to be seen; EXIF does not turn them.
    expected = pixels if suffix == ".jxl" else _UPRIGHT[orientation](pixels)
    read = read_image(path).pixels
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).mean() < 6


def test_a_jpeg_inside_a_jxl_is_turned_as_the_jpeg_itself(tmp_path: Path, pixels: Pixels) -> None:
    import pillow_jxl  # noqa: F401

    exif = PIL.Image.Exif()
    exif[274] = 6
    jpeg = _write(tmp_path / "a.jpg", PIL.Image.fromarray(pixels), exif=exif, quality=90)
    with PIL.Image.open(jpeg) as image:
        path = _write(tmp_path / "a.jxl", image, lossless_jpeg=True)
    assert np.array_equal(read_image(path).pixels, read_image(jpeg).pixels)


def test_an_exif_block_that_is_rubbish_leaves_the_image_as_stored(
    tmp_path: Path, pixels: Pixels
) -> None:
    path = tmp_path / "rubbish.png"
    PIL.Image.fromarray(pixels).save(path, exif=b"Exif\0\0no exif at all")
    assert np.array_equal(read_image(path).pixels, pixels)


def test_a_colour_profile_is_not_applied(tmp_path: Path, pixels: Pixels) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    path = _write(tmp_path / "profile.png", PIL.Image.fromarray(pixels), icc_profile=profile)
    assert np.array_equal(read_image(path).pixels, pixels)


def test_the_first_picture_of_a_camera_mpo_is_the_image(tmp_path: Path, pixels: Pixels) -> None:
    first = PIL.Image.fromarray(pixels)
    preview = first.resize((8, 6))
    path = tmp_path / "camera.jpg"
    first.save(path, "MPO", save_all=True, append_images=[preview], quality=95)
    plain = _write(tmp_path / "plain.jpg", first, quality=95)
    assert np.array_equal(read_image(path).pixels, read_image(plain).pixels)


def test_every_real_sample_but_the_transparent_one_is_read(shared: Path) -> None:
    files = sorted(p for p in (shared / "samples").rglob("*") if p.is_file())
    refused = {}
    for path in files:
        try:
            image = read_image(path)
        except ImageError as error:
            refused[path.name] = str(error)
        else:
            assert image.pixels.dtype == np.uint8
    assert list(refused) == ["gui.png"]
    assert "transparent pixels" in refused["gui.png"]


# What is refused


def test_transparency_is_refused(tmp_path: Path, pixels: Pixels) -> None:
    image = PIL.Image.fromarray(pixels).convert("RGBA")
    image.putpixel((3, 4), (1, 2, 3, 254))
    path = _write(tmp_path / "clear.png", image)
    assert "transparent pixels are not measured" in _rejection(path)


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_palette_transparency_is_refused(tmp_path: Path, pixels: Pixels, suffix: str) -> None:
    image = PIL.Image.fromarray(pixels).quantize(8)
    used = image.getpixel((0, 0))
    path = _write(tmp_path / f"palette{suffix}", image, transparency=used)
    assert "transparent pixels are not measured" in _rejection(path)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_refused_even_where_pillow_would_reduce_them(
    tmp_path: Path, suffix: str, channels: int
) -> None:
    if (suffix, channels) == (".ppm", 1):
        suffix = ".pgm"
    path = tmp_path / f"deep{suffix}"
    deep = np.arange(HEIGHT * WIDTH * channels, dtype=np.uint16).reshape(HEIGHT, WIDTH, channels)
    assert cv2.imwrite(str(path), 50 * deep)
    assert "are not measured" in _rejection(path)
    assert "bits" in _rejection(path)


@pytest.mark.parametrize("depth", [10, 12])
def test_deep_avif_is_refused(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "deep.avif"
    if not cv2.haveImageWriter(str(path)):
        pytest.skip("this OpenCV writes no AVIF")
    deep = np.zeros((16, 16, 3), np.uint16)
    assert cv2.imwrite(str(path), deep, [cv2.IMWRITE_AVIF_DEPTH, depth])
    assert f"{depth} bits per sample are not measured" in _rejection(path)


def test_deep_heic_is_refused(tmp_path: Path) -> None:
    import pillow_heif

    path = tmp_path / "deep.heic"
    deep = np.zeros((16, 16, 3), np.uint16)
    pillow_heif.from_bytes("RGB;16", (16, 16), deep.tobytes()).save(path)
    assert "10 bits per sample are not measured" in _rejection(path)


@pytest.mark.parametrize(("mode", "what"), [("I;16", "16 bits per sample"), ("F", "floating")])
def test_deep_jxl_is_refused(tmp_path: Path, mode: str, what: str) -> None:
    import pillow_jxl  # noqa: F401

    kind = np.uint16 if mode == "I;16" else np.float32
    image = PIL.Image.fromarray(np.zeros((16, 16), kind))
    path = _write(tmp_path / "deep.jxl", image, lossless=True)
    assert what in _rejection(path)


#: Files that libjxl 0.11 wrote (through imagecodecs 2026.3.6), as base64, and what they are.
_JXL = {
    "/wpD8JNQtAgAE4gCAKwAtZ8gAAAVKqOMG7yc6/nyQ4fFtI3rDG21bWEJY7O9MEhIKBTYAABDZKCSBA==": (
        "16 bits per sample are not measured"  # RGB, which the plug-in reduces to 8 bits
    ),
    "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAAJanhsbAoAAAAdanhsY/8KQ/ADULQICAQBABwASxiL"
    "FYIDAA==": "16 bits per sample are not measured",  # the same in a container, lossless
    "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAAJanhsbAoAAAAdanhsY/8KQxgBFC0CCAQBABwASxiL"
    "FYIDAA==": "floating-point samples are not measured",
    "/wpDBE0AICYIBAEAHABLGIsVggMACAQFADgASxiLFYBV+n8ACCUqOAU=": "an animation",
}


@pytest.mark.parametrize("data", _JXL)
def test_what_the_jxl_plugin_would_pass_silently_is_refused(tmp_path: Path, data: str) -> None:
    path = tmp_path / "odd.jxl"
    path.write_bytes(base64.b64decode(data))
    assert _JXL[data] in _rejection(path)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif", ".avif", ".heic"])
def test_several_frames_are_refused(tmp_path: Path, pixels: Pixels, suffix: str) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    first = PIL.Image.fromarray(pixels)
    second = PIL.Image.fromarray(255 - pixels)
    path = tmp_path / f"many{suffix}"
    first.save(path, save_all=True, append_images=[second])
    assert "2 frames or pages" in _rejection(path)


@pytest.mark.parametrize(
    ("mode", "what"), [("F", "floating-point"), ("I", "integer samples"), ("LAB", "Lab")]
)
def test_other_sample_kinds_are_refused_by_name(tmp_path: Path, mode: str, what: str) -> None:
    path = _write(tmp_path / "other.tif", PIL.Image.new(mode, (8, 8)))
    assert what in _rejection(path)


@pytest.mark.parametrize(
    "suffix", [".png", ".jpg", ".webp", ".bmp", ".tif", ".ppm", ".gif", ".avif", ".heic", ".jxl"]
)
@pytest.mark.parametrize("lenient", [False, True])
def test_a_truncated_file_is_refused_whatever_other_libraries_allow(
    tmp_path: Path,
    kodak: Path,
    suffix: str,
    lenient: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pillow_heif
    import pillow_jxl  # noqa: F401

    pillow_heif.register_heif_opener()
    with PIL.Image.open(kodak / "kodim05.png") as photo:
        path = _write(tmp_path / f"cut{suffix}", photo.crop((100, 100, 228, 228)))
    whole = path.read_bytes()
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    for keep in (3, len(whole) // 10, len(whole) // 2, len(whole) * 9 // 10):
        path.write_bytes(whole[:keep])
        _rejection(path)
    path.write_bytes(whole)
    read_image(path)
    assert lenient == PIL.ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("<html>404 Not Found</html>")
    assert "no image" in _rejection(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    assert _rejection(path) == "the file is empty"


def test_a_git_lfs_pointer_says_how_to_get_the_image(tmp_path: Path) -> None:
    path = tmp_path / "pointer.png"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n")
    assert "git lfs pull" in _rejection(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "No such file" in _rejection(tmp_path / "none.png")
    assert "directory" in _rejection(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permission bits")
def test_an_unreadable_file_is_refused(tmp_path: Path, pixels: Pixels) -> None:
    path = _write(tmp_path / "locked.png", PIL.Image.fromarray(pixels))
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read everything; be nobody for a moment
        os.seteuid(65534)
    try:
        assert "can't be read: Permission denied" in _rejection(path)
    finally:
        os.seteuid(user)


def test_a_postscript_program_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "program.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n%%EOF\n")
    assert "no image" in _rejection(path)


@pytest.mark.parametrize("side", [13_400, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    _write(path, PIL.Image.new("1", (8, 8)))
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", side, side)
    import zlib

    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    assert f"{MAX_PIXELS:,} pixels" in _rejection(path)


@pytest.mark.slow
def test_a_large_but_legal_image_is_read(tmp_path: Path) -> None:
    # Over 89 megapixels Pillow warns; here that is neither an error nor a warning.
    path = _write(tmp_path / "large.png", PIL.Image.new("1", (10_000, 9_000)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).pixels.shape == (9_000, 10_000, 3)


def test_no_warning_leaks(tmp_path: Path, pixels: Pixels) -> None:
    image = PIL.Image.fromarray(pixels).quantize(4)
    path = _write(tmp_path / "opaque.png", image, transparency=bytes([255] * 4))
    odd = tmp_path / "odd.tif"
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[305] = "software"
    PIL.Image.fromarray(pixels).save(odd, tiffinfo=directory)
    data = odd.read_bytes()
    odd.write_bytes(data.replace(b"software", b"s\xff\xfetwar\x00"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_image(path)
        read_image(odd)


def test_threads_that_read_at_once_leave_no_trace(
    tmp_path: Path, pixels: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = PIL.Image.fromarray(pixels).quantize(4)
    path = _write(tmp_path / "opaque.png", image, transparency=bytes([255] * 4))
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(read_image, [path] * 400))
    assert len({image.digest for image in read}) == 1
    assert warnings.filters == before
    assert PIL.ImageFile.LOAD_TRUNCATED_IMAGES


@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    suffix=st.sampled_from([".png", ".jpg", ".webp", ".bmp", ".ppm", ".gif", ".avif", ".jxl"]),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    keep=st.floats(0, 1),
)
def test_a_damaged_file_is_an_image_or_an_image_error(
    tmp_path: Path, suffix: str, edits: list[tuple[int, int]], keep: float
) -> None:
    import pillow_jxl  # noqa: F401

    noise = np.random.default_rng(7).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    exif = PIL.Image.Exif()
    exif[274] = 6
    options = {"exif": exif} if suffix in {".png", ".jpg", ".webp", ".avif"} else {}
    buffer = BytesIO()
    PIL.Image.fromarray(noise).save(buffer, PIL.Image.registered_extensions()[suffix], **options)
    data = bytearray(buffer.getvalue())
    for position, value in edits:
        data[position % len(data)] = value
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(data[: int(keep * len(data)) + 1])
    try:
        image: object = read_image(path)
    except ImageError:
        return
    assert isinstance(image, Image)

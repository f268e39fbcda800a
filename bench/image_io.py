"""Reading image files: what is converted to 8-bit RGB, and what is refused by name."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import ImageError
from bench.image import Image
from bench.image_headers import avif_depth, jxl_header, png_depth

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

#: Larger images are refused: 2 × 1024³ / 4 / 3, the size at which Pillow itself raises.
MAX_PIXELS = 178_956_970

# Ghostscript (EPS) and other surprises are kept out: these formats and no others.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "GIF")

_CONVERTED = frozenset({"1", "L", "P", "RGB", "RGBX", "CMYK", "LA", "PA", "RGBA"})
_REFUSED = {
    "I": "integer samples of more than 8 bits",
    "F": "floating-point samples",
    "LAB": "the Lab colour model",
    "HSV": "the HSV colour model",
    "YCbCr": "uncompressed YCbCr samples",
}

# Damaged files make Pillow's readers raise nearly anything.
_FAULTS = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(AttributeError, AssertionError, RuntimeError, MemoryError, struct.error, zlib.error),
)


def read(path: Path) -> Image:
    """Read a file as 8-bit RGB; see :func:`bench.image.read_image` for the rules."""
    data = _read_bytes(path)
    try:
        with _strict_and_quiet, _open(path, data) as image:
            _check_frames(image)
            _check_samples(image, data)
            image.load()
            return Image.from_pil(_as_rgb(_upright(image)))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except _FAULTS as error:
        raise ImageError(f"{path}: truncated or damaged ({_one_line(error)})") from None


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: can't be read: {error.strerror}") from None
    if not data:
        raise ImageError(f"{path}: the file is empty")
    if data.startswith(b"version https://git-lfs"):
        raise ImageError(f"{path}: only a pointer to the image; get it with: git lfs pull")
    return data


class _StrictAndQuiet:
    """While any thread reads: no truncated image passes, whatever another library has set, and no
    warning gets out.

    Both are states of the whole process, so the first reader sets them and the last restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._undo = ExitStack()

    def __enter__(self) -> None:
        from PIL import ImageFile

        with self._lock:
            self._readers += 1
            if self._readers > 1:
                return
            lenient = ImageFile.LOAD_TRUNCATED_IMAGES
            self._undo.callback(setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
            ImageFile.LOAD_TRUNCATED_IMAGES = False
            self._undo.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._undo.close()


_strict_and_quiet = _StrictAndQuiet()


def _open(path: Path, data: bytes) -> PILImage:
    """Open without decoding. Raises ImageError for what is no image, or a far too large one."""
    import PIL.Image

    suffix = path.suffix.lower()
    formats = list(_FORMATS)
    if suffix in {".heic", ".heif"}:
        from pillow_heif import register_heif_opener

        register_heif_opener()
        formats.append("HEIF")
    elif suffix == ".jxl":
        import pillow_jxl  # noqa: F401  (registers itself)

        # This plug-in decodes at once and says neither depth nor frames.
        _check_jxl(data)
        formats.append("JXL")
    try:
        image = PIL.Image.open(BytesIO(data), formats=formats)
    except PIL.UnidentifiedImageError:
        raise ImageError("no image, or one of a format that is not read") from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(_too_large("")) from None
    _check_size(*image.size)
    return image


def _check_jxl(data: bytes) -> None:
    try:
        header = jxl_header(data)
    except ValueError as error:
        raise ImageError(f"no JPEG XL image: {error}") from None
    _check_size(header.width, header.height)
    if header.animated:
        raise ImageError("an animation; only single images are measured")
    if header.floating:
        raise ImageError(_not_measured(_REFUSED["F"]))
    _check_depth(header.bits)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large(f"{width}×{height}, "))


def _too_large(what: str) -> str:
    return f"{what}more than the {MAX_PIXELS:,} pixels that an image may have"


def _not_measured(what: str) -> str:
    return f"{what} are not measured: version 1 measures 8-bit RGB; convert the file first"


def _check_frames(image: PILImage) -> None:
    # The further pictures of an MPO are previews and gain maps of a camera's JPEG, no animation.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageError(f"{frames} frames or pages; only single images are measured")


def _check_depth(bits: int) -> None:
    if bits > 8:
        raise ImageError(_not_measured(f"{bits} bits per sample"))


def _check_samples(image: PILImage, data: bytes) -> None:
    """Refuse more than 8 bits, by the file's header where Pillow's mode does not show it."""
    if image.format == "PNG":
        _check_depth(png_depth(data))
    elif image.format == "AVIF":
        _check_depth(avif_depth(data))
    elif image.format == "HEIF":
        _check_depth(int(image.info["bit_depth"]))
    elif image.format == "TIFF" and image.mode in _CONVERTED:
        _check_depth(max(image.tag_v2.get(258, (1,))))  # type: ignore[attr-defined]
    elif image.format == "PPM" and image.mode in _CONVERTED:
        _check_depth(_ppm_maximum(image).bit_length())
    if image.mode.startswith("I;16"):
        raise ImageError(_not_measured("16 bits per sample"))
    if image.mode not in _CONVERTED:
        what = _REFUSED.get(image.mode, f"samples of Pillow's mode {image.mode}")
        raise ImageError(_not_measured(what))


def _ppm_maximum(image: PILImage) -> int:
    """Return the largest sample value, which Pillow keeps only where it is not 255."""
    arguments = image.tile[0].args  # type: ignore[attr-defined]
    return int(arguments[1]) if isinstance(arguments, tuple) else 255


def _upright(image: PILImage) -> PILImage:
    """Apply the EXIF orientation, where the decoder has not done so already."""
    from PIL import ImageOps

    # A JPEG XL is turned by its decoder, unless it holds a JPEG, which has its EXIF inside.
    if image.format == "JXL" and not image.jpeg:  # type: ignore[attr-defined]
        return image
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, KeyError, TypeError, struct.error):
        # An EXIF block that can't be read says nothing, and the standard's default is upright.
        return image


def _as_rgb(image: PILImage) -> PILImage:
    if image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        lowest, _ = image.getchannel("A").getextrema()
        if lowest != 255:
            raise ImageError("transparent pixels are not measured; flatten the file first")
    return image.convert("RGB")


def _one_line(error: BaseException) -> str:
    """Return what a decoder said, on one line and without its advice on building it."""
    said = str(error).partition("Please build")[0]
    return " ".join(said.split()) or type(error).__name__

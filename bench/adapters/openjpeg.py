"""JPEG 2000 through glymur and OpenJPEG."""

from __future__ import annotations

import ctypes.util
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

from bench.adapters.guard import decoding, encoding
from bench.codec import Codec, Quality
from bench.errors import BitstreamError, UnavailableError
from bench.image import Image

#: A JPEG 2000 codestream ends with this marker, which never occurs before (ISO/IEC 15444-1, A.4.4).
_END_OF_CODESTREAM = b"\xff\xd9"
#: Pillow's limit against decompression bombs.
_MOST_PIXELS = 178_956_970


class Jpeg2000Codec(Codec):
    """One tile, one layer, multi-component transform; a bare codestream, rate by rate control.

    The setting is the compression ratio to 24 bits per pixel: 24 is 1 bpp, 240 is 0.1 bpp.

    Parameters
    ----------
    irreversible : the 9/7 wavelet with the YCbCr transform, else the 5/3 with the reversible one.
    resolutions : wavelet levels plus one; fewer where the image is too small for them.
    """

    def __init__(self, irreversible: bool = True, resolutions: int = 6) -> None:
        if not 1 <= resolutions <= 33:
            raise ValueError(f"resolutions: 1 … 33 was expected, got {resolutions}")
        self._irreversible = irreversible
        self._resolutions = resolutions
        self._threads = 1

    def open(self, device: str = "cpu", threads: int = 1) -> None:
        """Load OpenJPEG."""
        self._threads = threads
        load_glymur()

    def encode(self, image: Image, quality: Quality) -> bytes:
        """Return a codestream of about 1 / `quality` of the size of the samples."""
        glymur = load_glymur()
        # Each level halves the picture; OpenJPEG refuses more levels than there are halves.
        possible = min(image.width, image.height).bit_length()
        with encoding("OpenJPEG"), _file() as path, self._library_threads(glymur):
            glymur.Jp2k(
                path,
                data=image.pixels,
                cratios=(float(quality),),
                irreversible=self._irreversible,
                mct=True,
                numres=min(self._resolutions, possible),
            )
            return path.read_bytes()

    def decode(self, bitstream: bytes) -> Image:
        """Return the picture of the codestream `bitstream`."""
        glymur = load_glymur()
        if not bitstream.endswith(_END_OF_CODESTREAM):
            # OpenJPEG itself decodes what there is and says nothing.
            raise BitstreamError("the JPEG 2000 codestream is cut: it has no end marker")
        with decoding("OpenJPEG"), _file() as path, self._library_threads(glymur):
            path.write_bytes(bitstream)
            picture = glymur.Jp2k(path)
            height, width, *channels = picture.shape
            if channels != [3] or height * width > _MOST_PIXELS:
                raise BitstreamError(f"the JPEG 2000 codestream claims the shape {picture.shape}")
            return Image(picture[:])

    def identity(self) -> Mapping[str, str]:
        """Return the versions of glymur and OpenJPEG."""
        glymur = load_glymur()
        return {"glymur": glymur.__version__, "openjpeg": glymur.version.openjpeg_version}

    def check_available(self) -> None:
        """Raise UnavailableError where there is no OpenJPEG library."""
        load_glymur()

    @contextmanager
    def _library_threads(self, glymur: ModuleType) -> Iterator[None]:
        before = glymur.get_option("lib.num_threads")
        if before == self._threads:  # a library built without threads takes no setting at all
            yield
            return
        glymur.set_option("lib.num_threads", self._threads)
        try:
            yield
        finally:
            glymur.set_option("lib.num_threads", before)


@cache
def load_glymur() -> ModuleType:
    """Import glymur with the system's OpenJPEG or, without one, the library in Pillow's wheel.

    glymur looks for the library while it is imported, and its one way to be told of another is a
    `glymurrc` in its configuration folder: it gets one of its own for that moment.

    Raises
    ------
    UnavailableError : neither is there.
    """
    bundled = None if _library_is_known() else _bundled_library()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        before = os.environ.get("XDG_CONFIG_HOME")
        try:
            if bundled:
                settings = Path(folder, "glymur", "glymurrc")
                settings.parent.mkdir()
                settings.write_text(f"[library]\nopenjp2: {bundled}\n", "utf-8")
                os.environ["XDG_CONFIG_HOME"] = folder
            import glymur
        finally:
            if before is not None:
                os.environ["XDG_CONFIG_HOME"] = before
            elif bundled:
                del os.environ["XDG_CONFIG_HOME"]
    if glymur.version.openjpeg_version_tuple < (2, 4):
        found = glymur.version.openjpeg_version.replace("0.0.0", "none")
        raise UnavailableError(
            f"JPEG 2000 needs the library OpenJPEG 2.4 or later, found {found}; install it from "
            "your system's packages, or name it in glymur's configuration file glymurrc",
            "apt-get install libopenjp2-7",
        )
    return glymur  # type: ignore[no-any-return]


def _library_is_known() -> bool:
    """Return whether glymur finds a library by itself: from its glymurrc or from the system."""
    if "glymur" in sys.modules:
        return True
    configured = (
        Path("glymurrc"),
        Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"), "glymur", "glymurrc"),
        Path.home() / "glymur" / "glymurrc",
    )
    return any(path.is_file() for path in configured) or bool(ctypes.util.find_library("openjp2"))


def _bundled_library() -> Path | None:
    """Return OpenJPEG as Pillow's wheels carry it: Linux beside the package, macOS inside it."""
    import PIL

    package = Path(next(iter(PIL.__path__)))
    found = [
        *package.parent.glob("pillow.libs/libopenjp2*"),
        *package.glob(".dylibs/libopenjp2*"),
    ]
    return found[0] if found else None


@contextmanager
def _file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder, "image.j2k")

"""Every format that Pillow writes, as a codec: JPEG, WebP, AVIF and the rest."""

from __future__ import annotations

import inspect
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from bench.adapters.guard import decoding, encoding
from bench.codec import Codec, Quality
from bench.errors import BitstreamError, UnavailableError
from bench.image import Image

#: The library behind a format, by the name that `PIL.features` knows it by.
_LIBRARIES = {
    "AVIF": "avif",
    "JPEG": "libjpeg_turbo",
    "JPEG2000": "jpg_2000",
    "PNG": "zlib",
    "TIFF": "libtiff",
    "WEBP": "webp",
}


class PillowCodec(Codec):
    """A format of Pillow's.

    No metadata is written: what Pillow saves is made from bare pixels. Bytes that are cut, that
    hold another mode than RGB or claim more pixels than Pillow's limit against decompression
    bombs are a BitstreamError.

    Parameters
    ----------
    format : Pillow's name of the format, such as "JPEG" or "WEBP".
    save : further arguments of `PIL.Image.Image.save`.
    setting : the argument of `save` that takes the quality.

    Raises
    ------
    ValueError : an argument that the format does not take. Pillow itself passes over those, and
        a misspelt option would change nothing without a word.
    """

    def __init__(
        self, format: str, save: dict[str, Any] | None = None, setting: str = "quality"
    ) -> None:
        self._format = format.upper()
        self._save = dict(save or {})
        self._setting = setting
        self._threads = 1
        if writer := _writer(self._format):
            source = inspect.getsource(sys.modules[writer.__module__])
            for name in (*self._save, setting):
                if f'"{name}"' not in source:
                    raise ValueError(f"Pillow's {self._format} takes no argument {name!r}")

    def open(self, device: str = "cpu", threads: int = 1) -> None:
        """Load the format's plug-in."""
        self._threads = threads
        self.check_available()

    def encode(self, image: Image, quality: Quality) -> bytes:
        """Return the file that Pillow writes."""
        file = io.BytesIO()
        with encoding(f"Pillow's {self._format}"):
            image.to_pil().save(file, self._format, **self._arguments(quality))
        return file.getvalue()

    def decode(self, bitstream: bytes) -> Image:
        """Return the picture of the file `bitstream`."""
        import PIL.Image

        library = f"Pillow's {self._format}"
        with decoding(library), self._decoder():
            try:
                with PIL.Image.open(io.BytesIO(bitstream), formats=[self._format]) as picture:
                    if picture.mode not in ("RGB", "P"):
                        raise BitstreamError(f"{library}: mode {picture.mode}, expected RGB")
                    return Image.from_pil(picture.convert("RGB"))
            except PIL.Image.DecompressionBombError as error:
                raise BitstreamError(f"{library}: {error}") from None

    def identity(self) -> Mapping[str, str]:
        """Return the versions of Pillow and of the library behind the format."""
        import PIL
        from PIL import features

        found = {"pillow": PIL.__version__}
        if name := _LIBRARIES.get(self._format):
            found[name] = features.version(name) or "none"
        return found

    def check_available(self) -> None:
        """Raise UnavailableError where this build of Pillow does not write the format."""
        if _writer(self._format) is None:
            raise UnavailableError(
                f"this build of Pillow writes no {self._format}",
                "pip install --upgrade --force-reinstall --no-cache-dir pillow",
            )

    def _arguments(self, quality: Quality) -> dict[str, Any]:
        return {**self._save, self._setting: quality}

    def _decoder(self) -> AbstractContextManager[None]:
        """Return what sets Pillow up for one call of its decoder."""
        return nullcontext()


class AvifCodec(PillowCodec):
    """AVIF as Pillow's libavif writes it, with the number of threads under control.

    Tiles are laid out as `save` says and never by the number of threads, so that the bytes are
    the same on every machine.
    """

    def __init__(self, save: dict[str, Any] | None = None) -> None:
        super().__init__("AVIF", {"autotiling": False, **(save or {})})

    def identity(self) -> Mapping[str, str]:
        """Return the versions of Pillow, libavif and the encoders and decoders behind it."""
        from PIL import features

        found = dict(super().identity())
        if features.check("avif"):
            from PIL import _avif

            found["avif_codecs"] = _avif.codec_versions()
        return found

    def _arguments(self, quality: Quality) -> dict[str, Any]:
        return {**super()._arguments(quality), "max_threads": self._threads}

    @contextmanager
    def _decoder(self) -> Iterator[None]:
        # Pillow has no argument for this: its documentation names the module's variable.
        from PIL import AvifImagePlugin

        before = AvifImagePlugin.DEFAULT_MAX_THREADS
        AvifImagePlugin.DEFAULT_MAX_THREADS = self._threads
        try:
            yield
        finally:
            AvifImagePlugin.DEFAULT_MAX_THREADS = before


def _writer(format: str) -> Callable[..., None] | None:
    """Return Pillow's function that writes `format`, or None where this build has none."""
    import PIL.Image

    PIL.Image.preinit()
    if format not in PIL.Image.SAVE:
        PIL.Image.init()
    return PIL.Image.SAVE.get(format)

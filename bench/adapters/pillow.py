"""Formats that Pillow writes, by itself or through a plug-in, as codecs."""

from __future__ import annotations

import abc
import inspect
import io
import sys
import warnings
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


class PillowFormat(Codec):
    """A format that Pillow saves and opens.

    No metadata is written: what Pillow saves is made from bare pixels. Bytes that are cut, that
    hold another mode than RGB or claim more pixels than Pillow's limit against decompression
    bombs are a BitstreamError.

    Parameters
    ----------
    format : Pillow's name of the format, such as "JPEG" or "WEBP".
    """

    def __init__(self, format: str) -> None:
        self._format = format.upper()
        self._library = f"Pillow's {self._format}"
        self._threads = 1

    def open(self, device: str = "cpu", threads: int = 1) -> None:
        """Load the format's plug-in."""
        self._threads = threads
        self.check_available()

    def encode(self, image: Image, quality: Quality) -> bytes:
        """Return the file that Pillow writes."""
        self.writer()
        file = io.BytesIO()
        with encoding(self._library):
            image.to_pil().save(file, self._format, **self._arguments(quality))
        return file.getvalue()

    def decode(self, bitstream: bytes) -> Image:
        """Return the picture of the file `bitstream`."""
        import PIL.Image

        self.writer()
        with decoding(self._library), self._decoder():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            try:
                with PIL.Image.open(io.BytesIO(bitstream), formats=[self._format]) as picture:
                    if picture.mode not in ("RGB", "P"):
                        raise BitstreamError(f"{self._library}: mode {picture.mode}, expected RGB")
                    return Image.from_pil(picture.convert("RGB"))
            except PIL.UnidentifiedImageError:
                raise BitstreamError(f"{self._library} does not know these bytes") from None
            except PIL.Image.DecompressionBombError as error:
                raise BitstreamError(f"{self._library}: {error}") from None

    def identity(self) -> Mapping[str, str]:
        """Return the versions of Pillow and of the library behind the format."""
        import PIL
        from PIL import features

        found = {"pillow": PIL.__version__}
        if name := _LIBRARIES.get(self._format):
            found[name] = features.version(name) or "none"
        return found

    def check_available(self) -> None:
        """Raise UnavailableError where this Pillow does not write the format."""
        if self.writer() is None:
            raise UnavailableError(
                f"this build of Pillow writes no {self._format}",
                "pip install --upgrade --force-reinstall --no-cache-dir pillow",
            )

    def writer(self) -> Callable[..., None] | None:
        """Return Pillow's function that writes the format, or None where this build has none."""
        import PIL.Image

        PIL.Image.preinit()
        if self._format not in PIL.Image.SAVE:
            PIL.Image.init()
        return PIL.Image.SAVE.get(self._format)

    @abc.abstractmethod
    def _arguments(self, quality: Quality) -> dict[str, Any]:
        """Return the arguments of `PIL.Image.Image.save`."""

    def _decoder(self) -> AbstractContextManager[None]:
        """Return what sets Pillow up for one call of its decoder."""
        return nullcontext()


class PillowCodec(PillowFormat):
    """Any format of Pillow's own, with its options on the card.

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
        super().__init__(format)
        self._save = dict(save or {})
        self._setting = setting
        if writer := self.writer():
            source = inspect.getsource(sys.modules[writer.__module__])
            for name in (*self._save, setting):
                if f'"{name}"' not in source:
                    raise ValueError(f"Pillow's {self._format} takes no argument {name!r}")

    def _arguments(self, quality: Quality) -> dict[str, Any]:
        return {**self._save, self._setting: quality}


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

    def _decoder(self) -> AbstractContextManager[None]:
        # Pillow has no argument for this: its documentation names the module's variable.
        from PIL import AvifImagePlugin

        return variable(AvifImagePlugin, "DEFAULT_MAX_THREADS", self._threads)


@contextmanager
def variable(module: object, name: str, value: object) -> Iterator[None]:
    """Set a module's variable for as long as the context lasts."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)

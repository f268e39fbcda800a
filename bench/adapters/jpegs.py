"""Other encoders of JPEG. Their files are decoded as every JPEG is, by Pillow's libjpeg-turbo, so
that a difference between two JPEG cards is a difference between encoders.
"""

from __future__ import annotations

import abc
import importlib.metadata
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from bench.adapters.guard import encoding
from bench.adapters.pillow import PillowCodec
from bench.codec import Codec, Quality
from bench.image import Image


class _JpegEncoder(Codec):
    """An encoder of JPEG that comes as a Python package."""

    package = ""

    def __init__(self) -> None:
        self._reader = PillowCodec("JPEG")

    @abc.abstractmethod
    def encode(self, image: Image, quality: Quality) -> bytes:
        """Return a JPEG file."""

    def decode(self, bitstream: bytes) -> Image:
        """Return the picture of the JPEG file `bitstream`."""
        return self._reader.decode(bitstream)

    def identity(self) -> Mapping[str, str]:
        """Return the versions of the encoder's package and of the decoder."""
        version = importlib.metadata.version(self.package)
        return {self.package: version, **self._reader.identity()}


class MozjpegCodec(_JpegEncoder):
    """mozjpeg through jpeglib: trellis quantisation, progressive with optimised scans, 4:2:0.

    Parameters
    ----------
    version : the encoder's version, as jpeglib names it.
    """

    package = "jpeglib"

    def __init__(self, version: Literal["mozjpeg300", "mozjpeg403"] = "mozjpeg403") -> None:
        super().__init__()
        self._version = version

    def encode(self, image: Image, quality: Quality) -> bytes:
        """Return a progressive JPEG file."""
        import jpeglib

        with (
            encoding("mozjpeg"),
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            jpeglib.version(self._version),
        ):
            picture = jpeglib.from_spatial(image.pixels)
            picture.samp_factor = ((2, 2), (1, 1), (1, 1))
            path = Path(folder, "out.jpg")
            # Without the flag tables above 255 become 16-bit ones, with a warning on stderr.
            picture.write_spatial(str(path), qt=int(quality), flags=["+FORCE_BASELINE"])
            return path.read_bytes()


class JpegliCodec(_JpegEncoder):
    """jpegli through pyjpegli: adaptive quantisation, sequential, 4:2:0."""

    package = "pyjpegli"

    def encode(self, image: Image, quality: Quality) -> bytes:
        """Return a sequential JPEG file."""
        import pyjpegli

        with encoding("jpegli"):
            return bytes(pyjpegli.encode(image.pixels, image.width, image.height, int(quality)))

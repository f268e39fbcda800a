"""JPEG XL through pillow-jxl-plugin (libjxl)."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from bench.adapters.pillow import PillowFormat, variable
from bench.codec import Quality


class JxlCodec(PillowFormat):
    """Lossy JPEG XL as a bare codestream.

    Parameters
    ----------
    effort : 1 (fast) … 10 (small); libjxl's own default is 7.

    Notes
    -----
    The setting is cjxl's quality, which libjxl turns into a Butteraugli distance: 90 is distance
    1, 30 is 6.4, and below 30 it grows faster, to 25 at 0 (JxlEncoderDistanceFromQuality).
    """

    def __init__(self, effort: int = 7) -> None:
        if not 1 <= effort <= 10:
            raise ValueError(f"effort: 1 … 10 was expected, got {effort}")
        super().__init__("JXL")
        self._effort = effort

    def identity(self) -> Mapping[str, str]:
        """Return the version of the plug-in, whose wheel holds libjxl."""
        return {"pillow-jxl-plugin": importlib.metadata.version("pillow-jxl-plugin")}

    def writer(self) -> Callable[..., None] | None:
        """Import the plug-in, which registers itself, and return its function that writes."""
        import pillow_jxl  # noqa: F401

        return super().writer()

    def _arguments(self, quality: Quality) -> dict[str, Any]:
        return {"quality": quality, "effort": self._effort, "num_threads": self._workers}

    def _decoder(self) -> AbstractContextManager[None]:
        from pillow_jxl import JpegXLImagePlugin

        return variable(JpegXLImagePlugin, "DECODE_THREADS", self._workers)

    @property
    def _workers(self) -> int:
        # 0 is no thread pool at all: libjxl works in the calling thread.
        return self._threads if self._threads > 1 else 0

"""HEIF stills with HEVC inside, through pillow-heif (libheif, x265, libde265)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

from bench.adapters.pillow import PillowFormat, variable
from bench.codec import Quality
from bench.errors import UnavailableError


class HeifCodec(PillowFormat):
    """HEVC intra pictures in a HEIF file.

    Parameters
    ----------
    chroma : "420" or "444".
    preset : x265's preset.
    tune : what x265 optimises for.
    """

    def __init__(
        self,
        chroma: Literal["420", "444"] = "420",
        preset: Literal["veryfast", "faster", "fast", "medium", "slow", "veryslow"] = "slow",
        tune: Literal["psnr", "ssim"] = "ssim",
    ) -> None:
        super().__init__("HEIF")
        self._encoder = {"chroma": chroma, "preset": preset, "tune": tune}

    def identity(self) -> Mapping[str, str]:
        """Return the versions of pillow-heif, libheif, the encoder and the decoder."""
        import pillow_heif

        info = pillow_heif.libheif_info()
        return {
            "pillow_heif": pillow_heif.__version__,
            "libheif": info["libheif"],
            "encoder": info["HEIF"],
            "decoders": ", ".join(sorted(info["decoders"].values())),
        }

    def check_available(self) -> None:
        """Raise UnavailableError where the package carries no HEVC encoder."""
        import pillow_heif

        if not pillow_heif.libheif_info()["HEIF"]:
            raise UnavailableError(
                "this build of pillow-heif carries no HEVC encoder",
                "pip install --upgrade --force-reinstall --no-cache-dir pillow-heif",
            )

    def writer(self) -> Callable[..., None] | None:
        """Register pillow-heif with Pillow and return its function that writes HEIF."""
        import pillow_heif

        pillow_heif.register_heif_opener()
        return super().writer()

    def _arguments(self, quality: Quality) -> dict[str, Any]:
        # A pool of one worker keeps the wavefront syntax, and with it the bytes, of many workers.
        return {
            "quality": quality,
            "enc_params": {**self._encoder, "x265:pools": str(self._threads)},
        }

    def _decoder(self) -> AbstractContextManager[None]:
        from pillow_heif import options

        return variable(options, "DECODE_THREADS", self._threads)

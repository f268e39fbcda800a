"""The ffmpeg that imageio-ffmpeg carries, as an external program."""

from __future__ import annotations

from pathlib import Path

from bench.adapters.command import CommandCodec
from bench.adapters.programs import run_program
from bench.errors import CodecError, UnavailableError


class FfmpegCodec(CommandCodec):
    """A command whose program ``ffmpeg`` is the one in the wheel of imageio-ffmpeg.

    Options are those of :class:`CommandCodec`.
    """

    def check_available(self) -> None:
        """Raise UnavailableError where the program lacks an encoder that the command names."""
        super().check_available()
        wanted = [
            word
            for flag, word in zip(self._encode, self._encode[1:], strict=False)
            if flag.startswith(("-c:v", "-vcodec"))
        ]
        for encoder in wanted:
            try:
                help_text = run_program(
                    [str(self._program("ffmpeg")), "-hide_banner", "-h", f"encoder={encoder}"],
                    Path.cwd(),
                    timeout=60,
                    threads=1,
                )
            except CodecError as error:
                raise UnavailableError(f"ffmpeg does not start: {error}") from None
            if "is not recognized" in help_text:
                raise UnavailableError(
                    f"this ffmpeg has no encoder {encoder}",
                    "pip install --upgrade 'imageio-ffmpeg>=0.8'",
                )

    def _program(self, name: str) -> Path:
        if name != "ffmpeg":
            return super()._program(name)
        try:
            import imageio_ffmpeg
        except ImportError:
            raise UnavailableError("the Python package imageio-ffmpeg is not installed") from None
        try:
            return Path(imageio_ffmpeg.get_ffmpeg_exe()).resolve()
        except RuntimeError as error:
            raise UnavailableError(f"imageio-ffmpeg: {error}") from None

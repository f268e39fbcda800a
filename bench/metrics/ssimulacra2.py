"""SSIMULACRA 2, by the official program.

Ports to other languages give scores that differ by whole points: only libjxl's own tool counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from bench.adapters.programs import find_program, last_lines, program_digest, run_program
from bench.errors import CodecError, NotApplicableError, UnavailableError
from bench.image import Image
from bench.metrics.metric import Metric

_PROGRAM = "ssimulacra2"
_SHORTEST = 8
#: Seconds for one pair of images; a 768x512 pair takes half a second.
_TIMEOUT = 900.0


class Ssimulacra2(Metric):
    """SSIMULACRA 2: 100 for identical images, 90 is visually lossless, 50 medium, below 0 bad."""

    name: ClassVar[str] = "ssimulacra2"
    title: ClassVar[str] = "SSIMULACRA 2"
    range: ClassVar[tuple[float, float]] = (-math.inf, 100.0)
    reference: ClassVar[str] = "J. Sneyers, SSIMULACRA 2, Cloudinary 2022; the program of libjxl"
    needs: ClassVar[str] = f"a short side of {_SHORTEST} pixels or more; the program {_PROGRAM}"

    def check_available(self) -> None:
        """Raise UnavailableError where the program is not on the PATH."""
        try:
            find_program(_PROGRAM)
        except UnavailableError as error:
            raise UnavailableError(
                str(error),
                "building libjxl (https://github.com/libjxl/libjxl) with "
                f"-DJPEGXL_ENABLE_DEVTOOLS=ON; the program is build/tools/{_PROGRAM}",
            ) from None

    def identity(self) -> Mapping[str, str]:
        """Return the digest of the program and its libraries."""
        self.check_available()
        return {"program": program_digest(find_program(_PROGRAM))[:16]}

    def prepare(self, reference: Image) -> None:
        """Refuse images that are too small."""
        side = min(reference.width, reference.height)
        if side < _SHORTEST:
            raise NotApplicableError(
                f"SSIMULACRA 2 needs a short side of {_SHORTEST} pixels or more, the image has "
                f"{side}"
            )

    def measure(self, reference: Image, distorted: Image, prepared: Any) -> float:
        """Return the score. Raises CodecError where the program fails."""
        with TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            files = {"original.png": reference, "decoded.png": distorted}
            for file, image in files.items():
                image.to_pil().save(folder / file, compress_level=1)
            words = run_program([str(find_program(_PROGRAM)), *files], folder, _TIMEOUT, threads=1)
        score = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*", words)
        if score is None:
            raise CodecError(f"{_PROGRAM} printed no score: {last_lines(words)}")
        return float(score[1])

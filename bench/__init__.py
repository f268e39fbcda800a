"""Benchmark and evaluation suite for image compression.

The public face: :func:`run` measures codecs over a data set and returns a :class:`Run` with
pandas frames; :func:`ablate` does so for a codec and its variants; :class:`Codec`,
:func:`declare_codec`, :class:`Metric` and :class:`Image` are what a plug-in is made of. Everything
is imported on first use, so ``import bench`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bench.ablation import ablate as ablate
    from bench.api import Run as Run
    from bench.api import run as run
    from bench.codec import Codec as Codec
    from bench.codec import declare_codec as declare_codec
    from bench.errors import BenchError as BenchError
    from bench.image import Image as Image
    from bench.image import read_image as read_image
    from bench.metrics.metric import Metric as Metric

_PUBLIC = {
    "ablate": "bench.ablation",
    "run": "bench.api",
    "Run": "bench.api",
    "Codec": "bench.codec",
    "declare_codec": "bench.codec",
    "BenchError": "bench.errors",
    "Image": "bench.image",
    "read_image": "bench.image",
    "Metric": "bench.metrics.metric",
}

__all__ = [
    "BenchError",
    "Codec",
    "Image",
    "Metric",
    "Run",
    "ablate",
    "declare_codec",
    "read_image",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

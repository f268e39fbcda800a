"""Metrics: one module each, and the names they go by.

:func:`select_metrics` turns what a user writes into names, :func:`metric_identity` a name into
what the cache knows its values by; :mod:`bench.metrics.measure` computes them.
"""

from __future__ import annotations

from bench.metrics.select import metric_identity, select_metrics

__all__ = ["BUILT_IN", "DEFAULT", "metric_identity", "select_metrics"]

#: Name to ``module:Class``; loaded on first use.
BUILT_IN: dict[str, str] = {
    "bpp": "bench.metrics.rate:BitsPerPixel",
    "compression-ratio": "bench.metrics.rate:CompressionRatio",
    "psnr": "bench.metrics.psnr:Psnr",
    "psnr-y": "bench.metrics.psnr:PsnrY",
    "ssim": "bench.metrics.ssim:Ssim",
    "ms-ssim": "bench.metrics.ms_ssim:MsSsim",
    "ms-ssim-db": "bench.metrics.ms_ssim:MsSsimDb",
    "lpips": "bench.metrics.lpips:Lpips",
    "lpips-vgg": "bench.metrics.lpips:LpipsVgg",
    "lpips-squeeze": "bench.metrics.lpips:LpipsSqueeze",
    "ssimulacra2": "bench.metrics.ssimulacra2:Ssimulacra2",
}

#: What `bench run` measures unless told otherwise, besides the rate.
DEFAULT: tuple[str, ...] = ("psnr", "psnr-y", "ssim", "ms-ssim", "ms-ssim-db", "lpips")

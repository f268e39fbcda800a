"""Metrics: one module each."""

from __future__ import annotations

#: Name to ``module:Class``; loaded on first use.
BUILT_IN: dict[str, str] = {
    "psnr": "bench.metrics.psnr:Psnr",
}

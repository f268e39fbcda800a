"""Small hybrid codecs, one per switch, for the tests."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, Any] = {
    "widths": [16, 16, 32], "decoder_widths": [16, 16, 32], "channels": 96, "hyper": 8,
    "context": 16, "groups": 3, "heads": 2, "window": 4, "vq_codes": 32, "vq_width": 16,
}  # fmt: skip
NO_ATTENTION = {"attention": "none", "refine": False, "cross_attention": False, "position": "none"}
AE = {"latent": "ae", "rdo": 0, "cross_attention": False}
VQ = {"quantizer": "vq", "rdo": 0, "cross_attention": False}

#: Name to what differs from SMALL.
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "dct": {"start": "dct"},
    "random": {"start": "random"},
    "plain": {"backbone": "plain"},
    "mobilenet": {"backbone": "mobilenet"},
    "vit": {"backbone": "vit", "squeeze_excite": False},
    "bottleneck": {"block": "bottleneck"},
    "pool": {"downsample": "pool"},
    "no-squeeze": {"squeeze_excite": False},
    "no-attention": NO_ATTENTION,
    "window-attention": {"attention": "window"},
    "no-self-attention": {"attention": "none"},
    "no-refine": {"refine": False},
    "no-cross": {"cross_attention": False},
    "learned-positions": {"position": "learned"},
    "sinusoidal-positions": {"position": "sinusoidal"},
    "no-positions": {"position": "none"},
    "noise": {"quantizer": "noise"},
    "soft": {"quantizer": "soft"},
    "threshold": {"quantizer": "threshold"},
    "curvature": {"quantizer": "threshold", "curvature": [0.8, 0.2, 0.3]},
    "vq": VQ,
    "ae": AE,
    "ae-noise": {**AE, "quantizer": "noise"},
    "no-checkerboard": {"checkerboard": False},
    "one-group": {"groups": 1},
    "lattice": {"lattice": True},
    "parts": {"parts": 3},
    "lattice-and-parts": {"lattice": True, "parts": 2, "checkerboard": False},
    "no-rdo": {"rdo": 0},
    "rdo-by-channel": {"rdo": [0.01, 3, 0.3]},
    "steps": {"steps": 1.3},
    "steps-by-channel": {"steps": [0.7, 2.2, 1.3], "lattice": True, "parts": 2},
    "start-alone": {**NO_ATTENTION, "widths": [], "decoder_widths": []},
    "deep": {"depths": [1, 2, 2]},
}

#: Sizes rather than switches: they change what is computed, too.
SIZES: dict[str, dict[str, Any]] = {
    "heads": {"heads": 4}, "window": {"window": 2}, "gain_points": {"gain_points": 3},
    "context": {"context": 24}, "hyper": {"hyper": 12}, "channels": {"channels": 112},
    "vq_stages": {**VQ, "vq_stages": 6}, "vq_codes": {**VQ, "vq_codes": 16},
    "vq_width": {**VQ, "vq_width": 24},
}  # fmt: skip


def arguments(name: str) -> dict[str, Any]:
    """Return the settings of a variant."""
    return {**SMALL, **(VARIANTS | SIZES)[name]}

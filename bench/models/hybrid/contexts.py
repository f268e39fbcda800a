"""What the parts of the entropy model have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

#: Takes means, logarithms of scales, the group's channels, and the squares of the checkerboard or
#: None for all; returns the reconstructed latent. All are (batch, channels, squares).
Take = Callable[[Tensor, Tensor, slice, Tensor | None], Tensor]


@dataclass(frozen=True)
class Setting:
    """A quality, as the entropy model sees it.

    Parameters
    ----------
    level : about -2 … 2, (batch, 1, 1, 1).
    log_scale : logarithm of the scales before anything is learned, (batch, channels, 1, 1).
    """

    level: Tensor
    log_scale: Tensor


def magnitude(v: Tensor) -> Tensor:
    """Return a concave, piecewise linear measure of size: small values differ most."""
    size = v.abs()
    return size.clamp(max=1) + size.clamp(max=4) * 0.25 + size.clamp(max=32) * 0.03125


def features(v: Tensor) -> Tensor:
    """Return sign and size of a latent in steps, twice its channels."""
    return torch.cat([v.clamp(-8, 8) * 0.25, magnitude(v)], 1)

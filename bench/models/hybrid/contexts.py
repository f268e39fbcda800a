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
    log_step : logarithm of the factor on each channel's step, (batch, channels, 1), or None where
        all are 1.
    """

    level: Tensor
    log_scale: Tensor
    log_step: Tensor | None = None

    def in_steps(self, take: Take) -> Take:
        """Return what takes means and scales of the latent times its gains for `take` in steps."""
        if self.log_step is None:
            return take
        # Rounded, as machines may disagree on the last bit of an exponential.
        log_step, step = self.log_step, torch.exp(self.log_step).float().to(self.log_step)

        def scaled(mean: Tensor, log_scale: Tensor, part: slice, squares: Tensor | None) -> Tensor:
            own = step[:, part]
            return take(mean / own, log_scale - log_step[:, part], part, squares) * own

        return scaled


def magnitude(v: Tensor) -> Tensor:
    """Return a concave, piecewise linear measure of size: small values differ most."""
    size = v.abs()
    return size.clamp(max=1) + size.clamp(max=4) * 0.25 + size.clamp(max=32) * 0.03125


def features(v: Tensor) -> Tensor:
    """Return sign and size of a latent times its gains, twice its channels."""
    return torch.cat([v.clamp(-8, 8) * 0.25, magnitude(v)], 1)

"""Holding a rate: a controller moves the weight of the rate until the mean rate is the target."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.errors import UsageError

#: How far the multiplier may go either way, as a logarithm.
LIMIT = math.log(100.0)


class RateController(nn.Module):
    """A proportional-integral controller in the logarithm of the rate.

    Its state travels with checkpoints. In several processes each sees the mean over all of them.

    Parameters
    ----------
    target : bits per pixel, the mean over a batch and so over the qualities that it holds.
    gain : part of the error that a step adds to the multiplier's logarithm.
    damping : proportional part: how much an error counts at once.

    Raises
    ------
    UsageError : a target that is not positive.
    """

    integral: Tensor
    rate: Tensor

    def __init__(self, target: float, gain: float = 0.05, damping: float = 1.0) -> None:
        super().__init__()
        if not target > 0:
            raise UsageError(f"loss.target_bpp: bits per pixel above 0 were expected: {target}")
        self.target, self.gain, self.damping = target, gain, damping
        self.register_buffer("integral", torch.zeros(()))
        #: The rate's moving average; 0 before the first step.
        self.register_buffer("rate", torch.zeros(()))

    def multiplier(self) -> float:
        """Return the weight of the rate."""
        if self.rate == 0:
            return 1.0
        total = float(self.integral) + self.damping * self._error()
        return math.exp(max(-LIMIT, min(LIMIT, total)))

    @torch.no_grad()
    def update(self, rate: Tensor) -> None:
        """Take in the mean rate of a step, a scalar in bits per pixel."""
        rate = rate.detach().clone()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(rate)
            rate /= torch.distributed.get_world_size()
        self.rate.copy_(rate if self.rate == 0 else torch.lerp(self.rate, rate, 0.2))
        step = self.gain * max(-1.0, min(1.0, self._error()))
        self.integral.add_(step).clamp_(-LIMIT, LIMIT)

    def _error(self) -> float:
        return math.log(float(self.rate) / self.target)

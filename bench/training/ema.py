"""The moving average of the weights: what is validated and released."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class Average(nn.Module):
    """Exponential moving average of a network's parameters; buffers are copied.

    Early on it follows faster, so that the start does not linger.
    """

    updates: torch.Tensor

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take one step's weights in."""
        self.updates += 1
        count = int(self.updates)
        decay = min(self.decay, (1 + count) / (10 + count))
        new = network.state_dict()
        averaged: list[tuple[torch.Tensor, torch.Tensor]] = []
        for name, old in self.network.state_dict().items():
            if old.is_floating_point() and old.shape == new[name].shape:
                averaged.append((old, new[name].to(old)))
            else:
                old.copy_(new[name])
        # Together: on a GPU each tensor by itself would wait for its own launch.
        for dtype in {old.dtype for old, _ in averaged}:
            olds, news = zip(*(pair for pair in averaged if pair[0].dtype == dtype), strict=True)
            torch._foreach_lerp_(olds, news, 1 - decay)


@contextmanager
def evaluating(network: ModuleT) -> Iterator[ModuleT]:
    """Give a copy of `network` that is frozen and in evaluation mode."""
    twin = copy.deepcopy(network).eval().requires_grad_(False)
    yield twin

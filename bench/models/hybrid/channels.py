"""Settings that differ by channel: a curve over the latent's channels, the strongest first."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import torch
from torch import Tensor

#: One number for all channels, or those of the strongest and of the weakest there can be, the
#: latter at the lowest and at the highest quality.
ByChannel = float | tuple[float, float, float]
#: Coefficients of a block of 16×16 in three colours: the rank of the weakest there can be.
RANKS = 768
#: How the logarithm of the rank leads from one end to the other.
SHAPE = 1.5


def faults_of(name: str, values: object, zero: bool = False) -> list[str]:
    """Return what is wrong with `values` as read from a card; `zero`: whether one number alone may
    be that.
    """
    if isinstance(values, tuple):
        if len(values) != 3 or not all(_is_number(one) and 0 < one < math.inf for one in values):
            return [f"{name}: a number, or three positive ones were expected, got {list(values)}"]
    elif not _is_number(values):
        return [f"{name}: a number, or three positive ones were expected, got {values!r}"]
    elif not (0 < values < math.inf or (zero and values == 0)):
        return [f"{name}: {'zero or ' if zero else ''}a positive number was expected"]
    return []


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def by_channel(values: ByChannel, channels: int, share: Tensor) -> Tensor:
    """Return each channel's value, (batch, channels, 1), in the dtype of `share`.

    Parameters
    ----------
    channels : of the latent, the strongest first.
    share : qualities, (batch,), as shares of the highest: 0 … 1.
    """
    if not isinstance(values, tuple):
        return share.new_full((len(share), channels, 1), values)
    strongest, coarse, fine = (math.log(value) for value in values)
    weakest = coarse + (fine - coarse) * share
    ranks = torch.arange(1, channels + 1, dtype=share.dtype, device=share.device)
    place = (ranks.log() / math.log(RANKS)) ** SHAPE
    logarithm = strongest + (weakest[:, None] - strongest) * place
    return torch.exp(logarithm)[..., None]

"""Where mixed precision has to stop: bfloat16 has eight bits, fewer than a pixel."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

Method = TypeVar("Method", bound=Callable[..., Any])


def full_precision(method: Method) -> Method:
    """Make a method compute in the precision of its weights, also under ``torch.autocast``.

    Its first argument is a tensor; where autocast made 16 bits of any, they become float32.
    """

    @wraps(method)
    def wrapped(self: Any, x: Tensor, *others: Any) -> Any:
        if not torch.is_autocast_enabled(x.device.type):
            return method(self, x, *others)
        with torch.autocast(x.device.type, enabled=False):
            return method(self, _widened(x), *(_widened(one) for one in others))

    return wrapped  # type: ignore[return-value]


def _widened(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16)
    return value.float() if half else value

"""Multiply-accumulates of what PyTorch computes, counted while it computes it.

PyTorch's own formulas know convolutions (transposed and grouped ones too) and matrix products, and
with them what einsum and linear layers come down to. What they pass over in silence is added here:
attention on the CPU and products with a vector. As in the literature, a product with a bias added
is one operation, and elementwise work (activations, normalisation, rounding) counts as none; the
matrix in a GDN does count, its squares and roots don't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_ATEN = torch.ops.aten
_ATTENTION = (
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_fused_attention_overrideable",
)


class MacCounter:
    """Counts while it is open: in all, and within calls that are watched."""

    def __init__(self) -> None:
        self._mode = _Counting()

    @property
    def macs(self) -> int:
        """Multiply-accumulates so far: half of the floating-point operations."""
        return self._mode.operations // 2

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Count from here on."""
        fast = torch.backends.mha.get_fastpath_enabled()
        # One operation that holds a whole layer, and that no formula looks into.
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with self._mode:
                yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)

    @contextmanager
    def watched(self, owner: object, method: str) -> Iterator[list[int]]:
        """Yield a list that gets the count of every call of `owner.method` in the meantime."""
        original, counts = getattr(owner, method), list[int]()

        def watch(*args: Any, **options: Any) -> Any:
            before = self.macs
            try:
                return original(*args, **options)
            finally:
                counts.append(self.macs - before)

        # Over the class's own, for this object alone.
        setattr(owner, method, watch)
        try:
            yield counts
        finally:
            delattr(owner, method)


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return 2 * prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _matrix_vector(matrix: Tensor, *_: Any, **__: Any) -> int:
    return 2 * matrix.numel()


def _plus_matrix_vector(_bias: Tensor, matrix: Tensor, *_: Any, **__: Any) -> int:
    return 2 * matrix.numel()


#: Formulas by operation: floating-point operations from its arguments.
_FORMULAS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    **{getattr(_ATEN, name): _attention for name in _ATTENTION if hasattr(_ATEN, name)},
    _ATEN.mv: _matrix_vector,
    _ATEN.dot: _matrix_vector,
    _ATEN.addmv: _plus_matrix_vector,
}


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation; not `FlopCounterMode`, whose tracking of modules needs gradients."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        formula = _FORMULAS.get(func.overloadpacket)
        if formula is None:
            # In inference mode composite operations come whole; their parts are looked at instead.
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
            return func(*args, **kwargs)
        out = func(*args, **kwargs)
        self.operations += int(formula(*args, **kwargs, out_val=out))
        return out

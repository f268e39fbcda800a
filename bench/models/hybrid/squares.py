"""The squares of a checkerboard, as lists: what is asked for is all that is computed.

A latent's positions are numbered row by row. Values on some squares are (batch, channels, number of
squares), in the order of those numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.entropy.exact import ExactConv2d

#: A kernel of 5×5 sees the other colour of the checkerboard with every second tap, 12 of 25.
KERNEL = 5
REACH = KERNEL // 2
TAPS = KERNEL**2 // 2
#: Sizes of which the lists are kept: a data set has few, a folder of photos any number.
SIZES = 8


ListsT = TypeVar("ListsT", bound=Callable[..., object])
_CONSTANT: list[Callable[..., object]] = []


def constant(lists: ListsT) -> ListsT:
    """Mark a function whose lists depend on a size and a device alone."""
    _CONSTANT.append(lists)
    return lists


def compile_as_constants() -> None:
    """Let ``torch.compile`` take the lists as constants: their lengths depend on what they hold."""
    # Not where they are marked: it would bring the compiler in, and every codec would wait for it.
    for lists in _CONSTANT:
        torch.compiler.assume_constant_result(lists)  # type: ignore[no-untyped-call]


def checkerboard(height: int, width: int, device: torch.device) -> Tensor:
    """Return the black squares as booleans (height, width)."""
    rows = torch.arange(height, device=device)[:, None]
    return (rows + torch.arange(width, device=device)) % 2 == 0


@constant
def colours(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the numbers of the black and of the white squares, int64."""
    return _colours(height, width, device)


@lru_cache(SIZES)
@torch.inference_mode(False)  # who codes first and trains then gets tensors that take part
def _colours(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    black = checkerboard(height, width, device).flatten()
    return black.nonzero()[:, 0], (~black).nonzero()[:, 0]


def pick(planes: Tensor, squares: Tensor | None) -> Tensor:
    """Return the values of (batch, channels, height, width) on `squares`; on all for None."""
    flat = planes.flatten(2)
    return flat if squares is None else flat.index_select(2, squares)


def put(planes: Tensor, squares: Tensor | None, values: Tensor) -> Tensor:
    """Return `planes` with `values` on `squares`; on all for None."""
    if squares is None:
        return values.reshape(planes.shape)
    whole = planes.flatten(2).scatter(2, squares.expand(values.shape), values)
    return whole.reshape(planes.shape)


def white_from_black(
    layer: nn.Conv2d | ExactConv2d, black: Tensor, size: tuple[int, int]
) -> Tensor:
    """Return what a 5×5 convolution of the black squares' values gives on the white ones.

    The same as with zeros on the white squares, without the taps that would see them; bit for bit
    so in exact arithmetic.

    Parameters
    ----------
    black : (batch, inputs, black squares).
    size : height and width of the latent.
    """
    # Every tap's product first, then each white square adds up what its neighbours have for it.
    weight, bias = layer.weight, layer.bias
    if isinstance(layer, ExactConv2d):
        weight, bias, black = layer.kernels(), layer.bias.flatten(), layer.rounded(black)
    assert bias is not None
    taps = weight.flatten(2)[..., 1::2].permute(2, 0, 1).flatten(0, 1)
    products = F.linear(black.transpose(1, 2), taps).reshape(len(black), -1, len(bias))
    products = F.pad(products, (0, 0, 0, 1))
    gathered = products.index_select(1, _neighbours(*size, black.device))
    white = gathered.reshape(len(black), -1, TAPS, len(bias)).sum(2)
    return (white + bias).transpose(1, 2)


@constant
def _neighbours(height: int, width: int, device: torch.device) -> Tensor:
    """Return for every white square and tap the number of the product, int64; one more than there
    are where the tap looks beyond the border.
    """
    return _white_neighbours(height, width, device)


@lru_cache(SIZES)
@torch.inference_mode(False)
def _white_neighbours(height: int, width: int, device: torch.device) -> Tensor:
    black = checkerboard(height, width, torch.device("cpu"))
    count = int(black.sum())
    number = torch.full((height + 2 * REACH, width + 2 * REACH), count)
    number[REACH:-REACH, REACH:-REACH][black] = torch.arange(count)
    row, column = (~black).nonzero(as_tuple=True)
    found = []
    for tap in range(TAPS):
        down, right = divmod(2 * tap + 1, KERNEL)
        at = number[row + down, column + right]
        found.append(torch.where(at == count, count * TAPS, at * TAPS + tap))
    return torch.stack(found, 1).flatten().to(device)

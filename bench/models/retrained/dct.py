"""Block DCTs of decorrelated colours, and the steps from one block size to the doubled one.

A coefficient of a block of 2s×2s is a sum over the coefficients of its four blocks of s×s: a
convolution with stride 2. So a cascade of such convolutions is a block transform.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.models.hybrid.transform import dct2, opponent_colours


def kernels(size: int) -> Tensor:
    """Return the basis functions of a block, float64 (3 size², 3, size, size), orthonormal.

    The order is colour, vertical frequency, horizontal frequency.
    """
    rows, colours = dct2(size), opponent_colours()
    basis = torch.einsum("ck,ui,vj->cuvkij", colours, rows, rows)
    return basis.reshape(3 * size**2, 3, size, size)


def doubling(size: int) -> Tensor:
    """Return what makes blocks of 2·size from blocks of `size`, orthonormal.

    float64 (12 size², 3 size², 2, 2): coefficient of the large block, coefficient of a small one,
    which of its four places.
    """
    small, large = dct2(size), dct2(2 * size)
    # (large frequency, place, small frequency)
    line = torch.einsum("upi,ki->upk", large.reshape(2 * size, 2, size), small)
    pair = torch.einsum("upk,vql->uvklpq", line, line).reshape(4 * size**2, size**2, 2, 2)
    whole = torch.zeros(3, 4 * size**2, 3, size**2, 2, 2, dtype=torch.float64)
    for colour in range(3):
        whole[colour, :, colour] = pair
    return whole.reshape(12 * size**2, 3 * size**2, 2, 2)


def analysis(x: Tensor, size: int) -> Tensor:
    """Return the coefficients (batch, 3 size², height/size, width/size) of `x` in 0 … 1."""
    return F.conv2d(x - 0.5, kernels(size).to(x), stride=size)


def synthesis(y: Tensor, size: int) -> Tensor:
    """Return the image, the inverse of :func:`analysis`."""
    return F.conv_transpose2d(y, kernels(size).to(y), stride=size) + 0.5


def strongest(images: Tensor, size: int, count: int) -> Tensor:
    """Return the numbers of the `count` coefficients with most energy over `images`, strongest
    first; `images` is (n, 3, height, width) in 0 … 1.
    """
    energy = torch.stack([analysis(one[None], size).square().mean((0, 2, 3)) for one in images])
    return energy.mean(0).argsort(descending=True, stable=True)[:count]


def frequencies(size: int) -> Tensor:
    """Return colour, vertical and horizontal frequency of every coefficient, (3 size², 3)."""
    return torch.cartesian_prod(torch.arange(3), torch.arange(size), torch.arange(size))

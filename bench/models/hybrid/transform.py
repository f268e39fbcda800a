"""The start: a lapped transform in decorrelated colours, from which learning only goes up.

Blocks of 16×16 of an orthonormal luminance-chrominance transform go through a DCT-II. Before it, a
filter over every block boundary takes out what neighbouring blocks share; after the inverse DCT
its inverse smooths the boundaries (time-domain lapped transform). Matrices are parameters:
training refines them, analysis and synthesis apart.

References
----------
T. D. Tran, J. Liang, C. Tu, "Lapped transform via time-domain pre- and post-filtering", IEEE
Transactions on Signal Processing 51(6), 2003.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bench.models.precision import full_precision

BLOCK = 16
#: Scale of the boundary filter's first pair: above 1 the transform is biorthogonal. Measured on
#: training photos, one run each: 1.3 needs about 9 % less rate than 1, and 1.5 slightly less still.
BOUNDARY_SCALE = 1.5


def dct2(size: int) -> Tensor:
    """Return the orthonormal DCT-II, float64 (size, size), a basis function per row."""
    k, n = torch.meshgrid(*2 * (torch.arange(size, dtype=torch.float64),), indexing="ij")
    matrix = torch.cos(math.pi * (n + 0.5) * k / size) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix


def dct4(size: int) -> Tensor:
    """Return the orthonormal DCT-IV, float64 (size, size)."""
    k, n = torch.meshgrid(*2 * (torch.arange(size, dtype=torch.float64) + 0.5,), indexing="ij")
    return torch.cos(math.pi * n * k / size) * math.sqrt(2 / size)


def boundary_filter(size: int, scale: float) -> Tensor:
    """Return the pre-filter over the `size` samples around a block boundary, float64."""
    half = size // 2
    eye = torch.eye(half, dtype=torch.float64)
    flip = eye.flip(0)
    butterfly = torch.cat([torch.cat([eye, flip], 1), torch.cat([flip, -eye], 1)]) / math.sqrt(2)
    scales = torch.ones(half, dtype=torch.float64)
    scales[0] = scale
    both = torch.zeros(size, size, dtype=torch.float64)
    both[:half, :half] = eye
    both[half:, half:] = flip @ dct2(half).T @ torch.diag(scales) @ dct4(half) @ flip
    return butterfly @ both @ butterfly


def opponent_colours() -> Tensor:
    """Return the orthonormal transform from RGB to luminance and two chrominances, float64."""
    rows = torch.tensor([[1, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float64)
    return rows / rows.square().sum(1, keepdim=True).sqrt()


class BlockTransform(nn.Module):
    """Analysis and synthesis of the start; exact inverses of one another until they are trained.

    Parameters
    ----------
    channels : coefficients kept of the 768 of a block.
    lapped : whether blocks overlap.
    means_first : whether the first channels are the blocks' means, whatever their strength.
    """

    order: Tensor
    energy: Tensor

    def __init__(self, channels: int, lapped: bool, means_first: bool = False) -> None:
        super().__init__()
        self.channels, self.lapped, self.means_first = channels, lapped, means_first
        colours, dct = opponent_colours(), dct2(BLOCK)
        pre = boundary_filter(BLOCK, BOUNDARY_SCALE)
        self.colours = nn.Parameter(colours.float())
        self.colours_back = nn.Parameter(colours.T.contiguous().float())
        self.dct = nn.Parameter(dct.float())
        self.dct_back = nn.Parameter(dct.T.contiguous().float())
        if lapped:
            self.pre = nn.Parameter(pre.float())
            self.post = nn.Parameter(torch.linalg.inv(pre).float())
        energy = _model_of_photos()
        order = self._strongest(energy)
        self.register_buffer("order", order)
        #: Mean magnitude of each kept coefficient, for images in 0 … 1.
        self.register_buffer("energy", energy[order].float())

    @full_precision
    def analysis(self, x: Tensor) -> Tensor:
        """Return coefficients (batch, channels, height / 16, width / 16), strongest first.

        `x` is (batch, 3, height, width) in 0 … 1, sizes multiples of 16.
        """
        planes = torch.einsum("ck,bkhw->bchw", self.colours, x - 0.5)
        if self.lapped:
            planes = _filter(planes, self.pre)
        batch, colours, height, width = planes.shape
        blocks = planes.reshape(batch, colours, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
        rows = torch.einsum("ui,bchiwj->bcuhwj", self.dct, blocks)
        both = torch.einsum("vj,bcuhwj->bcuvhw", self.dct, rows)
        return both.flatten(1, 3)[:, self.order]

    @full_precision
    def synthesis(self, y: Tensor) -> Tensor:
        """Return the image, about 0 … 1, for coefficients as :meth:`analysis` returns them."""
        batch, _, height, width = y.shape
        full = y.new_zeros(batch, 3 * BLOCK**2, height, width)
        full = full.index_copy(1, self.order, y)
        both = full.reshape(batch, 3, BLOCK, BLOCK, height, width)
        rows = torch.einsum("jv,bcuvhw->bcuhwj", self.dct_back, both)
        blocks = torch.einsum("iu,bcuhwj->bchiwj", self.dct_back, rows)
        planes = blocks.reshape(batch, 3, height * BLOCK, width * BLOCK)
        if self.lapped:
            planes = _filter(planes, self.post)
        return torch.einsum("kc,bchw->bkhw", self.colours_back, planes) + 0.5

    def weights(self) -> Tensor:
        """Return how much an error in each coefficient weighs in the image: the norm of its
        synthesis function, float32 (channels,).
        """
        with torch.no_grad():
            norms = self.dct_back.norm(dim=0)
            if self.lapped:
                half = BLOCK // 2
                spread = torch.zeros(2 * BLOCK, BLOCK)
                spread[:BLOCK] = self.post[:, half:] @ self.dct_back[:half]
                spread[BLOCK:] = self.post[:, :half] @ self.dct_back[half:]
                norms = spread.norm(dim=0)
            return torch.outer(norms, norms).flatten().repeat(3)[self.order]

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Order the coefficients by their mean magnitude over `images`, and keep it as a prior.

        Keep the strongest of them; `images` is (n, 3, height, width) in 0 … 1.
        """
        self.order = torch.arange(3 * BLOCK**2, device=images.device)
        mean = torch.stack([self.analysis(one[None]).abs().mean((0, 2, 3)) for one in images])
        energy = mean.mean(0)
        self.order = self._strongest(energy)
        self.energy = energy[self.order].clamp_min(1e-4)

    def _strongest(self, energy: Tensor) -> Tensor:
        """Return the numbers of the coefficients to keep, of 768, in their order."""
        if self.means_first:
            energy = energy.clone()
            energy[:: BLOCK**2] = math.inf
        return energy.argsort(descending=True, stable=True)[: self.channels]


def _filter(planes: Tensor, matrix: Tensor) -> Tensor:
    """Apply `matrix` to the samples around every inner block boundary, both ways."""
    half = BLOCK // 2
    for dim in (-1, -2):
        lines = planes.transpose(-1, dim)
        inner = lines.shape[-1] // BLOCK - 1
        if inner == 0:
            continue
        first, middle, last = lines[..., :half], lines[..., half:-half], lines[..., -half:]
        windows = middle.reshape(*middle.shape[:-1], inner, BLOCK) @ matrix.T
        planes = torch.cat([first, windows.flatten(-2), last], -1).transpose(-1, dim)
    return planes


def _model_of_photos() -> Tensor:
    """Return the mean magnitude of the 768 coefficients of a typical photo, float64.

    Magnitudes fall with the frequency, chrominance lies a factor of four below luminance. Only
    where training starts without :meth:`BlockTransform.fit`.
    """
    u, v = torch.meshgrid(*2 * (torch.arange(BLOCK, dtype=torch.float64),), indexing="ij")
    luminance = 1.6 / (1 + torch.hypot(u, v)) ** 1.6
    return torch.cat([luminance.flatten(), *2 * (luminance.flatten() / 4,)])

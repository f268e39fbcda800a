"""Attention: in windows, over the whole image, and across to the side information.

References
----------
Z. Liu et al., "Swin transformer", ICCV 2021 (windows, relative positions). W. Wang et al.,
"Pyramid vision transformer", ICCV 2021 (keys at a reduced resolution). A. Vaswani et al.,
"Attention is all you need", NeurIPS 2017 (sinusoidal positions).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.hybrid.config import Position

#: Keys of global attention lie on a grid of at most this many rows and columns: its cost grows
#: with the image and not with its square.
KEY_GRID = 12


class Positions(nn.Module):
    """Where a token is: added to the tokens, or as a bias of the attention.

    Parameters
    ----------
    kind : "learned": a vector per place of a grid that is stretched over the tokens; "sinusoidal":
        sines and cosines of rows and columns; "relative": a bias per head that depends on the
        offset between two tokens; "none".
    channels, heads : of the attention.
    grid : places each way of the learned grid, and reach of relative offsets.
    """

    def __init__(self, kind: Position, channels: int, heads: int, grid: int) -> None:
        super().__init__()
        self.kind, self.channels, self.grid = kind, channels, grid
        if kind == "learned":
            self.table = nn.Parameter(0.02 * torch.randn(1, channels, grid, grid))
        elif kind == "relative":
            self.table = nn.Parameter(torch.zeros(heads, 2 * grid - 1, 2 * grid - 1))

    def add(self, x: Tensor) -> Tensor:
        """Return tokens (batch, channels, height, width) that know where they are."""
        height, width = x.shape[2:]
        if self.kind == "learned":
            if (height, width) == (self.grid, self.grid):
                return x + self.table
            return x + F.interpolate(self.table, (height, width), mode="bilinear")
        if self.kind == "sinusoidal":
            return x + _waves(self.channels, height, width, x)
        return x

    def bias(self, queries: tuple[int, int], keys: tuple[int, int]) -> Tensor | None:
        """Return the attention's bias (heads, queries, keys) between two grids, or None."""
        if self.kind != "relative":
            return None
        device = self.table.device
        rows = _offsets(queries[0], keys[0], self.grid, device)
        columns = _offsets(queries[1], keys[1], self.grid, device)
        picked = self.table[:, rows[:, None, :, None], columns[None, :, None, :]]
        return picked.flatten(3).flatten(1, 2)


class Attention(nn.Module):
    """Multi-head attention between tokens; its output begins at zero."""

    def __init__(self, channels: int, heads: int, keys: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(keys or channels, 2 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, context: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return (batch, n, channels) for `x` (batch, n, channels), `context` (batch, m, keys)."""
        query = self._split(self.query(x))
        key, value = (self._split(part) for part in self.key_value(context).chunk(2, dim=-1))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class WindowAttention(nn.Module):
    """Self-attention within windows, residual."""

    def __init__(self, channels: int, heads: int, window: int, position: Position) -> None:
        super().__init__()
        self.window = window
        self.norm = nn.LayerNorm(channels)
        self.positions = Positions(position, channels, heads, window)
        self.attention = Attention(channels, heads)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape (batch, channels, height, width)."""
        size, (_, channels, height, width) = self.window, x.shape
        over = -width % size, -height % size
        padded = F.pad(x, (0, over[0], 0, over[1]), mode="replicate") if any(over) else x
        rows, columns = padded.shape[2] // size, padded.shape[3] // size
        windows = padded.reshape(-1, channels, rows, size, columns, size)
        windows = windows.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, size, size)
        tokens = self.norm(self.positions.add(windows).flatten(2).transpose(1, 2))
        mixed = self.attention(tokens, tokens, self.positions.bias((size, size), (size, size)))
        back = mixed.transpose(1, 2).reshape(-1, rows, columns, channels, size, size)
        image = back.permute(0, 3, 1, 4, 2, 5).reshape(padded.shape)
        out: Tensor = x + image[..., :height, :width]
        return out


class GlobalAttention(nn.Module):
    """Every position looks at the whole image, averaged to a coarse grid; residual."""

    def __init__(self, channels: int, heads: int, position: Position) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.positions = Positions(position, channels, heads, KEY_GRID)
        self.attention = Attention(channels, heads)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape (batch, channels, height, width)."""
        placed = self.positions.add(x)
        size = (x.shape[2], x.shape[3])
        grid = (min(KEY_GRID, size[0]), min(KEY_GRID, size[1]))
        keys = F.adaptive_avg_pool2d(placed, grid)
        mixed = self.attention(
            self.norm(_tokens(placed)), self.norm(_tokens(keys)), self.positions.bias(size, grid)
        )
        out: Tensor = x + mixed.transpose(1, 2).reshape(x.shape)
        return out


class CrossAttention(nn.Module):
    """Features look at the side information that the bitstream holds; residual."""

    def __init__(self, channels: int, side: int, heads: int, position: Position) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.positions = Positions(position, channels, heads, KEY_GRID)
        self.attention = Attention(channels, heads, keys=side)

    def forward(self, x: Tensor, z_hat: Tensor) -> Tensor:
        """Return the shape of `x`; `z_hat` is (batch, side, any height, any width)."""
        size = (x.shape[2], x.shape[3])
        grid = (min(KEY_GRID, z_hat.shape[2]), min(KEY_GRID, z_hat.shape[3]))
        keys = _tokens(F.adaptive_avg_pool2d(z_hat, grid))
        queries = self.norm(_tokens(self.positions.add(x)))
        mixed = self.attention(queries, keys, self.positions.bias(size, grid))
        out: Tensor = x + mixed.transpose(1, 2).reshape(x.shape)
        return out


class TransformerBlock(nn.Module):
    """Window attention and a pointwise network: the block of the `vit` backbone.

    References
    ----------
    A. Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021.
    """

    def __init__(self, channels: int, heads: int, window: int, position: Position) -> None:
        super().__init__()
        self.attention = WindowAttention(channels, heads, window, position)
        self.norm = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        x = self.attention(x)
        mixed: Tensor = self.mlp(self.norm(x.permute(0, 2, 3, 1)))
        return x + mixed.permute(0, 3, 1, 2)


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def _offsets(queries: int, keys: int, grid: int, device: torch.device) -> Tensor:
    """Return how far each key is from each query, as an index into 2 · grid - 1 places."""
    # Both grids span the same image: compare them in units of the learned grid.
    at = (torch.arange(queries, device=device) + 0.5) * (grid / queries)
    there = (torch.arange(keys, device=device) + 0.5) * (grid / keys)
    return ((there[None] - at[:, None]).round().long() + grid - 1).clamp(0, 2 * grid - 2)


def _waves(channels: int, height: int, width: int, like: Tensor) -> Tensor:
    quarter = channels // 4
    speeds = torch.exp(torch.arange(quarter) * (-math.log(1000.0) / max(1, quarter)))
    waves = []
    for size, shape in ((height, (-1, height, 1)), (width, (-1, 1, width))):
        angle = speeds[:, None] * torch.arange(size)
        for wave in (torch.sin(angle), torch.cos(angle)):
            waves.append(wave.reshape(shape).expand(quarter, height, width))
    return 0.1 * torch.cat(waves)[None].to(like)

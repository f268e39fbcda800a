"""Images to tensors and back, as learned codecs take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from bench.image import Image, Pixels

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: How an image is widened to a network's multiple: by its last pixels, or mirrored.
Padding = Literal["replicate", "reflect"]


def padded(size: int, multiple: int) -> int:
    """Return the next multiple of `multiple` from `size` on."""
    return -(-size // multiple) * multiple


def to_tensor(
    image: Image, multiple: int, device: torch.device, padding: Padding = "replicate"
) -> Tensor:
    """Return float32 (1, 3, height, width) in 0 … 1, widened at the right and at the bottom until
    both sides are multiples of `multiple`.
    """
    import torch

    below = padded(image.height, multiple) - image.height
    right = padded(image.width, multiple) - image.width
    widths = (0, below), (0, right), (0, 0)
    if padding == "replicate":
        pixels = np.pad(image.pixels, widths, mode="edge")
    else:
        # "symmetric" repeats the edge, and so is defined for a single row or column as well.
        pixels = np.pad(image.pixels, widths, mode="symmetric")
    tensor = torch.from_numpy(pixels).to(device)
    return (tensor.permute(2, 0, 1).unsqueeze(0).float() / 255).contiguous()


def to_pixels(image: Tensor) -> Pixels:
    """Return uint8 pixels (height, width, 3) for an image (1, 3, height, width) in 0 … 1."""
    rounded = (image[0] * 255).round().permute(1, 2, 0)
    return np.ascontiguousarray(rounded.cpu().numpy().astype(np.uint8))

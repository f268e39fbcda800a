"""The cost of a learned codec, measured while it encodes and decodes a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
import torch
import torch.nn.functional as F

from bench.codec import Complexity
from bench.image import Image
from bench.profile.counting import MacCounter
from bench.profile.memory import peak_memory

#: A method that is a transform, as object and name.
Method = tuple[object, str]


def measure(
    encode: Callable[[], bytes],
    decode: Callable[[bytes], object],
    network: torch.nn.Module,
    size: tuple[int, int],
    transforms: tuple[Method, Method] | None,
) -> Complexity:
    """Return what one call of `encode` and one of `decode` take.

    Parameters
    ----------
    network : what encodes and decodes; its weights are counted.
    size : height and width of the picture that is encoded.
    transforms : the analysis and the decoder's synthesis; all the rest is the entropy part, and the
        search of an encoder that has one. None where they can't be told apart.
    """
    device = next(network.parameters()).device
    counter = MacCounter()
    analysis, synthesis = list[int](), list[int]()
    with torch.inference_mode(), ExitStack() as stack:
        if transforms is not None:
            analysis = stack.enter_context(counter.watched(*transforms[0]))
            synthesis = stack.enter_context(counter.watched(*transforms[1]))
        stack.enter_context(counter.opened())
        bitstream, encode_bytes = peak_memory(encode, device)
        encoding = counter.macs
        # What an encoder synthesises in search of a better latent is its own.
        synthesis.clear()
        _, decode_bytes = peak_memory(lambda: decode(bitstream), device)
        decoding = counter.macs - encoding
    pixels = size[0] * size[1]
    return Complexity(
        parameters=sum(weight.numel() for weight in network.parameters()),
        encode_kmac=encoding / pixels / 1e3,
        decode_kmac=decoding / pixels / 1e3,
        analysis_kmac=_share(analysis, pixels) if transforms else None,
        synthesis_kmac=_share(synthesis, pixels) if transforms else None,
        # Bytes per pixel are megabytes per megapixel.
        encode_memory=encode_bytes / pixels,
        decode_memory=decode_bytes / pixels,
        size=f"{size[1]}x{size[0]}",
        device=str(device),
    )


def picture(size: tuple[int, int]) -> Image:
    """Return a smooth random picture, always the same: what it shows hardly matters to cost."""
    coarse = np.random.default_rng(0).random((1, 3, -(-size[0] // 16), -(-size[1] // 16)))
    smooth = F.interpolate(torch.from_numpy(coarse), size, mode="bilinear")
    return Image((255 * smooth[0]).round().byte().permute(1, 2, 0).contiguous().numpy())


def _share(counts: Sequence[int], pixels: int) -> float:
    return sum(counts) / pixels / 1e3

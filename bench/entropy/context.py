"""Coding a latent under an autoregressive context model, in wavefront order.

A 5×5 mask sees two rows above and two columns to either side. So the position (i, j) depends on
nothing that is decoded later than step j + 3i: all positions of a step are decoded at once, and a
latent of h × w takes w + 3 (h - 1) steps instead of h w, at the same rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from bench.entropy.coder import Decoder, Encoder
from bench.entropy.exact import ExactLinear, ExactRows, exact
from bench.entropy.latents import FactorizedCoder, to_integers
from bench.entropy.tables import Floats, Ints
from bench.errors import CodecError

if TYPE_CHECKING:
    from bench.models.entropy_models import EntropyBottleneck, GaussianConditional
    from bench.models.layers import MaskedConv2d

Places = npt.NDArray[np.integer[Any]]
#: Rows, columns and means of a step and the indices of its scales, to its symbols.
Symbols = Callable[[Places, Places, Floats, Places], "Floats | Ints"]

_REACH = 2  # of a 5×5 mask
_SLOPE = 3  # the column two to the right, one row above, must be decoded a step earlier
#: The mask's taps as (rows, columns) from the centre, in raster order.
_TAPS = [(i, j) for i in (-2, -1, 0) for j in range(-_REACH, _REACH + 1 if i else 0)]
#: How many steps' products with a tap are computed at once: as many as it is old, in steps. With
#: few rows a product is bound by the reading of the weights.
_TOGETHER = (4, 2, 1)


def _taps_of(level: int) -> list[int]:
    """Return the taps that `_TOGETHER[level]` steps multiply at once."""
    newest, oldest = _TOGETHER[level], (_TOGETHER[level - 1] if level else 1 << 10)
    return [at for at, (i, j) in enumerate(_TAPS) if newest <= -_SLOPE * i - j < oldest]


def wavefront(height: int, width: int) -> Iterator[tuple[Places, Places]]:
    """Yield for every step the rows and columns (of the same length) that it decodes."""
    for step in range(width + _SLOPE * (height - 1)):
        first = max(0, -((width - 1 - step) // _SLOPE))
        rows = np.arange(first, min(height - 1, step // _SLOPE) + 1)
        yield rows, step - _SLOPE * rows


@dataclass(frozen=True)
class _Canvas:
    """The latent as it is being decoded, a row per position, with a frame of zeros around it."""

    values: Floats
    height: int
    width: int

    @classmethod
    def empty(cls, height: int, width: int, channels: int) -> _Canvas:
        rows = (height + _REACH) * (width + 2 * _REACH)
        return cls(np.zeros((rows, channels)), height, width)

    def positions(self, rows: Places, columns: Places) -> Places:
        """Return the rows of `values` that hold the given positions."""
        return (rows + _REACH) * (self.width + 2 * _REACH) + columns + _REACH

    def taps(self, chosen: Sequence[int]) -> Places:
        """Return how far some of the mask's positions are from its centre, in rows of `values`."""
        taps: Places = np.array(_TAPS)[chosen]
        away: Places = taps[:, 0] * (self.width + 2 * _REACH) + taps[:, 1]
        return away

    def around(self, here: Places, taps: Places) -> Floats:
        """Return what is at `taps` around every position, (positions, taps * channels)."""
        return self.values.take(here[:, None] + taps, axis=0).reshape(len(here), -1)

    def image(self) -> Tensor:
        """Return the latent, float32 (1, channels, height, width)."""
        framed = self.values.reshape(self.height + _REACH, self.width + 2 * _REACH, -1)
        inner = torch.from_numpy(framed[_REACH:, _REACH:-_REACH])
        return inner.permute(2, 0, 1).unsqueeze(0).float()


class ContextCoder:
    """A latent whose means and scales come from side information z and from what is decoded.

    Parameters
    ----------
    hyper_analysis : y to z, in float32: the decoder never runs it.
    hyper_synthesis : z to parameters of y's size.
    context : the masked convolution over the decoded latent.
    entropy_parameters : 1×1 convolutions from both to scales and means.
    """

    ratio = 4

    def __init__(
        self,
        hyper_analysis: Callable[[Tensor], Tensor],
        hyper_synthesis: nn.Module,
        prior: EntropyBottleneck,
        conditional: GaussianConditional,
        context: MaskedConv2d,
        entropy_parameters: nn.Sequential,
    ) -> None:
        self.hyper_analysis = hyper_analysis
        self.hyper_synthesis = exact(hyper_synthesis)
        self.side = FactorizedCoder(prior)
        self.boundaries: Floats = conditional.scale_table[:-1].double().cpu().numpy()
        self.tables = conditional.tables()
        if self.tables.rows != len(self.boundaries) + 1:
            raise CodecError(
                f"{self.tables.rows} tables can't serve {len(self.boundaries) + 1} scales"
            )
        self.products = _context_products(context)
        self.latents = context.in_channels
        self.from_side, self.from_context, self.rest = _split(
            entropy_parameters, context.out_channels
        )

    def encode(self, y: Tensor, z: Tensor | None = None) -> tuple[bytes, Tensor]:
        """See :class:`bench.models.base.LatentCoder`; `z` is side information of another latent
        than `y`, not rounded.
        """
        encoder = Encoder()
        z = self.hyper_analysis(y) if z is None else z
        z_hat = self.side.put(encoder, z)
        latent: Floats = y[0].permute(1, 2, 0).double().contiguous().cpu().numpy()
        steps: list[tuple[Ints, Places]] = []

        def quantise(rows: Places, columns: Places, mean: Floats, index: Places) -> Floats:
            symbols = latent[rows, columns]
            symbols -= mean
            np.rint(symbols, out=symbols)
            steps.append((to_integers(symbols), index))
            return symbols

        y_hat = self._run(z_hat, (y.shape[2], y.shape[3]), quantise)
        symbols, index = (np.concatenate(parts) for parts in zip(*steps, strict=True))
        encoder.put(symbols, index, self.tables, sizes=[len(part) for _, part in steps])
        return encoder.finish(), y_hat

    def decode(self, payload: bytes, size: tuple[int, int]) -> Tensor:
        """See :class:`bench.models.base.LatentCoder`."""
        decoder = Decoder(payload)
        z_hat = self.side.take(decoder, (size[0] // self.ratio, size[1] // self.ratio))

        def read(rows: Places, columns: Places, mean: Floats, index: Places) -> Ints:
            return decoder.take(index, self.tables).reshape(mean.shape)

        y_hat = self._run(z_hat, size, read)
        decoder.finish()
        return y_hat

    def _run(self, z_hat: Tensor, size: tuple[int, int], symbols_of: Symbols) -> Tensor:
        """Go through the wavefront; `symbols_of` quantises (encoder) or reads (decoder) a step.

        On the CPU, wherever the network is: steps are small and wait for one another.
        """
        height, width = size
        side = self.from_side(self.hyper_synthesis(z_hat)[0].flatten(1).T).cpu().numpy()
        canvas = _Canvas.empty(height, width, self.latents)
        steps = list(wavefront(height, width))
        places = [canvas.positions(rows, columns) for rows, columns in steps]
        seen = self._seen(canvas, places)
        for (rows, columns), here, context in zip(steps, places, seen, strict=True):
            hidden = self.from_context(context)
            hidden += side[rows * width + columns]
            parameters = self.rest(hidden)
            scale, mean = parameters[:, : self.latents], parameters[:, self.latents :]
            index = np.searchsorted(self.boundaries, scale).ravel()
            canvas.values[here] = symbols_of(rows, columns, mean, index) + mean
        return canvas.image().to(z_hat.device)

    def _seen(self, canvas: _Canvas, places: Sequence[Places], level: int = 0) -> Iterator[Floats]:
        """Yield what the context model makes of the neighbours of each step's `places`; a step
        must be on the canvas before the next is asked for.
        """
        taps, together = canvas.taps(_taps_of(level)), _TOGETHER[level]
        for first in range(0, len(places), together):
            chunk = places[first : first + together]
            sums = self.products[level](canvas.around(np.concatenate(chunk), taps))
            if level == len(_TOGETHER) - 1:
                yield sums
                continue
            done = 0
            for here, newer in zip(chunk, self._seen(canvas, chunk, level + 1), strict=True):
                newer += sums[done : done + len(here)]
                done += len(here)
                yield newer


class _Tail:
    """The entropy parameters after their first layer, on rows."""

    def __init__(self, layers: nn.Sequential) -> None:
        self._layers = [_on_rows(layer) for layer in layers]

    def __call__(self, x: Floats) -> Floats:
        """Return (rows, outputs) for float64 (rows, inputs)."""
        for layer in self._layers:
            x = layer(x)
        return x


def _context_products(context: MaskedConv2d) -> list[ExactRows]:
    """Return the masked convolution as products with the visible positions, oldest taps first."""
    if context.kernel_size != (2 * _REACH + 1, 2 * _REACH + 1):
        raise CodecError(f"the context model must be a 5×5 convolution, not {context}")
    weight = context.weight.detach().flatten(2).transpose(1, 2)
    levels = [weight[:, _taps_of(level)].flatten(1) for level in range(len(_TOGETHER))]
    return [ExactRows(part, None if i else context.bias) for i, part in enumerate(levels)]


def _split(layers: nn.Sequential, context: int) -> tuple[ExactLinear, ExactRows, _Tail]:
    """Return the first layer's share for side information and for context, and what follows.

    The first share does not depend on what is decoded and is computed for all positions at once.
    """
    first = layers[0]
    if not isinstance(first, nn.Conv2d) or first.kernel_size != (1, 1):
        raise CodecError("the entropy parameters must begin with a 1×1 convolution")
    weight = first.weight.detach()[:, :, 0, 0]
    side = weight.shape[1] - context
    tail = _Tail(nn.Sequential(*layers[1:]))
    return ExactLinear(weight[:, :side], first.bias), ExactRows(weight[:, side:], None), tail


def _on_rows(layer: nn.Module) -> Callable[[Floats], Floats]:
    if isinstance(layer, nn.LeakyReLU | nn.ReLU):
        slope = layer.negative_slope if isinstance(layer, nn.LeakyReLU) else 0.0
        return lambda x: np.maximum(x, x * slope)
    if not isinstance(layer, nn.Conv2d) or (layer.kernel_size, layer.groups) != ((1, 1), 1):
        raise CodecError(f"the entropy parameters must be 1×1 convolutions, not {layer}")
    return ExactRows(layer.weight[:, :, 0, 0], layer.bias)

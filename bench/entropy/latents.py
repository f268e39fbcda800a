"""Coding a latent under a factorized prior or a hyperprior."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from bench.entropy.coder import Decoder, Encoder
from bench.entropy.exact import exact
from bench.entropy.tables import Floats, Ints, Tables
from bench.errors import CodecError

if TYPE_CHECKING:
    from bench.models.entropy_models import EntropyBottleneck, GaussianConditional

_LARGEST = float(1 << 30)
_BROKEN = "the latent is not finite or beyond 2**30: the weights are broken"


def to_symbols(values: Tensor) -> Ints:
    """Return rounded values as flat int32. Raises CodecError where one is not finite or huge."""
    if not bool((values.abs() <= _LARGEST).all()):
        raise CodecError(_BROKEN)
    numbers: Ints = values.to(torch.int32).flatten().cpu().numpy()
    return numbers


def to_integers(values: Floats) -> Ints:
    """Do what :func:`to_symbols` does for an array. Raises CodecError."""
    if not np.abs(values).max() <= _LARGEST:
        raise CodecError(_BROKEN)
    return values.astype(np.int32).ravel()


class FactorizedCoder:
    """A latent whose channels each have one table.

    Parameters
    ----------
    prior : the entropy model, with pinned tables.
    """

    def __init__(self, prior: EntropyBottleneck) -> None:
        self.medians = prior.medians[:, None, None]
        self.tables = prior.tables()
        if self.tables.rows != prior.channels:
            raise CodecError(f"{self.tables.rows} tables can't serve {prior.channels} channels")

    def put(self, encoder: Encoder, z: Tensor) -> Tensor:
        """Append `z` (1, channels, height, width) to `encoder`; return it quantised, float64."""
        symbols = torch.round(z - self.medians)
        encoder.put(to_symbols(symbols), self._rows(z.shape[2] * z.shape[3]), self.tables)
        return symbols.double() + self.medians

    def take(self, decoder: Decoder, size: tuple[int, int]) -> Tensor:
        """Return what :meth:`put` returned: float64 (1, channels, \\*size)."""
        values = decoder.take(self._rows(size[0] * size[1]), self.tables)
        symbols = torch.from_numpy(values).reshape(1, -1, *size).to(self.medians.device)
        return symbols.double() + self.medians

    def encode(self, y: Tensor) -> tuple[bytes, Tensor]:
        """See :class:`bench.models.base.LatentCoder`."""
        encoder = Encoder()
        y_hat = self.put(encoder, y)
        return encoder.finish(), y_hat.float()

    def decode(self, payload: bytes, size: tuple[int, int]) -> Tensor:
        """See :class:`bench.models.base.LatentCoder`."""
        decoder = Decoder(payload)
        y_hat = self.take(decoder, size)
        decoder.finish()
        return y_hat.float()

    def _rows(self, positions: int) -> Ints:
        return np.repeat(np.arange(self.tables.rows, dtype=np.int32), positions)


class HyperpriorCoder:
    """A latent whose scales, and means if `means`, come from side information z.

    The coder sees round(y - mean) and the index of a tabulated scale; both come from exact
    arithmetic, so that every machine decodes what any machine encoded.

    Parameters
    ----------
    hyper_analysis : y to z, in float32: the decoder never runs it.
    hyper_synthesis : z to scales, or to scales and means.
    """

    #: Height and width of y are those of z times this.
    ratio = 4

    def __init__(
        self,
        hyper_analysis: Callable[[Tensor], Tensor],
        hyper_synthesis: nn.Module,
        prior: EntropyBottleneck,
        conditional: GaussianConditional,
        means: bool = False,
    ) -> None:
        self.hyper_analysis = hyper_analysis
        self.hyper_synthesis = exact(hyper_synthesis)
        self.side = FactorizedCoder(prior)
        self.means = means
        self.boundaries = conditional.scale_table[:-1].double()
        self.tables: Tables = conditional.tables()
        if self.tables.rows != len(self.boundaries) + 1:
            raise CodecError(
                f"{self.tables.rows} tables can't serve {len(self.boundaries) + 1} scales"
            )

    def encode(self, y: Tensor, z: Tensor | None = None) -> tuple[bytes, Tensor]:
        """See :class:`bench.models.base.LatentCoder`; `z` is side information of another latent
        than `y`, not rounded.
        """
        encoder = Encoder()
        z = self.hyper_analysis(y) if z is None else z
        index, mean = self._parameters(self.side.put(encoder, z))
        symbols = torch.round(y.double() - mean)
        encoder.put(to_symbols(symbols), _flat(index), self.tables)
        return encoder.finish(), (symbols + mean).float()

    def decode(self, payload: bytes, size: tuple[int, int]) -> Tensor:
        """See :class:`bench.models.base.LatentCoder`."""
        decoder = Decoder(payload)
        z_hat = self.side.take(decoder, (size[0] // self.ratio, size[1] // self.ratio))
        index, mean = self._parameters(z_hat)
        values = torch.from_numpy(decoder.take(_flat(index), self.tables))
        decoder.finish()
        return (values.reshape(index.shape).to(index.device) + mean).float()

    def _parameters(self, z_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scale's index (int32) and the mean (float64) of every value of y."""
        parameters = self.hyper_synthesis(z_hat)
        if self.means:
            scale, mean = parameters.chunk(2, dim=1)
        else:
            scale, mean = parameters, parameters.new_zeros(())
        return torch.bucketize(scale.contiguous(), self.boundaries, out_int32=True), mean


def _flat(index: Tensor) -> Ints:
    numbers: Ints = index.flatten().cpu().numpy()
    return numbers

"""Entropy models: what the networks are trained with, and the tables that the coder uses.

Parameter and buffer names follow CompressAI, whose published checkpoints load without a change.
"""

from __future__ import annotations

import abc
import copy
import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.entropy.tables import TOTAL, Floats, Tables, gaussian, stack
from bench.errors import CodecError
from bench.models.layers import LowerBound

TAIL = 1e-9
#: 64 standard deviations from 0.11 to 256, evenly spaced in the logarithm (Ballé 2018).
SCALES = tuple(np.exp(np.linspace(math.log(0.11), math.log(256), 64)).astype(np.float32).tolist())

#: No factorized prior has more symbols than this; a checkpoint that asks for more is broken.
MAX_SYMBOLS = 1 << 14


class EntropyModel(nn.Module, abc.ABC):
    """What both models share: a floor under likelihoods, and tables that travel with the weights.

    The tables are integer buffers of the state dictionary, empty until :meth:`pin` fills them.
    """

    _offset: Tensor
    _quantized_cdf: Tensor
    _cdf_length: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.likelihood_lower_bound = LowerBound(1e-9)
        self.register_buffer("_offset", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("_quantized_cdf", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("_cdf_length", torch.zeros(0, dtype=torch.int32))

    @property
    def pinned(self) -> bool:
        """Whether the tables are there."""
        return self._quantized_cdf.numel() > 0

    @abc.abstractmethod
    def make_tables(self) -> Tables:
        """Compute the tables from the parameters, in float64 on the CPU."""

    def pin(self, tables: Tables | None = None) -> None:
        """Store tables in the buffers, those of the parameters by default: the end of training."""
        tables = self.make_tables() if tables is None else tables
        device = self._offset.device
        self._quantized_cdf = torch.from_numpy(tables.cdf).to(device)
        self._cdf_length = torch.from_numpy(tables.lengths).to(device)
        self._offset = torch.from_numpy(tables.offsets).to(device)

    def tables(self) -> Tables:
        """Return the pinned tables. Raises CodecError where they are missing or damaged."""
        if not self.pinned:
            raise CodecError("the entropy model's tables are not pinned: call pin() first")
        cdf, lengths, offsets = (
            np.ascontiguousarray(buffer.cpu().numpy().astype(np.int32))
            for buffer in (self._quantized_cdf, self._cdf_length.flatten(), self._offset.flatten())
        )
        return Tables(cdf, lengths, offsets)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:  # type: ignore[no-untyped-def]
        name = f"{prefix}_quantized_cdf"
        if (saved := state_dict.get(name)) is not None and saved.dtype == torch.uint16:
            state_dict[name] = unpacked(saved, state_dict[f"{prefix}_cdf_length"])
        # The size of the tables is known from the state dictionary alone.
        for name in ("_offset", "_quantized_cdf", "_cdf_length", "scale_table"):
            saved, own = state_dict.get(prefix + name), getattr(self, name, None)
            if isinstance(saved, Tensor) and isinstance(own, Tensor):
                setattr(self, name, own.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def packed(cdf: Tensor, lengths: Tensor) -> Tensor:
    """Return tables as they are released, uint16 (n,): row after row without padding and without
    the 0 and the 65536 that every row begins and ends with.

    `cdf` is int32 (rows, width), `lengths` int32 (rows,).
    """
    rows = zip(cdf, lengths.tolist(), strict=True)
    return torch.cat([row[1 : length - 1] for row, length in rows]).to(torch.uint16)


def unpacked(flat: Tensor, lengths: Tensor) -> Tensor:
    """Return the tables that :func:`packed` took, int32 (rows, width). Raises CodecError."""
    sizes = [length - 2 for length in lengths.flatten().tolist()]
    if min(sizes, default=-1) < 0 or sum(sizes) != flat.numel():
        raise CodecError("the entropy model's tables are damaged: their lengths do not add up")
    cdf = torch.zeros(len(sizes), max(sizes) + 2, dtype=torch.int32)
    for row, part in zip(cdf, torch.split(flat.to(torch.int32), sizes), strict=True):
        row[1 : len(part) + 1] = part
        row[len(part) + 1] = TOTAL
    return cdf


class EntropyBottleneck(EntropyModel):
    """A factorized prior: one learned, freely shaped density per channel.

    References
    ----------
    J. Ballé et al., "Variational image compression with a scale hyperprior", ICLR 2018,
    appendix 6.1.
    """

    target: Tensor

    def __init__(
        self, channels: int, filters: tuple[int, ...] = (3, 3, 3, 3), init_scale: float = 10.0
    ) -> None:
        super().__init__()
        self.channels = channels
        widths = (1, *filters, 1)
        layers = len(widths) - 1
        spread = init_scale ** (1 / layers)
        self.matrices = nn.ParameterList()
        self.biases = nn.ParameterList()
        self.factors = nn.ParameterList()
        for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            slope = math.log(math.expm1(1 / spread / outputs))
            self.matrices.append(nn.Parameter(torch.full((channels, outputs, inputs), slope)))
            self.biases.append(nn.Parameter(torch.empty(channels, outputs, 1).uniform_(-0.5, 0.5)))
            if i < layers - 1:
                self.factors.append(nn.Parameter(torch.zeros(channels, outputs, 1)))
        start = torch.tensor([-init_scale, 0.0, init_scale])
        self.quantiles = nn.Parameter(start.repeat(channels, 1, 1))
        logit = math.log(2 / TAIL - 1)
        self.register_buffer("target", torch.tensor([-logit, 0.0, logit]))

    @property
    def medians(self) -> Tensor:
        """The median of each channel, shape (channels,)."""
        return self.quantiles[:, 0, 1].detach()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `x` quantised, and the likelihood of each value.

        Quantised means with uniform noise while training, rounded about the median otherwise.
        Shapes: `x` and both results (batch, channels, height, width).
        """
        if self.training:
            x = x + torch.empty_like(x).uniform_(-0.5, 0.5)
        else:
            median = self.medians[:, None, None]
            x = torch.round(x - median) + median
        return x, self.likelihood(x)

    def likelihood(self, x: Tensor) -> Tensor:
        """Return the likelihood of quantised or noisy values (batch, channels, height, width)."""
        values = x.transpose(0, 1).flatten(1).unsqueeze(1)
        lower, upper = self._logits(values - 0.5), self._logits(values + 0.5)
        likelihood: Tensor = self.likelihood_lower_bound(
            torch.sigmoid(upper) - torch.sigmoid(lower)
        )
        batch, channels, height, width = x.shape
        return likelihood.reshape(channels, batch, height, width).transpose(0, 1)

    def loss(self) -> Tensor:
        """Return how far the quantiles are from the tails and the median: the auxiliary loss.

        It trains the quantiles alone, which bound the tables.
        """
        return (self._logits(self.quantiles, frozen=True) - self.target).abs().sum()

    @torch.no_grad()
    def fit_quantiles(self) -> None:
        """Put the quantiles where the auxiliary loss has its minimum, by bisection.

        The density is the same before and after; no optimiser has to follow it.
        """
        reach = 2.0 * MAX_SYMBOLS
        goal = self.target.double().expand(self.channels, 1, -1)
        low, high = torch.full_like(goal, -reach), torch.full_like(goal, reach)
        for _ in range(50):
            middle = (low + high) / 2
            below = self._logits(middle) < goal
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        self.quantiles.copy_(high)

    def make_tables(self) -> Tables:
        """Return a table per channel, over the whole numbers around its median."""
        with torch.no_grad():
            prior = copy.deepcopy(self).cpu()
            quantiles = prior.quantiles[:, 0].double()
            median = quantiles[:, 1]
            below = torch.ceil(median - quantiles[:, 0]).clamp(min=0)
            above = torch.ceil(quantiles[:, 2] - median).clamp(min=0)
            if not bool((below + above < MAX_SYMBOLS).all()):
                raise CodecError(
                    f"the factorized prior spans more than {MAX_SYMBOLS} symbols: its quantiles "
                    "are untrained or broken"
                )
            longest = int((below + above).max()) + 1
            first = median - below
            edges = first[:, None, None] + torch.arange(longest + 1, dtype=torch.float64) - 0.5
            cumulative = torch.sigmoid(prior._logits(edges))[:, 0].numpy()
        pmfs = [
            _with_tail(row[: int(b + a) + 2])
            for row, b, a in zip(cumulative, below, above, strict=True)
        ]
        return stack(pmfs, [-int(b) for b in below])

    def _logits(self, x: Tensor, frozen: bool = False) -> Tensor:
        """Return the logit of the distribution function; shapes (channels, 1, n)."""
        for i, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            factor = self.factors[i] if i < len(self.factors) else None
            if frozen:
                matrix, bias = matrix.detach(), bias.detach()
                factor = None if factor is None else factor.detach()
            x = F.softplus(matrix.to(x.dtype)) @ x + bias.to(x.dtype)
            if factor is not None:
                x = x + torch.tanh(factor.to(x.dtype)) * torch.tanh(x)
        return x


class GaussianConditional(EntropyModel):
    """Gaussians whose mean and scale a hyperprior or a context model predicts.

    References
    ----------
    J. Ballé et al., "Variational image compression with a scale hyperprior", ICLR 2018.
    D. Minnen et al., "Joint autoregressive and hierarchical priors for learned image
    compression", NeurIPS 2018.
    """

    scale_table: Tensor
    scale_bound: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.lower_bound_scale = LowerBound(SCALES[0])
        self.register_buffer("scale_table", torch.tensor(SCALES))
        self.register_buffer("scale_bound", torch.tensor([SCALES[0]]))

    def forward(
        self, x: Tensor, scales: Tensor, means: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return `x` quantised about the means, and the likelihood of each value; one shape."""
        if self.training:
            quantised = x + torch.empty_like(x).uniform_(-0.5, 0.5)
        elif means is None:
            quantised = torch.round(x)
        else:
            quantised = torch.round(x - means) + means
        return quantised, self.likelihood(quantised if means is None else quantised - means, scales)

    def likelihood(self, residual: Tensor, scales: Tensor) -> Tensor:
        """Return the likelihood of quantised or noisy values less their means; one shape."""
        distance = residual.abs()
        scales = self.lower_bound_scale(scales)
        inside = _normal_cdf((0.5 - distance) / scales) - _normal_cdf((-0.5 - distance) / scales)
        likelihood: Tensor = self.likelihood_lower_bound(inside)
        return likelihood

    def make_tables(self) -> Tables:
        """Return a table per scale."""
        if self.scale_table.numel() == 0:
            self.scale_table = torch.tensor(SCALES, device=self.scale_table.device)
        return gaussian(self.scale_table.cpu().double().numpy())

    def index(self, scales: Tensor) -> Tensor:
        """Return the index of the smallest tabulated scale that is not below each of `scales`.

        Parameters
        ----------
        scales : float64 of any shape, from exact arithmetic. Below the smallest counts as the
            smallest, above the largest as the largest.
        """
        return torch.bucketize(scales, self.scale_table[:-1].double())


def _with_tail(cumulative: Floats) -> Floats:
    """Return the probabilities between the edges and, last, of everything outside them."""
    inside = np.diff(cumulative)
    return np.append(inside, cumulative[0] + (1 - cumulative[-1]))


def _normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(x * -(2**-0.5))

"""Small retrained baselines for the tests."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bench.models.retrained.cheng import RetrainedCheng
from bench.models.retrained.model import Retrained, RetrainedHyperprior

SMALL = {"width": 64, "latents": 64}
#: Of the photos that the tests code.
SIDE = 128
KINDS = (RetrainedHyperprior, RetrainedCheng)
BOTH = pytest.mark.parametrize("kind", KINDS)


def started(kind: type[Retrained], photos: Tensor, **more: Any) -> Retrained:
    """Return a network as its training begins, with statistics of `photos`."""
    torch.manual_seed(0)
    model = kind(**SMALL, **more)
    model.fit_start(photos)
    return model

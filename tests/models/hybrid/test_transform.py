"""The start is a transform codec: exact, smooth over block boundaries, compact."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import torch

from bench.models.hybrid.transform import (
    BLOCK,
    BlockTransform,
    boundary_filter,
    dct2,
    dct4,
    opponent_colours,
)


def test_the_matrices_are_those_of_scipy():
    eye = np.eye(BLOCK)
    assert np.allclose(dct2(BLOCK), scipy.fft.dct(eye, type=2, norm="ortho", axis=0), atol=1e-12)
    assert np.allclose(dct4(BLOCK), scipy.fft.dct(eye, type=4, norm="ortho", axis=0), atol=1e-12)


def test_colours_and_the_unscaled_boundary_filter_are_orthonormal():
    for matrix in (opponent_colours(), boundary_filter(BLOCK, 1.0)):
        assert torch.allclose(matrix @ matrix.T, torch.eye(len(matrix)).double(), atol=1e-12)


@pytest.mark.parametrize("lapped", [True, False])
@pytest.mark.parametrize("size", [(16, 16), (16, 48), (80, 32)])
def test_synthesis_undoes_analysis(lapped, size):
    x = torch.rand(2, 3, *size)
    start = BlockTransform(768, lapped)
    assert torch.allclose(start.synthesis(start.analysis(x)), x, atol=1e-5)


def test_an_error_in_a_coefficient_weighs_what_its_synthesis_function_says():
    start = BlockTransform(768, lapped=True)
    weights = start.weights()
    for channel in (0, 5, 100, 700):
        y = torch.zeros(1, 768, 3, 3)
        y[0, channel, 1, 1] = 1
        energy = (start.synthesis(y) - 0.5).square().sum().sqrt()
        assert energy.item() == pytest.approx(weights[channel].item(), rel=1e-4)


def test_fitting_sorts_coefficients_by_their_magnitude():
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64) + 0.02 * torch.rand(1, 3, 64, 64)
    start = BlockTransform(64, lapped=True)
    start.fit(ramp)
    assert torch.all(start.energy[:-1] >= start.energy[1:])
    assert start.order[0] == 0  # the luminance's DC
    assert torch.allclose(start.analysis(ramp).abs().mean((0, 2, 3)), start.energy, rtol=1e-3)

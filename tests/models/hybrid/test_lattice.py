"""The blocks' means, from a coarse lattice to all of them."""

from __future__ import annotations

import pytest
import torch
from hybrid_variants import arguments

from bench.models.hybrid.lattice import (
    COARSEST,
    MEANS,
    NEAREST,
    TAPS,
    differences,
    relief,
    steps,
)
from bench.models.hybrid.model import Hybrid

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 5), (8, 8), (17, 30), (32, 48)])
def test_every_block_is_coded_once_and_sees_only_blocks_before_it(size):
    blocks = size[0] * size[1]
    done = torch.zeros(blocks + 1, dtype=torch.bool)
    for step in steps(*size, CPU):
        assert not done[step.squares].any()
        if step.neighbours is not None:
            assert step.neighbours.shape == (TAPS, len(step.squares))
            known = step.neighbours < blocks
            assert done[step.neighbours[known]].all()
            # One at least: an average of nothing would predict grey.
            assert known[:NEAREST].any(0).all()
        done[step.squares] = True
    assert done[:blocks].all()


def test_what_is_far_from_borders_has_all_its_neighbours():
    for step in steps(64, 64, CPU):
        if step.neighbours is None:
            assert len(step.squares) == (64 // COARSEST) ** 2
            continue
        row, column = step.squares // 64, step.squares % 64
        inner = (row >= 16) & (row < 48) & (column >= 16) & (column < 48)
        taps = step.neighbours[:, inner]
        assert (taps < 64 * 64).all()
        assert all(len(set(one.tolist())) == TAPS for one in taps.T)
        away = [(taps // 64 - row[inner]).abs(), (taps % 64 - column[inner]).abs()]
        distance = torch.stack(away).square().sum(0)
        # The nearest come first, and as far as the step's kind and spacing say.
        assert (distance[:NEAREST] == (2 - step.kind) * 4**step.spacing).all()
        assert (distance[NEAREST:] > distance[0]).all()


def test_a_slope_is_predicted_exactly_and_has_no_relief():
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    slope = (3 * rows - 2 * columns).expand(1, MEANS, 24, 24)
    for step in steps(24, 24, CPU):
        if step.neighbours is None:
            continue
        average, apart = differences(slope, step.neighbours)
        whole = (step.neighbours[:NEAREST] < 24 * 24).all(0)
        there = slope.flatten(2)[..., step.squares]
        assert torch.equal(average[..., whole], there[..., whole])
        # Neighbours that there aren't are no difference, not one to zero.
        assert (apart[:, :, step.neighbours == 24 * 24] == 0).all()
    assert (relief(slope)[..., 1:-1, 1:-1] == 0).all()
    assert relief(slope)[0, 0, 0, 0] == -(3 - 2) / 2


def test_the_first_channels_are_the_means_of_the_colours():
    model = Hybrid(**arguments("lattice"))
    assert model.start is not None
    for images in (None, torch.rand(4, 3, 64, 64)):
        if images is not None:
            model.fit_start(images)
        assert model.start.order[:MEANS].tolist() == [0, 256, 512]
        assert len(set(model.start.order.tolist())) == model.config.channels
    assert model.context is not None
    assert model.context.slices[0] == slice(0, MEANS)


def test_a_smooth_picture_costs_less_than_without():
    # Grey levels that rise slowly: hundreds of steps large, few from block to block.
    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    x = ((rows + columns) / 640).expand(1, 3, 256, 256)
    bits = {}
    for name in ("base", "lattice"):
        torch.manual_seed(0)
        bits[name] = 8 * len(Hybrid(**arguments(name)).ready().compress(x, 80))
    # Of 256 blocks; before anything is learned.
    assert bits["base"] - bits["lattice"] > 6 * 256


def test_means_do_not_learn_that_their_neighbours_follow_them():
    torch.manual_seed(0)
    model = Hybrid(**arguments("lattice")).train()
    out = model(torch.rand(1, 3, 96, 96), torch.tensor([60.0]))
    # The last means to be told: those before have no part in their gradient.
    last = steps(6, 6, CPU)[-1].squares
    out.latent[:, :MEANS].flatten(2)[..., last].sum().backward()
    slopes = [one.weight.grad for one in model.context.lattice.linear]
    assert all(slope is None or not slope.any() for slope in slopes[:2])
    assert all(slope.any() for slope in slopes[2:])

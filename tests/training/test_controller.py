"""A controller holds the rate that was asked for."""

from __future__ import annotations

import math

import pytest
import torch
from hybrid_variants import arguments

from bench.errors import UsageError
from bench.models.hybrid.model import Hybrid
from bench.training.controller import RateController
from bench.training.losses import RateDistortion


def test_the_rate_approaches_the_target_from_both_sides():
    # A texture between sky and noise, so that there are bits to move.
    torch.manual_seed(0)
    x = torch.nn.functional.avg_pool2d(torch.rand(2, 3, 34, 34), 3, 1)
    quality = torch.tensor([30.0, 60.0])

    def rates(target):
        torch.manual_seed(0)
        model = Hybrid(**arguments("start-alone")).train()
        losses = RateDistortion(target_bpp=target).train()
        optimizer, found = torch.optim.Adam([model.gain_in, model.gain_out], 2e-2), []
        for _ in range(80):
            terms = losses(model(x, quality), x, quality)
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()
            found.append(terms.values["rate"].item())
        return found

    free = rates(None)[-1]
    for side in (0.6, 1.6):
        held = rates(side * free)[-1]
        # Nearer to the target than what comes out without a controller.
        assert abs(math.log(held / (side * free))) < 0.5 * abs(math.log(side)), side


def test_a_controller_of_a_plant_that_obeys_ends_at_the_target():
    for start in (0.05, 1.5):
        controller = RateController(0.3)
        for _ in range(500):
            rate = start / controller.multiplier() ** 0.5
            controller.update(torch.tensor(rate))
        assert rate == pytest.approx(0.3, rel=0.02)


def test_its_state_travels_with_the_weights():
    losses, again = RateDistortion(target_bpp=0.3), RateDistortion(target_bpp=0.3)
    for _ in range(3):
        losses.controller.update(torch.tensor(0.9))
    again.load_state_dict(losses.state_dict())
    assert again.controller.multiplier() == losses.controller.multiplier() > 1


def test_senseless_targets_are_refused():
    with pytest.raises(UsageError, match="above 0 were expected"):
        RateDistortion(target_bpp=0)
    with pytest.raises(UsageError, match="does not have"):
        RateDistortion(rate=0.0, target_bpp=0.3)

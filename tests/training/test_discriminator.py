"""The adversary tells photos from what is made of them, and looks at the latent."""

from __future__ import annotations

import pytest
import torch

from bench.errors import UsageError
from bench.training.discriminator import Discriminator


def _pair():
    torch.manual_seed(0)
    real = torch.rand(2, 3, 32, 32)
    return real, torch.nn.functional.avg_pool2d(real, 3, 1, 1), torch.randn(2, 4, 2, 2)


@pytest.mark.parametrize("loss", ["hinge", "least-squares", "wgan-gp"])
def test_it_learns_to_tell_sharp_from_blurred(loss):
    real, fake, latent = _pair()
    critic = Discriminator(4, loss, scales=2, width=8)
    optimizer = torch.optim.Adam(critic.parameters(), 5e-3)
    history = []
    for _ in range(40):
        value = critic.critic_loss(real, fake, latent)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        history.append(value.item())
    assert history[-1] < history[0] - 0.2
    scores = [torch.stack([s.mean() for s in critic(x, latent)]).mean() for x in (real, fake)]
    assert scores[0] > scores[1]
    # What passes for real costs the codec less.
    assert critic.generator_loss(real, latent) < critic.generator_loss(fake, latent)


def test_the_latent_changes_the_verdict():
    real, _, latent = _pair()
    critic = Discriminator(4, width=8).eval()
    assert not torch.allclose(critic(real, latent)[0], critic(real, -latent)[0])


def test_the_verdict_on_an_image_does_not_depend_on_the_batch():
    real, _, latent = _pair()
    critic = Discriminator(4, width=8).eval()
    for together, alone in zip(critic(real, latent), critic(real[:1], latent[:1]), strict=True):
        assert torch.allclose(together[:1], alone, atol=1e-5)


def test_weights_are_divided_by_their_largest_singular_value():
    critic = Discriminator(4, width=8).train()
    real, fake, latent = _pair()
    for _ in range(60):  # of the power iteration
        critic.critic_loss(real, fake, latent)
    weight = critic.eval().critics[0].layers[0].weight.flatten(1)
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=0.02)


def test_the_penalty_of_a_linear_critic_is_that_of_its_slope():
    class Linear(Discriminator):
        def forward(self, image, latent):
            return [3 * image.flatten(1).sum(1).reshape(-1, 1, 1, 1)]

    real, fake, latent = _pair()
    slope = 3 * (3 * 32 * 32) ** 0.5  # the norm of a vector of threes
    penalty = Linear(4, "wgan-gp", width=8).gradient_penalty(real, fake, latent)
    assert penalty.item() == pytest.approx((slope - 1) ** 2, rel=1e-4)


def test_an_unknown_loss_is_refused():
    with pytest.raises(UsageError, match="hinge, least-squares, wgan-gp"):
        Discriminator(4, "minimax")

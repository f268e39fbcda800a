"""Every term of the loss learns on real photos: 50 steps on one batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hybrid_variants import arguments

pytest.importorskip("lightning", reason="needs the extra `train`")
import lightning

from bench.image import read_image
from bench.metrics.lpips import LpipsVgg
from bench.models.hybrid.model import Hybrid
from bench.training.adversarial import AdversarialStage
from bench.training.discriminator import Discriminator
from bench.training.losses import RateDistortion

pytestmark = [
    pytest.mark.filterwarnings("ignore::Warning:lightning.*"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

STEPS = 50
QUALITY = torch.tensor([20.0, 60.0])


def _photos(shared, side: int) -> torch.Tensor:
    """Two crops of real photos, uint8 (2, 3, side, side)."""
    files = sorted((shared / "train" / "cid22_clic25").glob("*.avif"))[:120:60]
    crops = [read_image(file).pixels[100 : 100 + side, 100 : 100 + side] for file in files]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()


def _model(seed: int = 0) -> Hybrid:
    torch.manual_seed(seed)
    return Hybrid(**arguments("base")).train()


@pytest.fixture
def vgg(shared) -> None:
    if LpipsVgg.trunk.find() is None:
        LpipsVgg.trunk.install(shared / "lpips" / f"{LpipsVgg.trunk.name}_features.pth")


@pytest.mark.parametrize(
    ("term", "side"),
    [
        ("lpips", 64),
        pytest.param("ms_ssim", 176, marks=pytest.mark.slow),
        pytest.param("vgg", 64, marks=pytest.mark.slow),
    ],
)
def test_fifty_steps_with_a_term_lower_the_loss_by_a_fifth(shared, vgg, term, side):
    photos = _photos(shared, side).float() / 255
    model, losses = _model(), RateDistortion(**{term: 1.0})
    optimizer, totals, values = torch.optim.Adam(model.parameters(), 3e-3), [], []
    for _ in range(STEPS):
        terms = losses(model(photos, QUALITY), photos, QUALITY)
        optimizer.zero_grad()
        terms.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        totals.append(terms.total.item())
        values.append(terms.values[term].item())
    assert np.mean(totals[-3:]) < 0.8 * totals[0]
    if term != "ms_ssim":  # at this step the rate falls faster than the similarity rises
        assert values[-1] < values[0]
    plain = RateDistortion()(_model()(photos, QUALITY), photos, QUALITY)
    assert term not in plain.values
    assert plain.total.item() != pytest.approx(totals[0], rel=1e-3)


@pytest.mark.parametrize(
    "kind",
    [
        "hinge",
        pytest.param("least-squares", marks=pytest.mark.slow),
        pytest.param("wgan-gp", marks=pytest.mark.slow),
    ],
)
def test_fifty_steps_against_an_adversary_lower_the_loss_by_a_fifth(shared, kind, tmp_path):
    photos = _photos(shared, 64)
    batch = {"x": photos, "quality": QUALITY, "seed": torch.tensor([1, 2])}
    model, losses = _model(), RateDistortion()
    critic = Discriminator(model.latent_channels, kind, scales=2, width=8)
    x = photos.float() / 255
    before = losses(model(x, QUALITY), x, QUALITY).total.item()
    start = {name: value.clone() for name, value in critic.named_parameters()}
    stage = AdversarialStage(
        model, losses, discriminator=critic, weight=0.05, critic_rate=2e-3,
        learning_rate=3e-3, warmup=0, steps=10 * STEPS, clip=1.0, decay=0.99,
    )  # fmt: skip
    trainer = lightning.Trainer(
        max_steps=2 * STEPS, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(stage, torch.utils.data.DataLoader([batch] * STEPS, batch_size=None))
    out = model.train()(x, QUALITY)
    assert losses(out, x, QUALITY).total.item() < 0.8 * before
    still = [name for name, value in critic.named_parameters() if torch.equal(start[name], value)]
    # What is added to all judgements falls out of Wasserstein's difference of two of them.
    constants = {f"critics.{scale}.layers.9.bias" for scale in range(2)}
    assert set(still) == (constants if kind == "wgan-gp" else set())

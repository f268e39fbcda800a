"""The weights that ship: whole, named by their digest, small, and codecs that work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import paths
from bench.adapters.make import make_codec
from bench.cards import CodecCard, read_card
from bench.image import Image, read_image

#: Largest files of weights, in bytes: of the flagship, of its adversarial stage, of the retrained
#: baselines, of a variant.
LIMITS = {
    "hybrid": 16_000_000, "hybrid-gan": 10_000_000,
    "bmshj2018-hyperprior-retrained": 11_000_000, "cheng2020-anchor-retrained": 16_000_000,
}  # fmt: skip
VARIANT = 800_000
#: The share of a picture's variance that is left at the lowest setting, where it is above a fifth:
#: 1,500 steps from random weights get as far as this.
LEFT = {"hybrid-s-random": 0.35}

FOLDER = paths.catalogue("codecs")


def _shipped() -> dict[str, CodecCard]:
    cards = (read_card(CodecCard, path) for path in sorted(FOLDER.rglob("*.yaml")))
    return {
        card.name: card for card in cards if "file" in (card.options.get("checkpoint") or {})
    }  # fmt: skip


def _weights(card: CodecCard) -> Path:
    return (Path(card.source).parent / card.options["checkpoint"]["file"]).resolve()


def test_every_file_of_weights_belongs_to_a_card_and_is_small():
    files = {_weights(card) for card in _shipped().values()}
    assert files == {path.resolve() for path in (FOLDER / "checkpoints").glob("*")}
    for path in files:
        assert path.stat().st_size <= LIMITS.get(path.stem, VARIANT), path.name


@pytest.mark.parametrize("name", _shipped())
def test_shipped_weights_make_a_codec(name, kodak):
    """Sizes that are no multiple of anything, two settings, the larger one better."""
    card = _shipped()[name]
    codec = make_codec(card)
    codec.open()
    image = Image(np.ascontiguousarray(read_image(kodak / "kodim23.png").pixels[200:361, 300:433]))
    errors = []
    low, *_, high = sorted(card.quality.ladder)
    for quality in (low, high):
        decoded = codec.decode(codec.encode(image, quality))
        assert decoded.pixels.shape == image.pixels.shape
        difference = decoded.pixels.astype(float) - image.pixels
        errors.append(float(np.mean(difference**2)))
    # Better than any constant colour by far, and better at the higher setting.
    assert errors[1] < errors[0] < LEFT.get(name, 0.2) * float(np.var(image.pixels))
    codec.close()

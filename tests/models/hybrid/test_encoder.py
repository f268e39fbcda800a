"""An encoder's settings: chosen on a card, without training, unknown to any decoder."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hybrid_variants import arguments

from bench.adapters.make import codec_id, make_codec
from bench.cards import CodecCard, read_card
from bench.errors import CodecError
from bench.image import Image, read_image
from bench.models.checkpoint import save
from bench.models.hybrid.model import Hybrid

WEIGHTS = (0, 0.13, 0.5, [0.01, 3, 0.3])

DECODE = """
import sys
import numpy as np
from pathlib import Path
from bench.adapters.make import make_codec
from bench.cards import CodecCard, read_card
codec = make_codec(read_card(CodecCard, Path(sys.argv[1])))
codec.open()
np.save(sys.argv[3], codec.decode(Path(sys.argv[2]).read_bytes()).pixels)
"""


@pytest.fixture(scope="module")
def photo(shared) -> Image:
    file = sorted((shared / "train" / "cid22_clic25").glob("*.avif"))[42]
    return Image(np.ascontiguousarray(read_image(file).pixels[100:170, 100:180]))


def _card(folder: Path, name: str, **options: object) -> Path:
    card = {
        "name": name,
        "adapter": "bench.adapters.neural:NeuralCodec",
        "options": {
            "architecture": "bench.models.hybrid.model:Hybrid",
            "checkpoint": {"file": "weights.safetensors"},
            "arguments": arguments("base"),
            **options,
        },
        "quality": {"ladder": [40], "range": [0, 100]},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(card))
    return path


@pytest.fixture(scope="module")
def cards(tmp_path_factory) -> list[Path]:
    """One set of weights, the encoder it was made for, and others."""
    folder = tmp_path_factory.mktemp("encoders")
    torch.manual_seed(0)
    save(Hybrid(**arguments("base")).ready(), folder / "weights.safetensors")
    cards = [_card(folder, f"rdo-{i}", encoder={"rdo": rdo}) for i, rdo in enumerate(WEIGHTS)]
    return [_card(folder, "own"), *cards]


def _opened(card: Path):
    codec = make_codec(read_card(CodecCard, card))
    codec.open()
    return codec


def test_a_card_chooses_how_much_its_encoder_gives_for_a_bit(cards, photo):
    own, *others = (_opened(card) for card in cards)
    streams = [codec.encode(photo, 40) for codec in others]
    sizes = [len(stream) for stream in streams]
    assert all(low < high for high, low in itertools.pairwise(sizes[:3])), sizes
    assert sizes[3] < sizes[0]
    # The network's own weight is the second one's.
    assert own.encode(photo, 40) == streams[1]
    errors = [
        np.mean((codec.decode(stream).pixels.astype(float) - photo.pixels) ** 2)
        for codec, stream in zip(others, streams, strict=True)
    ]
    assert errors[0] < errors[2]
    assert len({codec_id(read_card(CodecCard, card)) for card in cards[1:]}) == len(WEIGHTS)


def test_a_decoder_that_knows_nothing_of_it_reads_every_stream(cards, photo, tmp_path):
    greedy = _opened(cards[3])
    stream = greedy.encode(photo, 40)
    (tmp_path / "stream.bin").write_bytes(stream)
    subprocess.run(
        [sys.executable, "-c", DECODE, cards[0], tmp_path / "stream.bin", tmp_path / "image.npy"],
        check=True,
    )
    assert np.array_equal(np.load(tmp_path / "image.npy"), greedy.decode(stream).pixels)


@pytest.mark.parametrize(
    ("variant", "settings", "reason"),
    [
        ("base", {"rdo": -1}, "rdo: zero or a positive number"),
        ("base", {"rdo": [0.01, 3]}, "or three positive ones"),
        ("base", {"rdo": [0.01, 0, 3]}, "or three positive ones"),
        ("base", {"rdo": [True, 1, 3]}, "or three positive ones"),
        ("base", {"rdo": "much"}, "or three positive ones"),
        ("base", {"search": 3}, "no setting 'search'"),
        ("base", {"refine": -1}, "refine: 0 … 100 passes were expected, got -1"),
        ("base", {"refine": 101}, "refine: 0 … 100 passes were expected, got 101"),
        ("base", {"refine": 1.5}, "refine: a number .int. was expected"),
        ("base", {"refine": True}, "refine: a number .int. was expected"),
        ("base", {"refine": 1, "bit": 0}, "bit: a positive number"),
        ("base", {"refine": 1, "bit": float("inf")}, "bit: a positive number"),
        ("base", {"refine": 1, "curvature": 0}, "curvature: a positive number"),
        ("base", {"bit": 0.1}, "bit: of a search, which refine=0 leaves away"),
        ("ae", {"rdo": 0.1}, "latent=ae has none"),
        ("ae", {"refine": 1}, "refine searches by the rate of a learned scale: latent=ae has none"),
        ("vq", {"refine": 1}, "quantizer=vq has none"),
        ("vq", {"rdo": 0.1}, "quantizer=vq has none"),
    ],
)
def test_what_an_encoder_can_not_do_is_refused(variant, settings, reason):
    with pytest.raises(CodecError, match=reason):
        Hybrid(**arguments(variant)).encode_with(**settings)

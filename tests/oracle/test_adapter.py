"""The adapter for CompressAI's models: real models of the library, real bytes."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from learned import crop_tensor, enliven

from bench.adapters.compressai import CompressAICodec
from bench.adapters.make import make_codec, missing
from bench.adapters.neural import NeuralCodec
from bench.cards import CodecCard, read_card
from bench.errors import BitstreamError, CodecError, UnknownNameError
from bench.image import Image, read_image
from bench.models.zoo import ARCHITECTURES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("compressai", reason="the oracle: tox -e oracle")
    from compressai.zoo.image import model_urls

CODECS = Path(__file__).resolve().parents[2] / "codecs"


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory, kodak: Path) -> Path:
    """A card for the library's mean-scale hyperprior, narrow and with lively weights."""
    folder = tmp_path_factory.mktemp("compressai")
    ours = ARCHITECTURES["mbt2018-mean"].load()(16, 24)
    enliven(ours, crop_tensor(kodak / "kodim05.png", 128, 192))
    torch.save({"state_dict": ours.ready().state_dict()}, folder / "w.pth.tar")
    (folder / "theirs.yaml").write_text("""\
name: theirs
adapter: bench.adapters.compressai:CompressAICodec
options:
  model: mbt2018-mean
  checkpoint: {file: w.pth.tar}
quality: {ladder: [1]}
""")
    return folder / "theirs.yaml"


def opened(card: Path) -> CompressAICodec:
    codec = make_codec(read_card(CodecCard, card))
    assert isinstance(codec, CompressAICodec)
    codec.open()
    return codec


DECODE = """
import sys
from pathlib import Path
import numpy as np
from bench.adapters.make import make_codec
from bench.cards import CodecCard, read_card
codec = make_codec(read_card(CodecCard, Path(sys.argv[1])))
codec.open()
np.save(sys.argv[3], codec.decode(Path(sys.argv[2]).read_bytes()).pixels)
"""


def test_a_model_of_the_library_is_a_codec(card: Path, kodak: Path, tmp_path: Path) -> None:
    assert missing(read_card(CodecCard, card)) is None
    codec = opened(card)
    image = Image(read_image(kodak / "kodim05.png").pixels[:100, :150].copy())
    (tmp_path / "x.bin").write_bytes(codec.encode(image, 1))
    files = [str(card), str(tmp_path / "x.bin"), str(tmp_path / "x.npy")]
    subprocess.run([sys.executable, "-W", "ignore", "-c", DECODE, *files], check=True)
    here = codec.decode((tmp_path / "x.bin").read_bytes())
    assert here.pixels.shape == (100, 150, 3)
    assert np.array_equal(np.load(tmp_path / "x.npy"), here.pixels)


def test_damaged_streams_are_bitstream_errors(card: Path, kodak: Path) -> None:
    codec = opened(card)
    stream = codec.encode(Image(read_image(kodak / "kodim05.png").pixels[:64, :64].copy()), 1)
    rng = np.random.default_rng(1)
    for _ in range(200):
        damaged = bytearray(stream)
        damaged[rng.integers(len(damaged))] ^= int(rng.integers(1, 256))
        with pytest.raises(BitstreamError):
            codec.decode(bytes(damaged))


def test_the_catalogue_s_cards_name_what_the_library_publishes() -> None:
    for path in CODECS.glob("compressai-*.yaml"):
        card = read_card(CodecCard, path)
        codec = make_codec(card)
        assert isinstance(codec, CompressAICodec)
        urls = model_urls[card.options["model"]][card.options["metric"]]
        assert {key: c.url for key, c in codec.weights().items()} == urls
        ours = read_card(CodecCard, CODECS / path.name.removeprefix("compressai-"))
        named = {q: c["url"] for q, c in ours.options["checkpoints"].items()}
        assert named == urls
        for key, checkpoint in codec.weights().items():
            assert checkpoint.sha256 == ours.options["checkpoints"][key]["sha256"]
        lack = missing(card)
        assert lack is not None
        assert "checkpoints are not on this machine" in lack.what


def test_its_models_cost_what_ours_do(card: Path) -> None:
    size = (64, 64)
    theirs = opened(card).complexity(1, size)
    ours = NeuralCodec("mbt2018-mean", checkpoint=opened(card).weights()[None]).complexity(1, size)
    # It runs a decoder of z in the encoder as well, and both count alike.
    assert theirs.parameters == ours.parameters
    assert theirs.analysis_kmac == pytest.approx(ours.analysis_kmac)
    assert theirs.synthesis_kmac == pytest.approx(ours.synthesis_kmac)
    assert theirs.encode_kmac == pytest.approx(ours.encode_kmac)
    assert theirs.decode_kmac == pytest.approx(ours.decode_kmac)
    # Without weights, from the zoo's widths.
    assert CompressAICodec("bmshj2018-factorized").complexity(1, size).parameters == 2_998_147


def test_what_the_library_does_not_have_is_said(card: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean mbt2018"):
        CompressAICodec("mbt2019", checkpoint=opened(card).weights()[None]).open()
    with pytest.raises(CodecError, match="published no mse weights"):
        CompressAICodec("bmshj2018-factorized-relu").check_available()
    with pytest.raises(CodecError, match="does not fit mbt2018"):
        CompressAICodec("mbt2018", checkpoint=opened(card).weights()[None]).open()

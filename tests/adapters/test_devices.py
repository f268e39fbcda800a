"""One device encodes, another decodes. Run where there is a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hybrid_variants import SMALL, VARIANTS
from learned import crop_tensor, small_model

from bench.adapters.make import make_codec
from bench.adapters.neural import NeuralCodec
from bench.cards import CodecCard, read_card
from bench.entropy.container import unpack
from bench.image import Image, read_image
from bench.models.checkpoint import save
from bench.models.hybrid.model import Hybrid
from bench.models.zoo import ARCHITECTURES

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

HYBRIDS = ("base", "no-checkerboard", "one-group", "ae", "vq")


def write_card(folder: Path, name: str, architecture: str, arguments: dict[str, object]) -> Path:
    options: dict[str, object] = {"architecture": architecture}
    if arguments:
        options |= {"checkpoint": {"file": f"{name}.safetensors"}, "arguments": arguments}
    else:
        options["checkpoints"] = {50: {"file": f"{name}.safetensors"}}
    card = {
        "name": name,
        "adapter": "bench.adapters.neural:NeuralCodec",
        "options": options,
        "quality": {"ladder": [50]},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(card))
    return path


def opened(card: Path, device: str) -> NeuralCodec:
    codec = make_codec(read_card(CodecCard, card))
    assert isinstance(codec, NeuralCodec)
    codec.open(device=device)
    return codec


def latent_in(codec: NeuralCodec, bitstream: bytes) -> torch.Tensor:
    stream = unpack(bitstream)
    model = codec.model(codec.key_of(stream.model))
    size = (-(-stream.height // model.stride), -(-stream.width // model.stride))
    scale = model.stride // model.latent_stride
    return model.coder.decode(stream.payload, (size[0] * scale, size[1] * scale)).cpu()


def pictures(kodak: Path) -> list[Image]:
    whole = read_image(sorted(kodak.glob("*.png"))[0])
    return [whole, Image(whole.pixels[:99, :161].copy())]


@pytest.mark.parametrize("way", [("cuda", "cpu"), ("cpu", "cuda")], ids="-to-".join)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_published_networks_agree_across_devices(
    name: str, way: tuple[str, str], kodak: Path, tmp_path: Path
) -> None:
    x = crop_tensor(sorted(kodak.glob("*.png"))[0], 128, 192)
    save(small_model(name, x, 16, 24), tmp_path / f"{name}.safetensors")
    encoder, decoder = (opened(write_card(tmp_path, name, name, {}), device) for device in way)
    for image in pictures(kodak):
        expected, latent = encoder.reconstruct(image, 50)
        stream = encoder.encode(image, 50)
        assert torch.equal(latent_in(decoder, stream), latent.cpu())
        decoded = decoder.decode(stream).pixels.astype(int)
        assert np.abs(decoded - expected.pixels).max() <= 1


@pytest.mark.parametrize("way", [("cuda", "cpu"), ("cpu", "cuda")], ids="-to-".join)
@pytest.mark.parametrize("name", HYBRIDS)
def test_hybrid_codecs_agree_across_devices(
    name: str, way: tuple[str, str], kodak: Path, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    arguments = {**SMALL, **VARIANTS[name]}
    model = Hybrid(**arguments)
    x = crop_tensor(sorted(kodak.glob("*.png"))[0], 256, 256)
    model.fit_start(x)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    model.fit_prior([x])
    save(model.ready(), tmp_path / f"{name}.safetensors")
    card = write_card(tmp_path, name, Hybrid.target, arguments)
    encoder, decoder = (opened(card, device) for device in way)
    for image in pictures(kodak):
        stream = encoder.encode(image, 50)
        own = encoder.decode(stream).pixels.astype(int)
        assert np.abs(decoder.decode(stream).pixels - own).max() <= 1

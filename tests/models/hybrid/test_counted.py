"""Tables that are counted on training photos when weights are released."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hybrid_variants import arguments

from bench.errors import CodecError
from bench.image import read_image
from bench.models.checkpoint import read_state
from bench.models.hybrid.model import Hybrid
from bench.training.export import export, released


@pytest.fixture(scope="module")
def photos(shared) -> list[torch.Tensor]:
    files = sorted((shared / "train" / "cid22_clic25").glob("*.avif"))[::40]
    crops = (read_image(file).pixels[64:160, 64:160] for file in files)
    return [torch.from_numpy(np.array(crop)).permute(2, 0, 1)[None] / 255 for crop in crops]


@pytest.fixture(scope="module")
def networks(photos) -> tuple[Hybrid, Hybrid]:
    """The same weights, with the Laplacian's tables and with counted ones."""
    pair = []
    for tables in ("laplace", "counted"):
        torch.manual_seed(0)
        model = Hybrid(**arguments("base"), tables=tables)
        model.fit_start(torch.cat(photos))
        pair.append(model)
    return tuple(pair)


def test_other_photos_take_fewer_bytes_for_the_same_image(networks, photos):
    plain, counted = (released(network, photos[::2]) for network in networks)
    sizes = []
    for x in photos[1::2]:
        for quality in (10, 40, 70):
            streams = [model.compress(x, quality) for model in (plain, counted)]
            images = [
                model.decompress(stream, *x.shape[2:])
                for model, stream in zip((plain, counted), streams, strict=True)
            ]
            assert torch.equal(*images)
            sizes.append([len(stream) for stream in streams])
    laplacian, fitted = np.sum(sizes, 0)
    assert 0.9 * laplacian < fitted < 0.995 * laplacian


def test_counted_tables_travel_with_the_weights(networks, photos, tmp_path):
    model = export(networks[1], tmp_path / "weights.safetensors", photos[:3])
    state = read_state(tmp_path / "weights.safetensors")
    again = Hybrid(**arguments("base"), tables="counted")
    again.load_state_dict(state)
    stream = model.compress(photos[5], 50)
    assert again.ready().compress(photos[5], 50) == stream
    other = released(networks[0], [])
    try:
        misread = other.decompress(stream, *photos[5].shape[2:])
    except CodecError:
        return
    assert not torch.equal(misread, model.decompress(stream, *photos[5].shape[2:]))

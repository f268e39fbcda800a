"""Photos are found, refused where they are too small, and cut the same way every time."""

from __future__ import annotations

import itertools

import numpy as np
import PIL.Image
import pytest
import torch

pytest.importorskip("albumentations", reason="needs the extra `train`")

from bench.errors import DatasetError
from bench.training.photos import Crops, CropSettings, Order, find_photos, load_photos
from bench.training.shelf import shelf_for


def _photos(count=3, side=96):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (side, side + 10, 3), np.uint8) for _ in range(count)]


def test_a_folder_without_images_is_an_error_that_names_it(tmp_path):
    (tmp_path / "readme.txt").write_text("no image")
    with pytest.raises(DatasetError, match=f"{tmp_path} holds no images"):
        find_photos([tmp_path])


def test_images_below_the_crop_are_left_out_and_an_error_where_all_are(tmp_path):
    for name, photo in zip("ab", (_photos(1)[0], _photos(1, 40)[0]), strict=True):
        PIL.Image.fromarray(photo).save(tmp_path / f"{name}.png")
    assert len(load_photos(find_photos([tmp_path]), 64)) == 1
    with pytest.raises(DatasetError, match="all 2 images are smaller than the crop of 128"):
        load_photos(find_photos([tmp_path]), 128)


@pytest.mark.parametrize("wrong", [{"size": 50}, {"scales": ()}, {"curriculum": 2.0}])
def test_wrong_crops_are_refused(wrong):
    with pytest.raises(DatasetError, match=r"(was|were) expected"):
        CropSettings(**wrong)


def test_a_sample_depends_on_its_number_and_the_seed_alone():
    settings = CropSettings(32, curriculum=0.5)
    one, two, other = (Crops(_photos(), settings, seed, 100) for seed in (1, 1, 2))
    two[7], two[3]
    for number in (0, 5, 99):
        first, second = one[number], two[number]
        assert torch.equal(first["x"], second["x"])
        assert first["seed"] == second["seed"]
        assert first["quality"] == second["quality"]
    assert not torch.equal(one[5]["x"], other[5]["x"])


def test_qualities_are_spread_evenly_over_any_few_samples():
    photo = np.zeros((40, 40, 3), np.uint8)
    crops = Crops([photo], CropSettings(32, (1.0,), False, 0.0), 3, 100)
    qualities = [crops.draw(index).quality for index in range(1000)]
    assert min(qualities) < 0.2
    assert max(qualities) > 99.8
    for first in range(0, 1000, 4):
        # Four at random leave a gap of half of the range in a third of all cases.
        gaps = np.diff([0, *sorted(qualities[first : first + 4]), 100])
        assert gaps.max() < 50


def test_processes_share_out_what_one_would_take():
    alone = list(itertools.islice(Order(4, 0, 1, lambda: 3), 8))
    shared = [list(itertools.islice(Order(2, rank, 2, lambda: 3), 4)) for rank in (0, 1)]
    assert alone == shared[0][:2] + shared[1][:2] + shared[0][2:] + shared[1][2:]


def test_the_curriculum_begins_with_smoother_crops():
    rng = np.random.default_rng(1)
    flat = np.full((96, 96, 3), 90, np.uint8)
    rough = rng.integers(0, 256, (96, 96, 3), np.uint8)
    crops = Crops([flat, rough], CropSettings(32, (1.0,), False, 1.0), 0, 200)
    roughness = [float(crops[i]["x"].float().std()) for i in range(200)]
    assert np.mean(roughness[:40]) < 0.7 * np.mean(roughness[160:])


def test_the_curriculum_goes_from_low_to_high_resolution():
    crops = Crops(_photos(3, 200), CropSettings(32, (1.0, 2.0), False, 1.0), 0, 200)
    sides = [crops.draw(i).side for i in range(200)]
    # A crop that is cut twice as large is a photo at half its resolution.
    assert np.mean(sides[:40]) > 58
    assert np.mean(sides[160:]) < 56


@pytest.mark.parametrize("scale", [1.0, 4 / 3, 2.0])
def test_a_shelf_cuts_what_the_hosts_memory_cuts(scale):
    photos, settings = _photos(), CropSettings(48, (scale,), augment=False)
    host, elsewhere = Crops(photos, settings, 3, 100), Crops(photos, settings, 3, 100)
    elsewhere.elsewhere = True
    shelf = shelf_for(photos, 48, torch.device("cpu"), "device")
    samples = [elsewhere[i] for i in range(6)]
    cut = shelf.cut(torch.stack([sample["cut"] for sample in samples]))
    for i, sample in enumerate(samples):
        expected = host[i]
        assert (sample["quality"], sample["seed"]) == (expected["quality"], expected["seed"])
        # OpenCV's area interpolation rounds in another place.
        assert (cut[i].int() - expected["x"].int()).abs().max() <= (0 if scale == 1 else 1)


def test_a_shelf_mirrors_and_transposes_as_often_as_the_host_does():
    crops = Crops(_photos(), CropSettings(32), 0, 100)
    crops.elsewhere = True
    turned = torch.stack([crops[i]["cut"][4:] for i in range(400)]).float().mean(0)
    assert turned.tolist() == pytest.approx([0.5, 0.3], abs=0.08)
    photo = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    shelf = shelf_for([photo], 16, torch.device("cpu"), "device")
    plain, mirrored, transposed = shelf.cut(
        torch.tensor([[0, 0, 0, 16, 0, 0], [0, 0, 0, 16, 1, 0], [0, 0, 0, 16, 0, 1]])
    )
    assert torch.equal(mirrored, plain.flip(2))
    assert torch.equal(transposed, plain.transpose(1, 2))


def test_photos_stay_in_the_hosts_memory_where_there_is_no_gpu():
    for memory in ("auto", "host"):
        assert shelf_for(_photos(), 32, torch.device("cpu"), memory) is None

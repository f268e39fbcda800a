"""The classic networks, against what their papers and other people's tables say."""

from __future__ import annotations

import pytest

from bench.errors import UnknownNameError
from bench.profile.backbones import Backbone, backbones


@pytest.fixture(scope="module")
def found() -> dict[str, Backbone]:
    return {each.name: each for each in backbones()}


def test_torchvision_documents_the_same_weights_and_operations(found: dict[str, Backbone]) -> None:
    from torchvision.models import get_model_weights

    for name, theirs in {
        "vgg16": "vgg16", "resnet50": "resnet50", "mobilenet-v2": "mobilenet_v2",
        "vit-b-16": "vit_b_16",
    }.items():  # fmt: skip
        # What it calls GFLOPS are multiply-accumulates: `_ops` of its tables.
        meta = get_model_weights(theirs)["IMAGENET1K_V1"].meta
        assert found[name].parameters == meta["num_params"]
        assert found[name].macs / 1e9 == pytest.approx(meta["_ops"], abs=0.0006)
    # Its AlexNet is documented at 224; at 227 the first layer has a row and a column more.
    meta = get_model_weights("alexnet")["IMAGENET1K_V1"].meta
    assert found["alexnet-one-gpu"].parameters == meta["num_params"]
    assert found["alexnet-one-gpu"].macs / 1e9 == pytest.approx(meta["_ops"], rel=0.005)


def test_the_tables_of_the_literature_say_the_same(found: dict[str, Backbone]) -> None:
    # V. Sze et al., "Efficient processing of deep neural networks", Proceedings of the IEEE 2017,
    # table II: weights and multiply-accumulates of AlexNet (227×227) and VGG-16.
    assert found["alexnet"].parameters == pytest.approx(61e6, rel=0.005)
    assert found["alexnet"].macs == pytest.approx(724e6, rel=0.001)
    assert found["vgg16"].parameters == pytest.approx(138e6, rel=0.005)
    assert found["vgg16"].macs == pytest.approx(15.5e9, rel=0.005)
    # M. Sandler et al., "MobileNetV2", table 4.
    assert found["mobilenet-v2"].parameters == pytest.approx(3.4e6, rel=0.04)
    assert found["mobilenet-v2"].macs == pytest.approx(300e6, rel=0.005)
    # A. Dosovitskiy et al., table 1; H. Touvron et al., "DeiT", ICML 2021, table 5 (17.6 G).
    assert found["vit-b-16"].parameters == pytest.approx(86e6, rel=0.01)
    assert found["vit-b-16"].macs == pytest.approx(17.6e9, rel=0.005)


def test_activations_are_those_of_the_tables(found: dict[str, Backbone]) -> None:
    # I. Radosavovic et al., "Designing network design spaces", CVPR 2020, table of ResNet-50: 11.1
    # million, from convolutions (here and a thousand from the last layer).
    assert found["resnet50"].activations == pytest.approx(11.1e6, rel=0.003)
    # R. Wightman, timm, results/model_metadata: millions of activations.
    assert found["vgg16"].activations == pytest.approx(13.56e6, rel=0.001)
    assert found["mobilenet-v2"].activations == pytest.approx(6.68e6, rel=0.001)
    assert found["vit-b-16"].activations == pytest.approx(16.5e6, rel=0.001)


def test_inference_holds_the_input_and_output_of_the_largest_layer(
    found: dict[str, Backbone],
) -> None:
    # VGG's second layer: 64 × 224 × 224 numbers in and out, and what the library rearranges.
    layer = 64 * 224 * 224 * 4
    assert 2 * layer <= found["vgg16"].peak_bytes <= 4 * layer


def test_a_wrong_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="did you mean vgg16"):
        backbones(["vgg"])

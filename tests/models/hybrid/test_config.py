"""Combinations that make no sense are refused with the reason."""

from __future__ import annotations

import json

import pytest

from bench.models.hybrid.config import HybridConfig


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"backbone": "alexnet"}, "backbone: one of resnet, plain, mobilenet, vit"),
        ({"backbone": "plain", "block": "bottleneck"}, "plain has none"),
        ({"backbone": "vit"}, "squeeze_excite belongs to convolutional blocks"),
        ({"latent": "ae"}, "rdo weighs rate"),
        ({"latent": "ae", "rdo": 0}, "cross_attention looks at the hyperprior"),
        ({"latent": "ae", "quantizer": "vq"}, "would be learned with it"),
        ({"quantizer": "vq"}, "rdo is of scalar quantisers"),
        ({"attention": "none", "refine": False, "cross_attention": False}, "needs attention"),
        ({"widths": []}, None),
        ({"start": "random", "widths": []}, "without learned branches is no codec"),
        ({"decoder_widths": [48, 80, 90]}, "multiples of 4 × heads"),
        ({"depths": [1, 1]}, "depths"),
        ({"groups": 9}, "groups"),
        ({"channels": 2000}, "channels"),
        ({"channels": "many"}, "a number"),
        ({"checkerboard": 1}, "true or false"),
        ({"kernel": 5}, "no setting 'kernel'"),
    ],
)
def test_a_senseless_configuration_is_refused_with_the_reason(settings, reason):
    if reason is None:
        HybridConfig.from_dict(settings)
        return
    with pytest.raises(ValueError, match=reason):
        HybridConfig.from_dict(settings)


def test_a_configuration_survives_json():
    config = HybridConfig.from_dict({"widths": [16, 16, 32], "position": "learned"})
    assert HybridConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config

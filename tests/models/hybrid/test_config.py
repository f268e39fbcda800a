"""Combinations that make no sense are refused with the reason."""

from __future__ import annotations

import json

import pytest
from hybrid_variants import AE, VQ

from bench.errors import CodecError
from bench.models.hybrid.config import HybridConfig
from bench.models.hybrid.model import Hybrid


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"backbone": "alexnet"}, "backbone: one of resnet, plain, mobilenet, vit"),
        ({"backbone": "plain", "block": "bottleneck"}, "plain has none"),
        ({"backbone": "vit"}, "squeeze_excite belongs to convolutional blocks"),
        ({"latent": "ae"}, "rdo weighs rate"),
        (
            {"quantizer": "vq", "rdo": 0, "cross_attention": False, "tables": "counted"},
            "tables=counted is of learned scales",
        ),
        ({"latent": "ae", "rdo": 0}, "cross_attention looks at the hyperprior"),
        ({**AE, "steps": 2}, "no entropy model follows them"),
        ({**VQ, "steps": [1, 2, 3]}, "no entropy model follows them"),
        ({**AE, "curvature": 0.5}, "nothing reckons with it"),
        ({**AE, "quantizer": "threshold"}, "threshold reckons with bits"),
        ({"curvature": 0}, "curvature: a positive number"),
        ({"steps": 0}, "steps: a positive number"),
        ({"steps": [1, 2]}, "steps: a number, or three positive ones"),
        ({"latent": "ae", "quantizer": "vq"}, "would be learned with it"),
        ({"quantizer": "vq"}, "rdo is of scalar quantisers"),
        ({"attention": "none", "refine": False, "cross_attention": False}, "needs attention"),
        ({"widths": []}, None),
        ({"start": "random", "widths": []}, "without learned branches is no codec"),
        ({"decoder_widths": [48, 80, 90]}, "multiples of 4 × heads"),
        ({"depths": [1, 1]}, "depths"),
        ({"groups": 9}, "groups"),
        ({"parts": 0}, "parts: 1 … 8"),
        ({"lattice": True, "start": "random"}, "lattice codes the means of a transform's blocks"),
        ({"lattice": True, "groups": 1}, "two groups"),
        ({**AE, "lattice": True}, "a context model"),
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


def test_the_defaults_are_those_that_released_cards_count_on():
    # Cards name what differs from them: another default would change codecs that are out there.
    assert HybridConfig().to_dict() == {
        "start": "lapped", "backbone": "resnet", "block": "basic", "widths": [32, 64, 96],
        "decoder_widths": [48, 80, 96], "depths": [1, 1, 1], "downsample": "stride",
        "squeeze_excite": True, "attention": "global", "position": "relative", "heads": 4,
        "window": 8, "refine": True, "cross_attention": True, "latent": "vae", "quantizer": "ste",
        "channels": 448, "hyper": 32, "context": 64, "groups": 5, "parts": 1,
        "lattice": False, "checkerboard": True,
        "gain_points": 6, "steps": 1.0, "rdo": 0.13, "curvature": 1.0, "tables": "laplace",
        "vq_stages": 8, "vq_codes": 256, "vq_width": 32,
        "checkpointing": False,
    }  # fmt: skip
    assert HybridConfig().differences() == {}
    differences = HybridConfig(window=4, widths=(16, 32, 64)).differences()
    assert differences == {"window": 4, "widths": [16, 32, 64]}


def test_weights_alone_do_for_the_default_settings_and_no_others():
    state = Hybrid().state_dict()
    assert Hybrid.for_state(state).config == HybridConfig()
    with pytest.raises(CodecError, match="needs them as `arguments`"):
        Hybrid.for_state(Hybrid(channels=96, groups=3).state_dict())

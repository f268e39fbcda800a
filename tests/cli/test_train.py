"""``bench train``: settings stand where they like."""

from __future__ import annotations

import pytest
import yaml

pytest.importorskip("hydra", reason="needs the extra `train`")

from bench.cli import main


def test_settings_before_and_after_an_option_count_alike(capsys):
    assert main(["train", "name=one", "--show", "model=hybrid-s", "data.crop=64", "--card"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["name"], shown["data"]["crop"]) == ("one", 64)
    assert shown["model"]["channels"] == 160


def test_an_option_that_there_is_not_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["train", "name=one", "--cards", "data.crop=64"])
    assert "unrecognized arguments: --cards data.crop=64" in capsys.readouterr().err

"""``bench train --series``: a base and its variants at one recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

pytest.importorskip("lightning", reason="needs the extra `train`")

from bench.ablation import ablate
from bench.cards import CodecCard, read_card
from bench.cli import main
from bench.errors import TrainingError, UnknownNameError, UsageError
from bench.models.hybrid.config import HybridConfig
from bench.training.run import settings
from bench.training.series import Series, read_series, train_series

TINY = [
    "model=hybrid-s", "data.crop=32", "data.batch=1", "data.valid=0", "trainer.max_steps=2",
    "trainer.valid_every=2", "trainer.accelerator=cpu", "trainer.threads=1", "logger=none",
    "card.ladder=[5,25,45,65]", "model.channels=64",
]  # fmt: skip


@pytest.fixture(scope="module")
def photos(shared, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for file in sorted((shared / "train" / "cid22_clic25").glob("*.avif"))[:2]:
        (folder / file.name).symlink_to(file)
    return folder


def _series(**members: object) -> Series:
    return Series.model_validate({"base": "one", "settings": TINY, "members": members})


def test_every_member_that_ships_is_one_thing_off_its_base_and_valid():
    series = read_series("hybrid-s")
    seen = {}
    for name in series.members:
        given = [*series.settings_of(name), *series.card_of(name), f"name={name}"]
        values = settings([*given, "data.folders=photos"])
        HybridConfig.from_dict(values["model"])
        recipe = {key: value for key, value in values.items() if key not in ("name", "card")}
        if series.init_of(name):
            recipe["init"] = series.init_of(name)
        text = json.dumps(recipe, sort_keys=True)
        assert text not in seen, f"{name} is {seen[text]} under another name"
        seen[text] = name


def test_a_member_has_the_settings_and_the_start_of_its_base():
    series = read_series("hybrid-s")
    assert series.init_of("hybrid-s-gan") == "hybrid-s"
    assert "trainer.max_steps=500" in series.settings_of("hybrid-s-gan")
    bare, with_lapped = (series.settings_of(f"hybrid-s-bare{end}") for end in ("", "-lapped"))
    assert set(with_lapped) - set(bare) == {"model.start=lapped"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"base": "one", "members": {"two": {}}}, "base: one is no member"),
        ({"base": "one", "members": {"one": {}, "two": {}}}, "two: a variant says differs"),
        (
            {"base": "one", "members": {"one": {"init": "two"}, "two": {}}},
            "one: two is no member before it",
        ),
        ({"base": "one", "members": {"one": {"steps": 3}}}, "members.one.steps: there is no such"),
        ([1], "a mapping|valid dictionary|object"),
    ],
)
def test_a_file_that_is_no_series_is_named_with_the_field(values, complaint, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(UsageError, match=complaint):
        read_series(str(path))


def test_an_unknown_series_gets_suggestions():
    with pytest.raises(UnknownNameError, match="hybrid-s"):
        read_series("hybrid")


def test_a_series_goes_past_a_failure_and_does_nothing_twice(photos, tmp_path):
    series = _series(
        one={},
        two={"differs": "RDO", "change": "removed", "settings": ["model.rdo=0"]},
        bad={"differs": "sense", "change": "removed", "settings": ["model.block=round"]},
    )
    given = [f"data.folders={photos}"]
    first = train_series(series, given, tmp_path, jobs=2)
    assert [bool(outcome.card) for outcome in first] == [True, True, False]
    assert "block: one of" in first[2].reason
    card = read_card(CodecCard, first[1].card)
    assert (card.base, card.differs, card.change) == ("one", "RDO", "removed")
    weights = tmp_path / "one" / "one.safetensors"
    before = weights.stat().st_mtime_ns
    again = train_series(series, given, tmp_path, only=["one", "two"])
    assert [outcome.seconds for outcome in again] == [0.0, 0.0]
    assert weights.stat().st_mtime_ns == before
    with pytest.raises(TrainingError, match=r"trained with seed=|nothing where seed=7"):
        train_series(series, [*given, "seed=7"], tmp_path, only=["one"])
    done = ablate(
        first[0].card, photos, variants=[first[1].card], images=1, metrics="psnr", quiet=True,
        out=tmp_path / "run", jobs=0,
    )  # fmt: skip
    assert [finding.variant.codec for finding in done.ablation.findings["one"]] == ["two"]


def test_a_members_list_without_a_series_is_refused(capsys):
    assert main(["train", "--only", "hybrid-s-vq", "data.folders=x"]) == 2
    assert "give --series" in capsys.readouterr().err

"""Which codecs are an ablation: a base, its variants, and theirs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bench import paths, registry
from bench.adapters.make import make_codec
from bench.cards import CodecCard, parse_card
from bench.errors import CardError, UnavailableError, UsageError
from bench.family import check_differs, descend, select_family


def jpeg(name: str, base: str | None = None, change: str = "added", **fields: object) -> CodecCard:
    """Return the card of a JPEG, a variant of `base`."""
    variant = {"base": base, "differs": f"what {name} has", "change": change} if base else {}
    values = {
        "name": name,
        "adapter": "bench.adapters.pillow:PillowCodec",
        "options": {"format": "JPEG"},
        "quality": {"ladder": [10, 50]},
    }
    return parse_card(CodecCard, values | variant | fields, f"{name}.yaml")


def save(subsampling: str) -> dict[str, object]:
    """Return options of a JPEG that make it differ from others."""
    return {"format": "JPEG", "save": {"subsampling": subsampling}}


def names(cards: list[CodecCard] | tuple[CodecCard, ...]) -> list[str]:
    """Return the cards' names."""
    return [card.name for card in cards]


def test_the_variants_of_jpeg_are_found_with_theirs():
    family = select_family("jpeg")
    assert names(family.cards) == [
        "jpeg",
        "jpeg-flat",
        *("jpeg-optimised", "jpeg-progressive"),
        *("jpeg-422", "jpeg-444"),
        "jpeg-rgb",
    ]
    assert not family.left_out


def test_each_base_stands_before_its_variants_and_what_is_removed_comes_first():
    pool = [
        jpeg("c", "plain"),
        jpeg("b", "full", "replaced"),
        jpeg("plain", "full", "removed"),
        jpeg("a", "full"),
        jpeg("other", "another"),
    ]
    assert names(descend(jpeg("full"), pool)) == ["plain", "a", "b", "c"]


def test_every_ablation_card_of_the_catalogue_differs_from_a_base_that_exists():
    cards = [card for card in registry.codecs() if card.base]
    assert len(cards) > 10
    for card in cards:
        base = registry.codecs().get(card.base)
        assert base.meaning() != card.meaning(), card.name
        make_codec(card)


def test_a_variant_that_is_the_very_codec_its_base_is_is_an_error(tmp_path):
    twin = tmp_path / "twin.yaml"
    text = (Path(registry.codecs().origin("jpeg"))).read_text("utf-8")
    twin.write_text(
        text.replace("name: jpeg\n", "name: twin\n") + "base: jpeg\ndiffers: x\nchange: added\n"
    )
    with pytest.raises(CardError, match=r"twin.yaml: base: the same codec as jpeg: .*'x' should"):
        select_family("jpeg", str(twin))


def test_another_checkpoint_is_a_difference(tmp_path):
    def learned(name: str, weights: bytes, **fields: object) -> CodecCard:
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.pt").write_bytes(weights)
        options = {"architecture": "bmshj2018-factorized", "checkpoint": {"file": "weights.pt"}}
        adapter = "bench.adapters.neural:NeuralCodec"
        card = jpeg(name, adapter=adapter, options=options, **fields)
        return card.model_copy(update={"source": str(tmp_path / name / "card.yaml")})

    full = learned("full", b"trained with it")
    variant = {"base": "full", "differs": "the loss", "change": "removed"}
    check_differs(learned("less", b"trained without it", **variant), full)
    with pytest.raises(CardError, match="the same codec as full"):
        check_differs(learned("same", b"trained with it", **variant), full)


def test_a_circle_of_bases_is_an_error():
    with pytest.raises(CardError, match="a is a variant of its own variant"):
        descend(jpeg("a", "b"), [jpeg("a", "b"), jpeg("b", "a")])


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("avif", "no card names avif as its base.*codecs with variants: .*jpeg"),
        ("classical", "one codec is the base of an ablation, 'classical' stands for: "),
        ("jepg", "no codec or group is called 'jepg'; did you mean .*jpeg"),
    ],
)
def test_a_base_that_is_none_is_an_error(base, message):
    with pytest.raises(UsageError, match=message):
        select_family(base)


def test_a_codec_that_belongs_to_another_base_is_refused():
    with pytest.raises(UsageError, match="webp-method-0 is no variant of jpeg: its base is webp"):
        select_family("jpeg", "jpeg-422,webp-method-0")
    with pytest.raises(UsageError, match="avif is no variant of jpeg: its card names no base"):
        select_family("jpeg", "jpeg-422,avif")


def test_a_variant_that_names_no_codec_as_its_base_is_warned_about(caplog):
    folder = paths.user_cards("codecs")
    folder.mkdir(parents=True)
    (folder / "typo.yaml").write_text(
        "name: typo\nadapter: bench.adapters.pillow:PillowCodec\noptions: {format: JPEG}\n"
        "quality: {ladder: [1]}\nbase: jpge\ndiffers: x\nchange: added\n"
    )
    registry.codecs.cache_clear()
    try:
        with caplog.at_level(logging.WARNING, "bench"):
            select_family("jpeg")
    finally:
        registry.codecs.cache_clear()
    assert "typo.yaml: base: no codec is called 'jpge'; did you mean jpeg?" in caplog.text


def test_what_can_not_run_here_is_left_out_and_so_are_its_variants():
    lacking = {"requires": {"packages": ["no-such-package-here"]}}
    pool = [
        jpeg("fine", "jpeg", options=save("4:2:2")),
        jpeg("gone", "jpeg", options=save("4:4:4"), **lacking),
        jpeg("child", "gone", options=save("4:2:0")),
    ]
    family = select_family("jpeg", pool)
    assert names(family.cards) == ["jpeg", "fine"]
    assert [(card.name, lack.what) for card, lack in family.left_out] == [
        ("gone", "the Python package no-such-package-here is not installed"),
        ("child", "gone can't run here"),
    ]
    with pytest.raises(UsageError, match="no variant of jpeg can run here"):
        select_family("jpeg", pool[1:])
    with pytest.raises(UnavailableError, match="root: the Python package"):
        select_family(jpeg("root", **lacking), [jpeg("leaf", "root", options=save("4:2:2"))])

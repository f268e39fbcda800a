"""Cards: what is accepted, and what an error says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cards import CodecCard, digest, parse_card, plain_number, read_card
from bench.errors import BenchError, CardError, SchemaError, UsageError

GOOD = {
    "name": "mine",
    "adapter": "bench.adapters.pillow:PillowCodec",
    "quality": {"ladder": [10, 50, 90], "range": [1, 100]},
}
VARIANT = {"base": "jpeg", "differs": "progressive scans", "change": "added"}


def card(**changes: object) -> CodecCard:
    """Return a card that differs from a good one in some fields; None takes a field out."""
    values = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return parse_card(CodecCard, values, "mine.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "mine.yaml: name: this field is required"),
        ({"name": "My Codec"}, "mine.yaml: name: "),
        ({"colour": 3}, "mine.yaml: colour: there is no such field"),
        ({"adapter": "pillow"}, "mine.yaml: adapter: "),
        ({"quality": None}, "mine.yaml: quality: this field is required"),
        ({"quality": {"ladder": []}}, "mine.yaml: quality.ladder: "),
        ({"quality": {"ladder": [1, 1]}}, "a setting occurs twice"),
        ({"quality": {"ladder": [1, "two"]}}, "a finite number was expected, got 'two'"),
        ({"quality": {"ladder": [1, True]}}, "a finite number was expected, got True"),
        ({"quality": {"ladder": [1, float("nan")]}}, "a finite number was expected"),
        ({"quality": {"ladder": [5], "range": [1, 3]}}, "5 is outside the range 1 … 3"),
        ({"quality": {"ladder": [2], "range": [3, 1]}}, "the smaller end comes first"),
        ({"quality": {"ladder": [1], "better": "faster"}}, "mine.yaml: quality.better: "),
        ({"timeout": -1}, "mine.yaml: timeout: "),
        ({"groups": ["Fast Ones"]}, "mine.yaml: groups.0: "),
        ({"requires": {"programs": ["x"]}}, "mine.yaml: requires.programs: there is no such field"),
        ({"base": "jpeg"}, "has base, differs and change: differs is missing"),
        (VARIANT | {"change": None}, "has base, differs and change: change is missing"),
        (VARIANT | {"base": "mine"}, "mine.yaml: base: a codec is no variant of itself"),
        (VARIANT | {"differs": "a\nb"}, "mine.yaml: differs: one line of text was expected"),
        (VARIANT | {"differs": " "}, "mine.yaml: differs: one line of text was expected"),
        (VARIANT | {"change": "gone"}, "mine.yaml: change: "),
    ],
)
def test_an_error_names_the_file_the_field_and_what_was_expected(changes, message):
    with pytest.raises(CardError) as raised:
        card(**changes)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_schema_version_says_what_reads_it():
    with pytest.raises(SchemaError, match=r"schema 7 is not read .* pip install --upgrade rdbench"):
        card(schema=7)


@pytest.mark.parametrize("text", ["", "- a\n- b", "{", "name: [", "\x00", "a: &a [*a]"])
def test_what_is_no_card_is_a_card_error(text, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(CardError, match=r"x\.yaml"):
        read_card(CodecCard, path)


def test_yaml_tags_cannot_run_code(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(f"!!python/object/apply:os.system ['touch {tmp_path / 'ran'}']")
    with pytest.raises(CardError):
        read_card(CodecCard, path)
    assert not (tmp_path / "ran").exists()


@given(st.text())
def test_no_text_does_worse_than_a_card_error(text):
    path = Path("x.yaml")
    import yaml

    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        return
    with pytest.raises(BenchError):
        parse_card(CodecCard, values, path)


def test_a_setting_has_one_spelling():
    quality = card().quality
    assert quality.check(50.0, "mine") == 50
    assert isinstance(quality.check(50.0, "mine"), int)
    assert plain_number(0.5) == 0.5


@pytest.mark.parametrize(("value", "problem"), [(0, "outside"), (101, "outside"), (1.5, "whole")])
def test_a_setting_that_the_codec_cannot_take_is_refused(value, problem):
    with pytest.raises(UsageError, match=f"mine: quality .*{problem}"):
        card().quality.check(value, "mine")


def test_a_ladder_with_a_fraction_takes_fractions():
    quality = card(quality={"ladder": [0.5, 1, 2]}).quality
    assert quality.check(1.25, "mine") == 1.25


def test_what_a_variant_says_of_its_base_does_not_change_its_meaning():
    assert card(**VARIANT).meaning() == card().meaning()


def test_names_and_titles_do_not_change_a_codecs_meaning():
    one, other = card(), card(name="other", title="Another", groups=["x"], reference="y")
    assert one.meaning() == other.meaning()
    assert card(options={"format": "JPEG"}).meaning() != one.meaning()


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats())))
def test_a_digest_does_not_depend_on_the_order_of_keys(values):
    assert digest(values) == digest(dict(reversed(values.items())))

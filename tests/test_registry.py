"""Names: suggestions, collisions, plug-ins that break."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from bench import paths, registry
from bench.errors import CardError, DuplicateNameError, UnknownNameError

CARD = "name: {name}\nadapter: bench.adapters.pillow:PillowCodec\nquality: {{ladder: [1]}}\n"


@pytest.fixture(autouse=True)
def _fresh():
    """Fill the registries anew in each test, and leave them as they were found."""
    registry.codecs.cache_clear()
    yield
    registry.codecs.cache_clear()


@pytest.fixture
def user_cards() -> Path:
    """The folder for cards that the user added for good."""
    folder = paths.user_cards("codecs")
    folder.mkdir(parents=True)
    return folder


def test_every_card_of_the_catalogue_loads():
    names = registry.codecs().names()
    assert [card.name for card in registry.codecs()] == names
    assert "jpeg" in names


def test_a_typo_gets_suggestions():
    with pytest.raises(UnknownNameError, match=r"did you mean .*jpeg"):
        registry.codecs().get("jpge")


def test_a_card_in_the_users_folder_is_found(user_cards):
    (user_cards / "mine.yaml").write_text(CARD.format(name="mine"))
    assert registry.codecs().get("mine").source == str(user_cards / "mine.yaml")


def test_a_name_that_is_taken_is_an_error_that_says_where_both_come_from(user_cards):
    (user_cards / "jpeg.yaml").write_text(CARD.format(name="jpeg"))
    with pytest.raises(DuplicateNameError) as raised:
        registry.codecs()
    assert str(paths.catalogue("codecs") / "jpeg.yaml") in str(raised.value)
    assert str(user_cards / "jpeg.yaml") in str(raised.value)


def test_a_broken_card_of_the_users_warns_and_the_rest_go_on(user_cards, caplog):
    (user_cards / "broken.yaml").write_text("name: broken\n")
    names = [card.name for card in registry.codecs()]
    assert "jpeg" in names
    assert "broken" not in names
    assert "broken.yaml: adapter: this field is required" in caplog.text


def test_a_card_must_be_called_as_its_file(user_cards):
    (user_cards / "mine.yaml").write_text(CARD.format(name="other"))
    with pytest.raises(CardError, match="must be the file's own name, 'mine'"):
        registry.codecs().get("mine")


def test_a_broken_plug_in_warns_and_the_rest_go_on(monkeypatch, caplog):
    point = importlib.metadata.EntryPoint("rotten", "no_such_module:Codec", "bench.codecs")
    real = importlib.metadata.entry_points
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda **of: [point] if of == {"group": "bench.codecs"} else real(**of),
    )
    names = [card.name for card in registry.codecs()]
    assert "jpeg" in names
    assert "rotten" not in names
    assert "No module named 'no_such_module'" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise RuntimeError('at import')", "can't be imported: RuntimeError: at import"),
        ("import bench", "declares no codec"),
        ("def (", "can't be imported: SyntaxError"),
    ],
)
def test_a_python_file_that_brings_no_codec_says_why(text, message, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(CardError, match=message):
        registry.read_file(path)


def test_a_folder_without_cards_says_so(tmp_path):
    with pytest.raises(CardError, match="holds no codec"):
        registry.read_file(tmp_path)


def test_a_python_file_that_was_edited_is_loaded_anew(tmp_path):
    """Also by a notebook, and where the edit keeps the length of the file within a second."""
    file = tmp_path / "mine.py"
    values = []
    for number in (1, 1, 2):
        file.write_text(f"NUMBER = {number}\n", "utf-8")
        values.append(registry.load_module(file))
    assert [module.NUMBER for module in values] == [1, 1, 2]
    assert values[0] is values[1]

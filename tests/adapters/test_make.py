"""What the cache knows a codec by."""

from __future__ import annotations

import sys
from hashlib import sha256

import pytest

from bench import registry
from bench.adapters.make import _sources, identity, make_codec, missing, source_digest
from bench.cards import CodecCard, parse_card
from bench.errors import CardError

USER = "from bench.adapters.pillow import PillowCodec\nclass Mine(PillowCodec):\n    level = {}\n"


def files(target):
    return {path.name for path in _sources(registry.load_target(target).__module__)}


def test_the_code_of_a_codec_is_its_module_and_those_it_uses():
    command = {"command.py", "programs.py", "yuv.py"}
    assert files("bench.adapters.command:CommandCodec") == command
    assert files("bench.adapters.ffmpeg:FfmpegCodec") == {"ffmpeg.py"} | command
    assert files("bench.adapters.heif:HeifCodec") == {"heif.py", "pillow.py", "guard.py"}


def test_the_code_of_a_users_class_is_its_file_and_the_bases_that_are_ours(tmp_path):
    digests = []
    for level in (1, 2):
        path = tmp_path / f"{level}" / "mine.py"
        path.parent.mkdir()
        path.write_text(USER.format(level), "utf-8")
        cls = registry.load_target(f"{path}:Mine")
        digests.append(source_digest(cls))
        own = sha256(b"mine.py\0" + path.read_bytes()).hexdigest()
        assert digests[-1] != own
    assert digests[0] != digests[1]


def test_the_code_of_an_installed_package_is_all_of_it(tmp_path, monkeypatch):
    package = tmp_path / "someones_codec"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helpers.py").write_text("X = 1\n")
    (package / "codec.py").write_text(USER.format(1), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    cls = registry.load_target("someones_codec.codec:Mine")
    before = source_digest(cls)
    (package / "helpers.py").write_text("X = 2\n")
    source_digest.cache_clear()
    assert source_digest(cls) != before
    for name in [name for name in sys.modules if name.startswith("someones_codec")]:
        del sys.modules[name]


def test_two_settings_of_one_library_have_two_identities():
    identities = [identity(registry.codecs().get(name)) for name in ("jpeg", "jpeg-444")]
    assert identities[0] != identities[1]
    assert identities[0]["source"] == identities[1]["source"]


def test_names_titles_and_ladders_do_not_change_the_identity():
    card = registry.codecs().get("jpeg")
    other = card.model_copy(update={"name": "other", "title": "Other", "groups": ("x",)})
    assert identity(card) == identity(other)


def test_a_constructor_that_refuses_its_options_is_a_fault_of_the_card():
    values = {"name": "x", "adapter": "bench.adapters.jxl:JxlCodec", "options": {"effort": 11}}
    card = parse_card(CodecCard, {**values, "quality": {"ladder": [1]}}, "x.yaml")
    with pytest.raises(CardError, match=r"x\.yaml: options: effort: 1 … 10 was expected, got 11"):
        make_codec(card)


def test_a_package_that_is_missing_is_named_with_its_command():
    card = registry.codecs().get("jpeg")
    card = card.model_copy(
        update={"requires": card.requires.model_copy(update={"packages": ("no-such-thing",)})}
    )
    lack = missing(card)
    assert str(lack) == (
        "the Python package no-such-thing is not installed; get it with: pip install no-such-thing"
    )

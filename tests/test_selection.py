"""What a list of codecs on the command line stands for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import registry
from bench.adapters.pillow import PillowCodec
from bench.cards import CodecCard
from bench.codec import Codec, declare_codec
from bench.errors import (
    CardError,
    DuplicateNameError,
    UnavailableError,
    UnknownNameError,
    UsageError,
)
from bench.selection import OPT_IN, choose_codecs, select_codecs

CARD = """\
name: {name}
adapter: bench.adapters.pillow:PillowCodec
options: {{format: JPEG}}
quality: {{ladder: [10, 50]}}
groups: [{groups}]
requires: {{binaries: [{binary}], install: "apt-get install {binary}"}}
"""


def write(folder: Path, name: str, groups: str = "", binary: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = CARD.format(name=name, groups=groups, binary=binary)
    path = folder / f"{name}.yaml"
    path.write_text(text if binary else text.replace("binaries: [], ", ""), "utf-8")
    return path


@pytest.fixture
def own() -> Iterator[Path]:
    """The folder of the user's own cards, read afresh."""
    registry.codecs.cache_clear()
    yield Path(os.environ["BENCH_HOME"]) / "codecs"
    registry.codecs.cache_clear()


def names(spec: object) -> list[str]:
    return [card.name for card in select_codecs(spec).cards]  # type: ignore[arg-type]


@declare_codec("declared-here", ladder=[10, 90])
class Declared(PillowCodec):
    def __init__(self) -> None:
        super().__init__("JPEG")


def test_names_come_in_the_order_given_and_once() -> None:
    assert names("webp, jpeg,webp") == ["webp", "jpeg"]
    assert names(["webp", "jpeg,avif", "jpeg"]) == ["webp", "jpeg", "avif"]


def test_a_group_holds_its_cards_and_a_glob_those_that_match(own: Path) -> None:
    write(own, "mine-a", "mine")
    write(own, "mine-b", "mine")
    write(own, "other", "mine")
    assert names("mine") == ["mine-a", "mine-b", "other"]
    assert names("mine-*") == ["mine-a", "mine-b"]
    assert names("other,mine-?,mine") == ["other", "mine-a", "mine-b"]


def test_all_leaves_out_the_groups_that_must_be_asked_for(own: Path) -> None:
    for group in OPT_IN:
        write(own, f"one-{group}", f"classical, {group}")
    write(own, "ungrouped")
    found = names("all")
    assert {"jpeg", "webp", "avif", "ungrouped"} <= set(found)
    assert not any(name.startswith("one-") for name in found)
    # Cards of the catalogue that are slow, too, are in the group where their programs are here.
    asked = names("slow,one-ablation")
    assert [name for name in asked if name.startswith("one-")] == ["one-slow", "one-ablation"]
    assert asked[-1] == "one-ablation"


def test_a_codec_that_can_not_run_is_left_out_of_a_group_with_the_way_to_get_it(own: Path) -> None:
    write(own, "lacking", "mine", binary="no-such-program")
    write(own, "ready", "mine")
    found = select_codecs("mine")
    assert [card.name for card in found.cards] == ["ready"]
    [(card, lack)] = found.left_out
    assert card.name == "lacking"
    assert "no-such-program is not on the PATH" in lack.what
    assert lack.how == "apt-get install no-such-program"
    assert select_codecs("lack*").left_out == found.left_out


def test_a_codec_that_can_not_run_is_an_error_when_asked_for_by_its_name(own: Path) -> None:
    path = write(own, "lacking", "mine", binary="no-such-program")
    for spec in ("lacking", "mine,lacking", path, registry.codecs().get("lacking")):
        with pytest.raises(UnavailableError, match=r"lacking: .*apt-get install no-such-program"):
            select_codecs(spec)


def test_a_card_with_a_wrong_option_is_left_out_of_its_group_only(own: Path) -> None:
    path = write(own, "wrong", "mine")
    path.write_text(
        path.read_text("utf-8").replace("{format: JPEG}", "{format: JPEG, sav: {}}"), "utf-8"
    )
    write(own, "right", "mine")
    found = select_codecs("mine")
    assert [card.name for card in found.cards] == ["right"]
    assert "options.sav" in found.left_out[0][1].what
    with pytest.raises(CardError, match=r"options\.sav"):
        select_codecs("wrong")


def test_a_malformed_card_is_reported_by_name_and_passed_over_in_groups(own: Path) -> None:
    (own).mkdir(parents=True)
    (own / "broken.yaml").write_text("name: broken\nladder: 3\n", "utf-8")
    with pytest.raises(CardError, match=r"broken\.yaml"):
        select_codecs("all,broken")
    assert "broken" not in names("all")


def test_an_unknown_name_is_an_error_with_suggestions_over_names_and_groups() -> None:
    with pytest.raises(UnknownNameError, match=r"'jepg'; did you mean .*jpeg"):
        select_codecs("jepg")
    with pytest.raises(UnknownNameError, match=r"did you mean classical"):
        select_codecs("clasical")
    with pytest.raises(UnknownNameError, match=r"nothing-\*"):
        select_codecs("nothing-*")


@pytest.mark.parametrize("spec", ["", " , ", []])
def test_an_empty_list_is_an_error(spec: str | list[str]) -> None:
    with pytest.raises(UsageError, match="no codec is named"):
        select_codecs(spec)


def test_a_card_a_python_file_and_a_folder_are_selected_by_path(tmp_path: Path) -> None:
    write(tmp_path, "from-card")
    (tmp_path / "code.py").write_text(
        "import bench\n"
        "from bench.adapters.pillow import PillowCodec\n"
        "@bench.declare_codec('from-code', ladder=[1, 2])\n"
        "class Mine(PillowCodec):\n"
        "    def __init__(self):\n"
        "        super().__init__('JPEG')\n",
        "utf-8",
    )
    assert names(f"{tmp_path}/from-card.yaml") == ["from-card"]
    assert names(tmp_path / "code.py") == ["from-code"]
    assert names(f"jpeg,{tmp_path}") == ["jpeg", "from-code", "from-card"]


def test_a_folder_leaves_out_what_can_not_run_as_a_group_does(tmp_path: Path) -> None:
    write(tmp_path, "lacking", binary="no-such-program")
    assert [card.name for card, _ in select_codecs(tmp_path).left_out] == ["lacking"]


def test_an_adapter_beside_its_card_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, "beside")
    path.write_text(
        path.read_text("utf-8")
        .replace("bench.adapters.pillow:PillowCodec", "mine.py:Mine")
        .replace("options: {format: JPEG}", ""),
        "utf-8",
    )
    (tmp_path / "mine.py").write_text(
        "from bench.adapters.pillow import PillowCodec\n"
        "class Mine(PillowCodec):\n"
        "    def __init__(self):\n"
        "        super().__init__('JPEG')\n",
        "utf-8",
    )
    assert names(path) == ["beside"]


def test_a_file_that_takes_a_name_of_the_catalogue_is_an_error_that_names_both(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "jpeg")
    with pytest.raises(DuplicateNameError, match=r"codecs/jpeg\.yaml.*jpeg\.yaml"):
        select_codecs(path)
    with pytest.raises(DuplicateNameError):
        select_codecs([write(tmp_path / "a", "twice"), write(tmp_path / "b", "twice")])


def test_one_file_named_twice_is_one_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "once")
    monkeypatch.chdir(tmp_path)
    assert names([path, "./once.yaml"]) == ["once"]


def test_cards_and_declared_classes_come_from_python() -> None:
    card = registry.codecs().get("webp")
    assert isinstance(card, CodecCard)
    assert names([card, Declared]) == ["webp", "declared-here"]
    [choice] = choose_codecs(Declared)
    assert choice.card.quality.ladder == (10, 90)


def test_a_class_that_a_worker_could_not_find_is_refused() -> None:
    @declare_codec("inside", ladder=[1])
    class Inside(PillowCodec):
        pass

    class Undeclared(Declared):
        pass

    with pytest.raises(UsageError, match="inside a function"):
        select_codecs(Inside)
    with pytest.raises(UsageError, match=r"@bench\.declare_codec"):
        select_codecs(Undeclared)
    with pytest.raises(UsageError, match=r"@bench\.declare_codec"):
        select_codecs(Codec)


def test_what_is_missing_is_fetched_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "weights.py"
    path.write_text(
        "from pathlib import Path\n"
        "import bench\n"
        "from bench.adapters.pillow import PillowCodec\n"
        "from bench.errors import UnavailableError\n"
        "weights = Path(__file__).with_name('weights.bin')\n"
        "@bench.declare_codec('fetched', ladder=[10])\n"
        "class Fetched(PillowCodec):\n"
        "    def __init__(self):\n"
        "        super().__init__('JPEG')\n"
        "    def check_available(self):\n"
        "        if not weights.exists():\n"
        "            raise UnavailableError('no weights', 'bench run --download')\n"
        "    def fetch(self):\n"
        "        weights.write_bytes(b'w')\n",
        "utf-8",
    )
    with pytest.raises(UnavailableError, match="fetched: no weights; get it with: bench run"):
        select_codecs(path)
    assert [card.name for card in select_codecs(path, download=True).cards] == ["fetched"]

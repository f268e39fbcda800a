"""`bench datasets`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.cli import main


def test_the_list_says_where_each_data_set_stands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["kodak"].split()[1:4] == ["24", "15", "MB"]
    assert lines["kodak"].endswith("ships")
    assert lines["tecnick"].endswith("not here: bench datasets get tecnick")
    assert lines["imagenet-val"].endswith("not here: bench datasets show imagenet-val")


@pytest.mark.parametrize("command", [["--json"], ["list", "--json"], ["--json", "list"]])
def test_the_list_is_json_where_asked_for(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["datasets", *command]) == 0
    sets = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert sets["kodak"]["state"] == "ships"
    assert sets["kodak"]["images"] == 24
    assert sets["div2k-valid"]["state"] == "absent"
    assert sets["div2k-valid"]["command"] == "bench datasets get div2k-valid"


def test_a_card_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "show", "coco-val2017"]) == 0
    shown = capsys.readouterr().out
    assert "COCO val2017" in shown
    assert "http://images.cocodataset.org/zips/val2017.zip (815,585,330 bytes, SHA-256" in shown
    assert "Common Objects in Context" in shown


def test_a_wrong_name_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "show", "kodack"]) == 2
    assert capsys.readouterr().err == (
        "bench: no data set is called 'kodack'; did you mean kodak?\n"
    )


def test_what_ships_need_not_be_fetched(capsys: pytest.CaptureFixture[str], kodak: Path) -> None:
    assert main(["datasets", "get", "kodak"]) == 0
    assert capsys.readouterr().out == f"kodak: {kodak}\n"


def test_what_needs_an_account_can_not_be_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "get", "imagenet-val"]) == 2
    assert "register at https://image-net.org" in capsys.readouterr().err


def test_a_check_says_whether_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "check", "kodak", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == found["digests_compared"] == 24
    assert found["problems"] == []


def test_a_check_that_finds_something_is_exit_1(
    capsys: pytest.CaptureFixture[str], kodak: Path, tmp_path: Path
) -> None:
    shutil.copy(kodak / "kodim01.png", tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no image")
    assert main(["datasets", "check", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "bad.png: no image" in said
    assert "2 images in" in said
    assert "with a problem: 1" in said

"""`bench codecs`, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest

from bench.cli import main
from bench.registry import codecs

BROKEN = str(Path(__file__).parents[1] / "broken.py")


@pytest.fixture
def sample(tmp_path, kodak):
    path = tmp_path / "sample.png"
    with PIL.Image.open(kodak / "kodim23.png") as picture:
        picture.crop((300, 100, 348, 132)).save(path)
    return str(path)


@pytest.fixture
def lacking(tmp_path):
    """A card whose program is on no machine."""
    path = tmp_path / "lacking.yaml"
    path.write_text(
        "name: lacking\n"
        "adapter: bench.adapters.command:CommandCodec\n"
        "options:\n"
        '  encode: [no-such-program, "{input}", "{bitstream}"]\n'
        '  decode: [no-such-program, "{bitstream}", "{output}"]\n'
        "quality: {ladder: [1, 2]}\n"
        "groups: [mine]\n"
        "requires: {binaries: [no-such-program], install: apt-get install nothing}\n",
        "utf-8",
    )
    return str(path)


def printed(capsys):
    return json.loads(capsys.readouterr().out)


def test_the_list_has_every_codec_with_its_state(capsys):
    assert main(["codecs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["codec", "state", "groups", "title"]
    names = codecs().names()
    rows = {line.split()[0]: line for line in lines[1 : 1 + len(names)]}
    assert list(rows) == names
    assert rows["jpeg"].split()[1:3] == ["ready", "classical"]
    assert {line.split()[1] for line in rows.values()} <= {"ready", "missing"}


def test_what_is_missing_stands_below_with_the_way_to_get_it(lacking, capsys):
    assert main(["codecs", "list", lacking, "jpeg"]) == 0
    out = capsys.readouterr().out
    assert "lacking  missing  mine" in out
    last = out.splitlines()[-1]
    assert last == (
        "lacking: the program no-such-program is not on the PATH; "
        "get it with: apt-get install nothing"
    )


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["jpeg*,webp"], {"jpeg", "jpeg-444", "webp"}),
        (["bpg", "vtm"], {"bpg", "vtm"}),
        (["--group", "slow"], {"hm", "vtm", "vvc"}),
        (["h*", "--group", "slow"], {"hm"}),
        (["--group", "external"], {"cjxl", "cjpegli"}),
    ],
)
def test_the_list_is_narrowed_by_names_globs_and_group(words, names, capsys):
    assert main(["codecs", *words, "--json"]) == 0
    found = {row["name"] for row in printed(capsys)}
    assert names <= found
    if words != ["jpeg*,webp"]:
        assert found == names


def test_the_list_as_json_is_what_a_program_needs(lacking, capsys):
    assert main(["codecs", "jpeg", lacking, "--json"]) == 0
    jpeg, other = printed(capsys)
    assert jpeg["state"] == "ready"
    assert jpeg["missing"] is None
    assert jpeg["range"] == [1, 100]
    assert jpeg["better"] == "higher"
    assert other["state"] == "missing"
    assert other["install"] == "apt-get install nothing"


def test_show_tells_everything_about_a_codec(capsys):
    assert main(["codecs", "show", "jpeg", "bpg"]) == 0
    out = capsys.readouterr().out
    assert "JPEG (libjpeg-turbo, 4:2:0)" in out
    assert "5, 10, 20, 35, 55, 70, 80, 90" in out
    assert "identity.libraries.pillow" in out
    assert "bpgenc -q '{quality}' -f 444 -e x265" in out
    assert main(["codecs", "show", "jpeg", "--json"]) == 0
    [facts] = printed(capsys)
    assert len(facts["codec_id"]) == 16
    assert facts["identity"]["options"] == {
        "format": "JPEG",
        "save": {"subsampling": "4:2:0", "optimize": False, "progressive": False},
    }


def test_check_prints_a_line_per_promise(sample, capsys):
    assert main(["codecs", "check", "jpeg", "--image", sample]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "jpeg: JPEG (libjpeg-turbo, 4:2:0)"
    assert len(lines) == 10
    assert all(line.startswith("  ok    ") for line in lines[1:])


def test_check_of_a_codec_that_breaks_the_contract_ends_with_1(sample, tmp_path, capsys):
    (tmp_path / "two.py").write_text(
        "import bench\n"
        "from bench.registry import load_target\n"
        "@bench.declare_codec('kept', ladder=[2, 6])\n"
        f"class Kept(load_target({BROKEN + ':Good'!r})): ...\n"
        "@bench.declare_codec('broken', ladder=[2, 6])\n"
        f"class Broken(load_target({BROKEN + ':EvenOnly'!r})): ...\n",
        "utf-8",
    )
    path = str(tmp_path / "two.py")
    assert main(["codecs", "check", path, "--image", sample, "--json"]) == 1
    found = printed(capsys)
    assert {row["codec"] for row in found} == {"kept", "broken"}
    assert [row["promise"][:9] for row in found if not row["kept"]] == ["odd sizes"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["jepg"], "no codec or group is called 'jepg'; did you mean jpeg"),
        (["--group", "classica"], "no group is called 'classica'; did you mean classical"),
        (["show"], "name a codec: bench codecs show CODEC"),
        (["check"], "name a codec: bench codecs check CODEC"),
        (["check", "nothing"], "no codec or group is called 'nothing'"),
        (["jpeg", "--timeout", "3"], "--timeout belongs to `bench codecs check`"),
        (["show", "jpeg", "--image", "x.png"], "--image belongs to `bench codecs check`"),
        (["check", "jpeg", "--group", "slow"], "--group belongs to `bench codecs list`"),
        (["check", "jpeg", "--timeout", "0"], "positive number of seconds"),
        (["check", "jpeg", "--image", "no-such.png"], "no-such.png"),
        (["./no-such.yaml"], "no-such.yaml: can't be read"),
    ],
)
def test_wrong_use_ends_with_2_and_one_line(words, message, capsys):
    assert main(["codecs", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


def test_a_codec_that_can_not_run_is_not_checked(lacking, capsys):
    assert main(["codecs", "check", lacking]) == 2
    assert "get it with: apt-get install nothing" in capsys.readouterr().err

"""A file is written as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.files import whole, write_whole


def test_a_file_is_written_with_its_folder(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "a.txt", "β\n")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "β\n".encode()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_what_fails_half_way_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def crash() -> None:
        with whole(file) as part:
            part.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_that_can_not_be_written_to_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"can't write .*file/a\.txt"):
        write_whole(tmp_path / "file" / "a.txt", "x")

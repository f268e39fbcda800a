"""Downloads from a real server that breaks, lies and changes its mind."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data.download import TRIES, Fetched, download
from bench.data.http import _check_redirects
from bench.errors import DownloadError

BODY = random.Random(7).randbytes(3_000_000)
OTHER = random.Random(8).randbytes(3_000_000)
DIGEST = hashlib.sha256(BODY).hexdigest()


def _arrived(fetched: Fetched, body: bytes = BODY) -> None:
    assert fetched.path.read_bytes() == body
    assert fetched.size == len(body)
    assert fetched.sha256 == hashlib.sha256(body).hexdigest()
    # Only the file itself and the lock are left.
    left = {path.name for path in fetched.path.parent.iterdir()}
    assert left == {fetched.path.name, f".{fetched.path.name}.lock"}


def test_a_file_arrives_whole(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY, etag='"1"')
    target = tmp_path / "new" / "a.zip"
    _arrived(download(f"{site.url}/a.zip", target, size=len(BODY), sha256=DIGEST))
    assert [asked.range for asked in site.asked] == [None]
    assert site.asked[0].user_agent.startswith("rdbench/")


def test_a_broken_transfer_goes_on_where_it_was(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY, etag='"1"', cuts=[1_000_000, 500_000])
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"))
    asked = [(asked.range, asked.if_range) for asked in site.asked]
    assert asked == [(None, None), ("bytes=1000000-", '"1"'), ("bytes=1500000-", '"1"')]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cuts=st.lists(st.integers(0, 60_000), max_size=4),
    ranges=st.booleans(),
    etag=st.sampled_from([None, '"1"', 'W/"1"']),
    modified=st.sampled_from([None, "Sun, 22 Nov 2026 20:00:00 GMT"]),
    known=st.booleans(),
    chunked=st.booleans(),
)
def test_wherever_it_breaks_the_file_arrives_whole(
    site: Any, tmp_path: Path, cuts: list[int], known: bool, **server: Any
) -> None:
    body = BODY[:60_000]
    site.add("/a", body, cuts=cuts, **server)
    target = tmp_path / "a"
    target.unlink(missing_ok=True)
    digest = hashlib.sha256(body).hexdigest()
    _arrived(download(f"{site.url}/a", target, sha256=digest if known else None), body)


def test_another_process_takes_up_what_was_left(site: Any, tmp_path: Path) -> None:
    file = site.add("/a.zip", BODY, modified="Sun, 22 Nov 2026 20:00:00 GMT")
    file.cuts = [2_000_000] + [0] * (TRIES - 1 + 1)
    with pytest.raises(
        DownloadError, match=r"broke at 2,000,000 of 3,000,000 bytes; given up after 5 tries"
    ):
        download(f"{site.url}/a.zip", tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
    file.cuts = []
    site.asked.clear()
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"))
    assert site.asked[0].range == "bytes=2000000-"
    assert site.asked[0].if_range == "Sun, 22 Nov 2026 20:00:00 GMT"


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_download_goes_on_where_it_was(site: Any, tmp_path: Path) -> None:
    file = site.add("/a.zip", BODY, etag='"1"', pause=0.05)
    code = "import sys; from pathlib import Path; from bench.data.download import download; "
    code += "download(sys.argv[1], Path(sys.argv[2]))"
    command = [sys.executable, "-c", code, f"{site.url}/a.zip", str(tmp_path / "a.zip")]
    process = subprocess.Popen(command)
    part = tmp_path / "a.zip.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = part.stat().st_size
    assert 0 < kept < len(BODY)
    file.pause = 0.0
    site.asked.clear()
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"))
    assert site.asked[0].range == f"bytes={kept}-"


def test_a_server_without_ranges_sends_it_anew(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY, etag='"1"', ranges=False, cuts=[1_500_000])
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"))


def test_the_rest_of_a_changed_file_is_not_glued_on(site: Any, tmp_path: Path) -> None:
    file = site.add("/a.zip", BODY, etag='"1"', cuts=[1_000_000] + [0] * TRIES)
    with pytest.raises(DownloadError):
        download(f"{site.url}/a.zip", tmp_path / "a.zip")
    file.body, file.etag, file.cuts = OTHER, '"2"', []
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"), OTHER)


def test_without_a_validator_or_digest_nothing_is_resumed(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY, cuts=[1_000_000])
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"))
    assert [asked.range for asked in site.asked] == [None, None]


def test_two_ends_that_do_not_fit_are_fetched_anew(site: Any, tmp_path: Path) -> None:
    file = site.add("/a.zip", OTHER, if_range=False, etag='"1"', cuts=[1_000_000] + [0] * TRIES)
    with pytest.raises(DownloadError):
        download(f"{site.url}/a.zip", tmp_path / "a.zip", sha256=DIGEST)
    # The server pretends that nothing has changed.
    file.body, file.cuts = BODY, []
    site.asked.clear()
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip", sha256=DIGEST))
    assert [asked.range for asked in site.asked] == ["bytes=1000000-", None]


def test_a_part_of_another_url_is_not_taken_up(site: Any, tmp_path: Path) -> None:
    site.add("/old.zip", OTHER, etag='"1"', cuts=[1_000_000] + [0] * TRIES)
    site.add("/new.zip", BODY, etag='"1"')
    with pytest.raises(DownloadError):
        download(f"{site.url}/old.zip", tmp_path / "a.zip")
    _arrived(download(f"{site.url}/new.zip", tmp_path / "a.zip"))


@pytest.mark.parametrize("note", ["", "[]", '{"url": 3}', "\x00"])
def test_a_damaged_note_of_what_arrived_means_a_new_start(
    site: Any, tmp_path: Path, note: str
) -> None:
    site.add("/a.zip", BODY, etag='"1"')
    (tmp_path / "a.zip.part").write_bytes(b"rubbish")
    (tmp_path / "a.zip.part.json").write_text(note)
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"))


def test_a_part_that_was_already_whole_is_finished(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY, etag='"1"')
    (tmp_path / "a.zip.part").write_bytes(BODY)
    note = {"url": f"{site.url}/a.zip", "etag": '"1"', "modified": "", "total": len(BODY)}
    (tmp_path / "a.zip.part.json").write_text(json.dumps(note))
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"))


def test_a_part_longer_than_the_file_is_thrown_away(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY, etag='"1"')
    (tmp_path / "a.zip.part").write_bytes(BODY + b"more")
    note = {"url": f"{site.url}/a.zip", "etag": '"1"', "modified": "", "total": len(BODY)}
    (tmp_path / "a.zip.part.json").write_text(json.dumps(note))
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"))


def test_a_file_of_another_size_is_refused_before_it_is_fetched(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY)
    with pytest.raises(DownloadError, match=r"has 3,000,000 bytes, 448,993,893 were expected"):
        download(f"{site.url}/a.zip", tmp_path / "a.zip", size=448_993_893)
    assert not (tmp_path / "a.zip").exists()
    assert not (tmp_path / "a.zip.part").exists()


@pytest.mark.parametrize("size", [2_999_999, 3_000_001])
def test_a_size_that_the_server_does_not_announce_is_checked_too(
    site: Any, tmp_path: Path, size: int
) -> None:
    site.add("/a.zip", BODY, chunked=True)
    with pytest.raises(DownloadError, match=r"more arrives|given up|were expected"):
        download(f"{site.url}/a.zip", tmp_path / "a.zip", size=size)
    assert not (tmp_path / "a.zip").exists()


def test_a_wrong_digest_deletes_what_has_arrived(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", OTHER)
    with pytest.raises(DownloadError, match=f"expected was {DIGEST}; what was downloaded is del"):
        download(f"{site.url}/a.zip", tmp_path / "a.zip", sha256=DIGEST)
    assert [path.name for path in tmp_path.iterdir()] == [".a.zip.lock"]


def test_a_file_that_is_not_there_is_not_asked_for_again(site: Any, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="the server answers 404 Not Found"):
        download(f"{site.url}/gone.zip", tmp_path / "a.zip")
    assert len(site.asked) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(site: Any, tmp_path: Path, status: int) -> None:
    site.add("/a.zip", BODY, statuses=[(status, {}), (status, {"Retry-After": "0"})])
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"))
    assert len(site.asked) == 3


def test_a_server_says_how_long_to_wait(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY, statuses=[(503, {"Retry-After": "1"})])
    start = time.monotonic()
    _arrived(download(f"{site.url}/a.zip", tmp_path / "a.zip"))
    assert time.monotonic() - start >= 1


def test_a_server_that_stays_in_trouble_is_given_up(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY, statuses=[(500, {})] * 99)
    with pytest.raises(DownloadError, match="500 Internal Server Error; given up after 5 tries"):
        download(f"{site.url}/a.zip", tmp_path / "a.zip")
    assert len(site.asked) == TRIES


def test_a_server_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.data.download.BACKOFF", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DownloadError, match=r"Connection refused; given up"):
        download("http://127.0.0.1:9/a.zip", tmp_path / "a.zip")


def test_a_host_without_an_address_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"no address of nowhere\.invalid is found"):
        download("http://nowhere.invalid/a.zip", tmp_path / "a.zip")
    assert time.monotonic() - start < 30


def test_a_redirect_is_followed(site: Any, tmp_path: Path) -> None:
    site.add("/latest", b"", redirect="/mirror/a.zip")
    site.add("/mirror/a.zip", BODY, etag='"1"', cuts=[1_000_000])
    _arrived(download(f"{site.url}/latest", tmp_path / "a.zip"))


def test_redirects_without_an_end_are_an_error(site: Any, tmp_path: Path) -> None:
    site.add("/a", b"", redirect="/b")
    site.add("/b", b"", redirect="/a")
    with pytest.raises(DownloadError, match="redirects"):
        download(f"{site.url}/a", tmp_path / "a.zip")


def test_a_redirect_out_of_encryption_is_refused() -> None:
    first, last = requests.Response(), requests.Response()
    first.url, last.url = "https://example.org/a.zip", "http://example.org/a.zip"
    last.history = [first]
    with pytest.raises(DownloadError, match="not all of it encrypted"):
        _check_redirects(last)


def test_a_labelled_archive_is_not_decoded(site: Any, tmp_path: Path) -> None:
    import gzip

    body = gzip.compress(BODY[:10_000])
    site.add("/a.tar.gz", body, headers={"Content-Encoding": "gzip"})
    _arrived(download(f"{site.url}/a.tar.gz", tmp_path / "a.tar.gz"), body)


def test_a_full_disk_is_found_before_it_is_full(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY, length=10**18)
    with pytest.raises(DownloadError, match=r"is full \(.* free\); make room"):
        download(f"{site.url}/a.zip", tmp_path / "a.zip")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permission bits")
def test_a_folder_that_is_not_ours_is_an_error(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY)
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:  # root may write anywhere; be nobody for a moment
        os.seteuid(65534)
    try:
        with pytest.raises(DownloadError, match=r"can't be written: Permission denied; BENCH_HOME"):
            download(f"{site.url}/a.zip", tmp_path / "new" / "a.zip")
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


def test_two_processes_fetch_a_file_once(site: Any, tmp_path: Path) -> None:
    site.add("/a.zip", BODY, etag='"1"', pause=0.02)
    code = "import sys; from pathlib import Path; from bench.data.download import download; "
    code += "print(download(sys.argv[1], Path(sys.argv[2])).sha256)"
    command = [sys.executable, "-c", code, f"{site.url}/a.zip", str(tmp_path / "a.zip")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert answers == {DIGEST}
    assert len(site.asked) == 1


def test_a_file_that_is_there_is_verified_and_not_fetched(site: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    target.write_bytes(BODY)
    assert download(f"{site.url}/a.zip", target, sha256=DIGEST).sha256 == DIGEST
    assert site.asked == []
    target.write_bytes(OTHER)
    with pytest.raises(DownloadError, match="the SHA-256 is"):
        download(f"{site.url}/a.zip", target, sha256=DIGEST)
    assert not target.exists()

"""The cache: what is kept, what is dropped, what a damaged one says."""

from __future__ import annotations

import math
import sqlite3
import threading

import pytest

from bench.engine.store import ImageFacts, Measurement, Store, parse_size
from bench.errors import BenchError, SchemaError, UsageError
from bench.metrics.measure import Value


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "cache") as opened:
        yield opened


def put(store: Store, key: str, data: bytes, codec: str = "c", **values: float) -> None:
    """Keep a measurement of a bitstream."""
    measured = {name: Value(value) for name, value in values.items()}
    digest = store.blobs.write(data)
    store.put(key, codec, "id", 5, "image", Measurement(len(data), digest, 0.1, 0.2, measured))


def test_what_was_put_is_found_again_and_nothing_else(store):
    put(store, "k", b"bits", psnr=31.25, other=math.inf)
    found = store.lookup(["k", "unknown"])
    assert set(found) == {"k"}
    assert found["k"].n_bytes == 4
    assert found["k"].values == {"psnr": Value(31.25), "other": Value(math.inf)}
    assert store.blobs.read(found["k"].bitstream_sha256) == b"bits"


def test_an_undefined_value_keeps_its_reason(store):
    digest = store.blobs.write(b"x")
    values = {"ms-ssim": Value(None, "too small")}
    store.put("k", "c", "id", 5, "image", Measurement(1, digest, 0.1, 0.2, values))
    assert store.lookup(["k"])["k"].values == values


def test_metrics_are_added_to_what_is_known(store):
    put(store, "k", b"bits", psnr=30.0)
    digest = store.lookup(["k"])["k"].bitstream_sha256
    more = Measurement(4, digest, 9.0, 9.0, {"ssim": Value(0.9)})
    store.put("k", "c", "id", 5, "image", more, encoded=False)
    found = store.lookup(["k"])["k"]
    assert found.values == {"psnr": Value(30.0), "ssim": Value(0.9)}
    assert found.encode_s == 0.1


def test_a_new_encoding_takes_the_place_of_the_old_with_all_its_values(store):
    put(store, "k", b"bits", psnr=30.0)
    put(store, "k", b"other", ssim=0.9)
    found = store.lookup(["k"])["k"]
    assert found.n_bytes == 5
    assert found.values == {"ssim": Value(0.9)}


def test_thousands_of_keys_are_looked_up_at_once(store):
    for number in range(30):
        put(store, f"k{number}", bytes([number]))
    assert len(store.lookup(f"k{number}" for number in range(5000))) == 30


def test_pruning_drops_what_was_unused_longest_and_keeps_the_measurements(store):
    for number in range(4):
        put(store, f"k{number}", bytes([number]) * 100)
    store.touch([store.lookup(["k0"])["k0"].bitstream_sha256])
    assert store.prune(max_bytes=250) == 200
    left = {
        key: store.blobs.read(found.bitstream_sha256) is not None
        for key, found in store.lookup(f"k{number}" for number in range(4)).items()
    }
    assert left == {"k0": True, "k1": False, "k2": False, "k3": True}
    assert store.usage().blob_bytes == 200


def test_pruning_by_age_leaves_what_is_young(store):
    put(store, "k", b"bits")
    assert store.prune(unused_for_s=3600) == 0
    assert store.prune(unused_for_s=-1) == 4


def test_one_codec_can_be_forgotten(store):
    put(store, "a", b"shared", codec="jpeg")
    put(store, "b", b"shared", codec="webp")
    put(store, "c", b"own", codec="jpeg")
    assert store.forget("jpeg") == 2
    assert set(store.lookup(["a", "b", "c"])) == {"b"}
    assert store.usage().blobs == 1
    assert store.forget() == 1


def test_an_image_is_known_until_its_file_changes(store, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    facts = ImageFacts("sha", 3, 2)
    store.remember_image(path, facts)
    assert store.image_facts([path]) == [facts]
    path.write_bytes(b"other")
    assert store.image_facts([path]) == [None]


def test_two_runs_can_write_at_the_same_time(tmp_path):
    def fill(name: str) -> None:
        with Store(tmp_path / "cache") as own:
            for number in range(50):
                put(own, f"{name}{number}", f"{name}{number}".encode())

    threads = [threading.Thread(target=fill, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Store(tmp_path / "cache") as store:
        assert store.usage().cells == 150


def test_a_damaged_cache_is_named_with_the_way_out(tmp_path):
    (tmp_path / "cache.sqlite").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(BenchError, match=r"can't be used.*BENCH_HOME"):
        Store(tmp_path)


def test_a_cache_of_another_schema_is_refused(tmp_path):
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "cache.sqlite") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(SchemaError, match="schema 99"):
        Store(tmp_path)


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("0", 0), ("1000", 1000), ("500MB", 500_000_000), ("2 GiB", 2**31), ("1.5k", 1500)],
)
def test_sizes_are_read_as_people_write_them(text, n_bytes):
    assert parse_size(text) == n_bytes


@pytest.mark.parametrize("text", ["", "much", "-1", "5 XB", "1e9"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="size"):
        parse_size(text)

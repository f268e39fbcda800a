"""The cache: measurements by content, bitstreams beside them.

One SQLite file in WAL mode holds what was measured; a folder holds the bitstreams under their
SHA-256. Only the process that runs a plan writes rows; its workers write bitstreams, each under a
temporary name and then renamed, before the row that names it. A kill at any moment leaves either
a whole measurement or none.
"""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench.errors import BenchError, SchemaError, UsageError
from bench.metrics.measure import Value

SCHEMA = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS cells (
    key TEXT PRIMARY KEY, codec TEXT NOT NULL, codec_id TEXT NOT NULL, quality REAL NOT NULL,
    image_sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, bitstream_sha256 TEXT NOT NULL,
    encode_s REAL NOT NULL, decode_s REAL NOT NULL, measured_at REAL NOT NULL,
    encodings INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS metric_values (
    key TEXT NOT NULL, metric TEXT NOT NULL, value REAL, reason TEXT NOT NULL,
    PRIMARY KEY (key, metric)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS images (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs (
    sha256 TEXT PRIMARY KEY, size INTEGER NOT NULL, used_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cells_by_codec ON cells (codec);
"""
#: Came later; caches of before get it when they are opened.
_COMPLEXITIES = """
CREATE TABLE IF NOT EXISTS complexities (
    codec TEXT NOT NULL, codec_id TEXT NOT NULL, quality REAL NOT NULL, size TEXT NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (codec_id, quality, size)
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class Measurement:
    """What one cell gave. Times in seconds; `values` by the identity of the metric."""

    n_bytes: int
    bitstream_sha256: str
    encode_s: float
    decode_s: float
    values: dict[str, Value]


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image file without reading it again."""

    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class Usage:
    """What the cache holds."""

    cells: int
    values: int
    blobs: int
    blob_bytes: int
    database_bytes: int


class Blobs:
    """Bitstreams by their SHA-256. Safe for any number of processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Return where the bitstream of this digest lies."""
        return self.folder / digest[:2] / digest[2:]

    def write(self, data: bytes) -> str:
        """Keep `data`; return its SHA-256."""
        digest = sha256(data).hexdigest()
        path = self.path(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        return digest

    def read(self, digest: str) -> bytes | None:
        """Return the bitstream, or None where it is gone or no longer what it was."""
        try:
            data = self.path(digest).read_bytes()
        except OSError:
            return None
        return data if sha256(data).hexdigest() == digest else None


class Store:
    """Measurements by key; see the module's docstring.

    Raises BenchError where the folder can't be written or the file is no cache of ours.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = Blobs(folder / "blobs")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(folder / "cache.sqlite", timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._check_schema()
        except (OSError, sqlite3.Error) as error:
            raise BenchError(
                f"the cache in {folder} can't be used: {error}; remove the folder, or name "
                "another one by BENCH_HOME"
            ) from None

    def _check_schema(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA):
            raise SchemaError(
                f"the cache in {self.folder} has schema {version}, this version of bench reads "
                f"schema {SCHEMA}; name another folder by BENCH_HOME"
            )
        if version == 0:
            self._db.executescript(
                f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={SCHEMA}; COMMIT;"
            )
        self._db.execute(_COMPLEXITIES)

    def close(self) -> None:
        """Close the database; the store can't be used afterwards."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def lookup(self, keys: Iterable[str]) -> dict[str, Measurement]:
        """Return what is known of `keys`."""
        found: dict[str, Measurement] = {}
        for some in _batches(list(keys)):
            marks = ",".join("?" * len(some))
            for key, n_bytes, sha, encode_s, decode_s in self._db.execute(
                "SELECT key, bytes, bitstream_sha256, encode_s, decode_s FROM cells "
                f"WHERE key IN ({marks})",
                some,
            ):
                found[key] = Measurement(n_bytes, sha, encode_s, decode_s, values={})
            for key, metric, value, reason in self._db.execute(
                f"SELECT key, metric, value, reason FROM metric_values WHERE key IN ({marks})",
                some,
            ):
                if key in found:
                    found[key].values[metric] = Value(value, reason)
        return found

    def put(
        self,
        key: str,
        codec: str,
        codec_id: str,
        quality: float,
        image_sha256: str,
        measurement: Measurement,
        *,
        encoded: bool = True,
    ) -> None:
        """Keep a measurement.

        Where `encoded` is False only its metrics are added to what is known; otherwise it takes
        the place of what was known.
        """
        now = time.time()
        with self._transaction():
            if encoded:
                self._db.execute(
                    "INSERT INTO cells VALUES (?,?,?,?,?,?,?,?,?,?,1) ON CONFLICT (key) DO UPDATE "
                    "SET bytes=excluded.bytes, bitstream_sha256=excluded.bitstream_sha256, "
                    "encode_s=excluded.encode_s, decode_s=excluded.decode_s, "
                    "measured_at=excluded.measured_at, encodings=encodings+1",
                    (
                        key, codec, codec_id, quality, image_sha256, measurement.n_bytes,
                        measurement.bitstream_sha256, measurement.encode_s, measurement.decode_s,
                        now,
                    ),
                )  # fmt: skip
                self._db.execute("DELETE FROM metric_values WHERE key=?", (key,))
            self._db.executemany(
                "INSERT OR REPLACE INTO metric_values VALUES (?,?,?,?)",
                [(key, m, v.value, v.reason) for m, v in measurement.values.items()],
            )
            self._db.execute(
                "INSERT OR REPLACE INTO blobs VALUES (?,?,?)",
                (measurement.bitstream_sha256, measurement.n_bytes, now),
            )

    def touch(self, digests: Iterable[str]) -> None:
        """Note that these bitstreams belong to a run of today, so that others go first."""
        now = time.time()
        with self._transaction():
            self._db.executemany(
                "UPDATE blobs SET used_at=? WHERE sha256=?", [(now, digest) for digest in digests]
            )

    def image_facts(self, paths: Sequence[Path]) -> list[ImageFacts | None]:
        """Return what is known of image files that have not changed (size, mtime) since."""
        known: list[ImageFacts | None] = []
        for path in paths:
            stat = path.stat()
            row = self._db.execute(
                "SELECT sha256, width, height FROM images WHERE path=? AND size=? AND mtime_ns=?",
                (str(path.resolve()), stat.st_size, stat.st_mtime_ns),
            ).fetchone()
            known.append(ImageFacts(*row) if row else None)
        return known

    def remember_image(self, path: Path, facts: ImageFacts) -> None:
        """Keep what reading an image file told."""
        stat = path.stat()
        self._db.execute(
            "INSERT OR REPLACE INTO images VALUES (?,?,?,?,?,?)",
            (
                str(path.resolve()), stat.st_size, stat.st_mtime_ns,
                facts.sha256, facts.width, facts.height,
            ),
        )  # fmt: skip

    def complexities(self, codec_id: str, size: str) -> dict[float, str]:
        """Return what is known of a codec's cost on a picture of `size`, a document per setting."""
        rows = self._db.execute(
            "SELECT quality, document FROM complexities WHERE codec_id=? AND size=?",
            (codec_id, size),
        )
        return {float(quality): str(document) for quality, document in rows}

    def put_complexity(
        self, codec: str, codec_id: str, quality: float, size: str, document: str
    ) -> None:
        """Keep what a codec costs at a setting."""
        self._db.execute(
            "INSERT OR REPLACE INTO complexities VALUES (?,?,?,?,?)",
            (codec, codec_id, quality, size, document),
        )

    def usage(self) -> Usage:
        """Return counts and sizes."""

        def one(query: str) -> int:
            return int(self._db.execute(query).fetchone()[0])

        return Usage(
            cells=one("SELECT COUNT(*) FROM cells"),
            values=one("SELECT COUNT(*) FROM metric_values"),
            blobs=one("SELECT COUNT(*) FROM blobs"),
            blob_bytes=one("SELECT COALESCE(SUM(size), 0) FROM blobs"),
            database_bytes=one("PRAGMA page_count") * one("PRAGMA page_size"),
        )

    def by_codec(self) -> list[tuple[str, int, int]]:
        """Return (codec, cells, bytes of bitstreams) for each codec, largest first."""
        return [
            (str(name), int(cells), int(size))
            for name, cells, size in self._db.execute(
                "SELECT codec, COUNT(*), SUM(bytes) FROM cells GROUP BY codec ORDER BY 3 DESC"
            )
        ]

    def prune(self, max_bytes: int | None = None, unused_for_s: float | None = None) -> int:
        """Drop the bitstreams that were unused longest; return the bytes freed.

        Measurements stay: only metrics added later then need a new encoding.

        Parameters
        ----------
        max_bytes : keep at most this much.
        unused_for_s : drop what no run has touched for so many seconds.
        """
        total = self.usage().blob_bytes
        oldest = self._db.execute(
            "SELECT sha256, size, used_at FROM blobs ORDER BY used_at"
        ).fetchall()
        limit = None if unused_for_s is None else time.time() - unused_for_s
        dropped: list[str] = []
        freed = 0
        for digest, size, used_at in oldest:
            too_much = max_bytes is not None and total - freed > max_bytes
            too_old = limit is not None and used_at < limit
            if not (too_much or too_old):
                continue
            self.blobs.path(digest).unlink(missing_ok=True)
            dropped.append(digest)
            freed += size
        with self._transaction():
            self._db.executemany("DELETE FROM blobs WHERE sha256=?", [(d,) for d in dropped])
        return freed

    def forget(self, codec: str | None = None) -> int:
        """Drop the measurements of one codec, or all; return how many cells are gone."""
        where, values = ("WHERE codec=?", (codec,)) if codec else ("", ())
        with self._transaction():
            self._db.execute(
                f"DELETE FROM metric_values WHERE key IN (SELECT key FROM cells {where})", values
            )
            gone = self._db.execute(f"DELETE FROM cells {where}", values).rowcount
            self._db.execute(f"DELETE FROM complexities {where}", values)
            orphans = self._db.execute(
                "SELECT sha256 FROM blobs WHERE sha256 NOT IN (SELECT bitstream_sha256 FROM cells)"
            ).fetchall()
            self._db.executemany("DELETE FROM blobs WHERE sha256=?", orphans)
        for (digest,) in orphans:
            self.blobs.path(digest).unlink(missing_ok=True)
        self._db.execute("VACUUM")
        return gone


def _batches(keys: list[str], size: int = 500) -> Iterator[list[str]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def blob_limit() -> int:
    """Return how many bytes of bitstreams are kept: `BENCH_CACHE_LIMIT`, or 10 GiB.

    Raises UsageError for a value that is no size.
    """
    text = os.environ.get("BENCH_CACHE_LIMIT")
    return parse_size(text) if text else 10 * 2**30


def parse_size(text: str) -> int:
    """Return "500MB", "2 GiB" or "1000" in bytes. Raises UsageError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", text, re.IGNORECASE)
    if not match:
        raise UsageError(f"a size such as 500MB or 2GiB was expected, not {text!r}")
    number, prefix, binary = match.groups()
    power = " KMGT".index(prefix.upper() or " ")
    return int(float(number) * (1024 if binary else 1000) ** power)

"""What has arrived of a file so far, and of which version of the file it is a part.

The bytes are in ``NAME.part``; ``NAME.part.json`` beside it names the URL and what the server
called the version, so that the rest of a file that has changed in between is never glued to them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


@dataclass
class Partial:
    """The first `length` bytes of the file at `url`; `hash` has seen them all.

    `total` is the whole file's size where it is known, `etag` and `modified` what the server
    called its version.
    """

    path: Path
    url: str
    etag: str = ""
    modified: str = ""
    total: int | None = None
    length: int = 0
    resumed: bool = False
    hash: Any = field(default_factory=sha256)

    @property
    def note(self) -> Path:
        """The file that remembers the version."""
        return self.path.with_name(self.path.name + ".json")

    @property
    def validator(self) -> str:
        """What If-Range can compare: a strong ETag, else the date (RFC 9110, section 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def load(self) -> None:
        """Take up what an earlier process has left."""
        try:
            known = json.loads(self.note.read_text("utf-8"))
            if known["url"] != self.url:
                return
            self.etag, self.modified = str(known["etag"]), str(known["modified"])
            self.total = None if known["total"] is None else int(known["total"])
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    self.hash.update(chunk)
                    self.length += len(chunk)
        except (OSError, ValueError, KeyError, TypeError):
            self._forget()

    def begin(self, etag: str, modified: str, total: int | None) -> None:
        """Start with the first byte of a version of the file."""
        self.discard()
        self.etag, self.modified, self.total = etag, modified, total
        known = {"url": self.url, "etag": etag, "modified": modified, "total": total}
        self.note.write_text(json.dumps(known), "utf-8")

    def took(self, chunk: bytes) -> None:
        """Count bytes that were written."""
        self.hash.update(chunk)
        self.length += len(chunk)

    def discard(self) -> None:
        """Delete what has arrived."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        self.etag, self.modified, self.total = "", "", None
        self.hash, self.length, self.resumed = sha256(), 0, False

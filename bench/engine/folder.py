"""The folder that a run leaves behind.

Every file is written under a temporary name and then renamed: a kill leaves the old file or the
new one, never half of one. What is in the folder can be recomputed from the cache at any time.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from bench.engine.execute import CellRecord
from bench.engine.plan import Plan
from bench.errors import RunError, SchemaError
from bench.metrics.metric import column

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
RESULTS = "results.csv"
SUMMARY = "summary.csv"
TIMES = "times.csv"
INFO = "run.json"


class RunFolder:
    """A run's folder: checked when it is opened, locked while it is used.

    Raises
    ------
    RunError : not writable, used by another run, or holding a run of another plan.
    SchemaError : holding a run of another version of bench.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def opened(self, plan: Plan) -> Iterator[RunFolder]:
        """Create, check and lock the folder for `plan`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise RunError(f"can't write into {self.path}: {error.strerror}") from None
        lock = FileLock(self.path / ".lock")
        try:
            with lock.acquire(timeout=0):
                self._check(plan)
                yield self
        except Timeout:
            raise RunError(f"{self.path} is used by another run at this moment") from None

    def _check(self, plan: Plan) -> None:
        info = self.info()
        if info is None:
            others = [p.name for p in self.path.iterdir() if not p.name.startswith(".")]
            if others:
                raise RunError(
                    f"{self.path} holds files that are no run ({others[0]}, …); choose another "
                    "folder with --out"
                )
        elif info.get("plan") != plan.digest:
            raise RunError(
                f"{self.path} holds a run of another plan (other codecs, settings, images, "
                "metrics or versions of them); choose another folder with --out, or remove it"
            )

    def info(self) -> dict[str, Any] | None:
        """Return run.json, or None where there is none."""
        path = self.path / INFO
        if not path.is_file():
            return None
        try:
            info = json.loads(path.read_text("utf-8"))
        except (ValueError, OSError) as error:
            raise RunError(f"{path} can't be read: {error}") from None
        if not isinstance(info, dict) or info.get("schema") != SCHEMA:
            found = info.get("schema") if isinstance(info, dict) else None
            raise SchemaError(
                f"{path} has schema {found!r}; this version of bench reads schema {SCHEMA}"
            )
        return info

    def write_info(self, info: dict[str, Any]) -> None:
        """Write run.json."""
        text = json.dumps({"schema": SCHEMA, **info}, indent=1, ensure_ascii=False, default=str)
        self.write(INFO, text + "\n")

    def write_frame(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table as CSV: floats with all their digits, `inf` for infinity, empty for NA."""
        self.write(name, frame.to_csv(index=False, lineterminator="\n"))

    def write(self, name: str, text: str) -> None:
        """Write one file as a whole. Raises RunError (a full disk, say); the old one stays."""
        path = self.path / name
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except OSError as error:
            raise RunError(f"can't write {path}: {error.strerror}") from None
        finally:
            Path(temporary).unlink(missing_ok=True)


def results_frame(plan: Plan, records: dict[int, CellRecord]) -> pd.DataFrame:
    """Return one row per cell that has a record, by codec, setting and image, in plan order."""
    import pandas as pd

    ordered = sorted(records.values(), key=lambda r: (r.cell.codec, _rank(plan, r), r.cell.image))
    rows = [_row(plan, record) for record in ordered]
    columns = [*_COLUMNS, *(column(name) for name in plan.metrics), "status", "error", "na"]
    frame = pd.DataFrame(rows, columns=columns)
    whole = ["width", "height", "bytes"]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def times_frame(plan: Plan, records: dict[int, CellRecord]) -> pd.DataFrame:
    """Return one row per repeat of each cell, in seconds."""
    import pandas as pd

    rows = [
        (
            plan.codecs[record.cell.codec].card.name, record.cell.quality,
            plan.images[record.cell.image].name, repeat, encode_s, decode_s,
        )
        for _, record in sorted(records.items())
        for repeat, (encode_s, decode_s) in enumerate(record.repeats, start=1)
    ]  # fmt: skip
    columns = ["codec", "quality", "image", "repeat", "encode_s", "decode_s"]
    return pd.DataFrame(rows, columns=columns)


def summary_frame(results: pd.DataFrame, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Return means per codec and setting over the images that worked at it."""
    values = ["bpp", "compression_ratio", *map(column, metrics), "encode_s", "decode_s"]
    done = results[results["status"] == "ok"]
    groups = done.groupby(["codec", "quality"], sort=False)
    summary = groups[values].mean()
    summary.insert(0, "n_images", groups.size())
    return summary.reset_index()


_COLUMNS = (
    "codec", "codec_id", "quality", "dataset", "image", "image_sha256", "width", "height", "bytes",
    "bitstream_sha256", "bpp", "compression_ratio", "encode_s", "decode_s",
)  # fmt: skip


def _rank(plan: Plan, record: CellRecord) -> int:
    return plan.codecs[record.cell.codec].qualities.index(record.cell.quality)


def _row(plan: Plan, record: CellRecord) -> dict[str, Any]:
    from bench.metrics.rate import BitsPerPixel, CompressionRatio

    codec = plan.codecs[record.cell.codec]
    image = plan.images[record.cell.image]
    row: dict[str, Any] = {
        "codec": codec.card.name,
        "codec_id": codec.codec_id,
        "quality": record.cell.quality,
        "dataset": plan.dataset.name,
        "image": image.name,
        "image_sha256": image.sha256,
        "width": image.width or None,
        "height": image.height or None,
        "status": "failed" if record.error else "ok",
        "error": record.error,
        "na": "; ".join(
            f"{column(name)}: {value.reason}"
            for name, value in record.values.items()
            if value.value is None
        ),
    }
    if not record.error:
        size = (record.n_bytes, image.width, image.height)
        row |= {
            "bytes": record.n_bytes,
            "bitstream_sha256": record.bitstream_sha256,
            "bpp": BitsPerPixel.from_size(*size),
            "compression_ratio": CompressionRatio.from_size(*size),
            "encode_s": record.encode_s,
            "decode_s": record.decode_s,
        }
        row |= {column(name): value.value for name, value in record.values.items()}
    return row

"""A baseline: what a codec once did, as a file that is committed beside its code.

One row of the file is one line, in an order that does not depend on the run, so that a diff shows
what moved. A digest over everything else tells a hand edit and a bad merge from a file that was
written by ``bench baseline``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from bench.cards import Number, digest, explain
from bench.errors import BaselineError, SchemaError
from bench.files import write_whole

SCHEMA = 1
KIND = "bench-baseline"

_AGAIN = "take the committed version again, or write it anew: bench baseline write RUN FILE"


def _value(value: Any) -> Any:
    """Read a metric's value: JSON has no infinity, which the PSNR of equal images is."""
    return math.inf if value == "inf" else -math.inf if value == "-inf" else value


def _plain(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Value = Annotated[float | None, BeforeValidator(_value), PlainSerializer(_plain)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class BaselineImage(NamedTuple):
    """An image: SHA-256 of its pixels, width and height in pixels."""

    sha256: Sha256
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


class BaselineCell(NamedTuple):
    """What a codec did with an image at a setting; `values` in the order of the metrics, None
    where the metric is undefined.
    """

    codec: str
    quality: Number
    image: str
    bytes: Annotated[int, Field(gt=0)]
    bitstream_sha256: Sha256
    values: tuple[Value, ...]


class BaselineTimes(NamedTuple):
    """The repeats of a cell in the timing mode, in seconds, in the order of the rounds."""

    codec: str
    quality: Number
    image: str
    encode_s: tuple[Seconds, ...]
    decode_s: tuple[Seconds, ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BaselineCodec(_Part):
    """A codec: its identity, and whether its bytes are the same on every processor."""

    id: str
    title: str = ""
    better: Literal["higher", "lower"] = "higher"
    bytes_depend_on_processor: bool = True
    identity: dict[str, Any] = {}


class BaselineDataset(_Part):
    """The data set: its name, and a digest over all pixels of the images measured."""

    name: str
    sha256: str = ""


class Provenance(_Part):
    """Where a baseline comes from: for people and for the history, never compared."""

    created: str = ""
    commit: str = ""
    run: str = ""
    command: tuple[str, ...] = ()
    machine: dict[str, Any] = {}
    timing: dict[str, Any] = {}


class Baseline(BaseModel):
    """A whole baseline.

    Parameters
    ----------
    metrics : name to the version that measured, in the order of every cell's values.
    versions : of bench, Python and the packages that measure.
    images : by name. `cells` and `times` refer to images and codecs by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    kind: Literal["bench-baseline"] = "bench-baseline"
    schema_: Literal[1] = Field(default=1, alias="schema")
    provenance: Provenance = Provenance()
    dataset: BaselineDataset
    metrics: dict[str, str]
    versions: dict[str, str] = {}
    codecs: dict[str, BaselineCodec]
    images: dict[str, BaselineImage]
    cells: Annotated[tuple[BaselineCell, ...], Field(min_length=1)]
    times: tuple[BaselineTimes, ...] = ()

    @model_validator(mode="after")
    def _refers_to_itself(self) -> Baseline:
        seen = set()
        rows: list[BaselineCell | BaselineTimes] = [*self.cells, *self.times]
        for row in rows:
            where = f"{row.codec} at {row.quality} on {row.image}"
            if row.codec not in self.codecs or row.image not in self.images:
                raise ValueError(f"{where}: no such codec or image in this file")
            key = (type(row), row.codec, row.quality, row.image)
            if key in seen:
                raise ValueError(f"{where} occurs twice")
            seen.add(key)
        for cell in self.cells:
            if len(cell.values) != len(self.metrics):
                raise ValueError(
                    f"{cell.codec} at {cell.quality} on {cell.image}: {len(cell.values)} values "
                    f"for {len(self.metrics)} metrics"
                )
        for times in self.times:
            if not times.encode_s or len(times.encode_s) != len(times.decode_s):
                raise ValueError(f"times of {times.codec} at {times.quality}: repeats are missing")
        return self

    def settings(self, codec: str) -> list[float]:
        """Return the settings of a codec, rising."""
        return sorted({cell.quality for cell in self.cells if cell.codec == codec})


def dump_baseline(baseline: Baseline) -> str:
    """Return the text of a baseline's file: equal baselines give equal text."""
    ordered = baseline.model_copy(
        update={
            "cells": tuple(sorted(baseline.cells, key=lambda c: c[:3])),
            "times": tuple(sorted(baseline.times, key=lambda t: t[:3])),
            "codecs": dict(sorted(baseline.codecs.items())),
            "images": dict(sorted(baseline.images.items())),
        }
    )
    body = ordered.model_dump(mode="json", by_alias=True)
    whole = {"kind": KIND, "schema": SCHEMA, "digest": digest(body), **body}
    return "{\n" + ",\n".join(f"{_text(k)}: {_block(v)}" for k, v in whole.items()) + "\n}\n"


def write_baseline(baseline: Baseline, path: str | Path) -> None:
    """Write a baseline's file, whole or not at all. Raises UsageError."""
    write_whole(path, dump_baseline(baseline))


def read_baseline(path: str | Path) -> Baseline:
    """Read a baseline's file.

    Raises
    ------
    BaselineError : no such file, no JSON, no baseline, an impossible field, or a file whose
        contents are not those its digest was made of.
    SchemaError : a baseline of another version of bench.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise BaselineError(
            path, "there is no such file; make it with: bench baseline write RUN FILE"
        ) from None
    except OSError as error:
        raise BaselineError(path, f"can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BaselineError(path, f"is no text in UTF-8; {_AGAIN}") from None
    return parse_baseline(text, path)


def parse_baseline(text: str, source: str | Path) -> Baseline:
    """Return the baseline that a file's text holds. Raises BaselineError, SchemaError."""
    values = _load(text, source)
    if values.get("kind") != KIND:
        raise BaselineError(source, f"is no baseline of bench; {_AGAIN}", "kind")
    if values.get("schema") != SCHEMA:
        raise SchemaError(
            f"{source}: schema {values.get('schema')!r} is not read by this version of bench, "
            f"which reads schema {SCHEMA}; a newer bench may: pip install --upgrade rdbench"
        )
    claimed = values.pop("digest", None)
    try:
        baseline = Baseline.model_validate(values)
        found = digest(values)
    except ValidationError as error:
        problem, field = explain(error)
        raise BaselineError(source, " ".join(f"{problem}; {_AGAIN}".split()), field) from None
    except UnicodeEncodeError:
        raise BaselineError(source, f"holds text that is no Unicode; {_AGAIN}") from None
    if claimed != found:
        raise BaselineError(
            source, f"was changed by hand or by a merge: its digest is another; {_AGAIN}", "digest"
        )
    return baseline


def _load(text: str, source: str | Path) -> dict[str, Any]:
    if any(line.startswith(("<<<<<<<", ">>>>>>>")) for line in text.splitlines()):
        raise BaselineError(
            source, "has the marks of a merge conflict; choose one side, or write it anew: "
            "bench baseline write RUN FILE"
        )  # fmt: skip
    try:
        values = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BaselineError(source, f"is no JSON: cut or damaged; {_AGAIN}") from None
    if not isinstance(values, dict):
        raise BaselineError(source, f"is no baseline of bench; {_AGAIN}")
    return values


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _block(value: Any) -> str:
    """Return a value with each of its entries on a line of its own."""
    if isinstance(value, Mapping) and value:
        rows = ",\n".join(f" {_text(key)}: {_text(entry)}" for key, entry in value.items())
        return f"{{\n{rows}\n}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f" {_text(entry)}" for entry in value) + "\n]"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)

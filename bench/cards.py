"""Cards: the catalogue's entries, typed and validated.

A card is a YAML file that a person can read, copy and change. Every error names the file, the
field and what was expected.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from bench.codec import Quality
from bench.errors import CardError, SchemaError, UsageError

SCHEMA = 1


def _beside_the_card(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", Path())
    return Path(folder) / path.expanduser()


#: An adapter's option that names a file: a relative path is looked up beside the card.
CardPath = Annotated[Path, AfterValidator(_beside_the_card)]


def _target(target: str, info: ValidationInfo) -> str:
    where, colon, name = target.rpartition(":")
    if not where.endswith(".py"):
        return target
    return f"{_beside_the_card(Path(where), info).resolve()}{colon}{name}"


#: An adapter's option that names code: ``module:name``, or ``file.py:name`` beside the card.
CardTarget = Annotated[str, AfterValidator(_target)]


def plain_number(value: float) -> Quality:
    """Return 50 for 50.0 and the value itself otherwise: one spelling for each setting."""
    return int(value) if math.isfinite(value) and value == int(value) else value


def _finite(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a finite number was expected")
    return plain_number(value)


Number = Annotated[int | float, BeforeValidator(_finite)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


def _one_of_each(values: tuple[Quality, ...]) -> tuple[Quality, ...]:
    if len(set(values)) != len(values):
        raise ValueError("a setting occurs twice")
    return values


class Card(BaseModel):
    """What the cards of every catalogue have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: int = Field(SCHEMA, alias="schema")
    name: Name
    title: str = ""
    description: str = ""
    #: The paper, standard or program, as a reader would cite it.
    reference: str = ""
    #: Where the card came from: a file, or the package that brought it.
    source: str = Field("", exclude=True)

    @property
    def label(self) -> str:
        """The title, or the name where there is none."""
        return self.title or self.name


class QualityLadder(BaseModel):
    """The settings of a codec."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: What is measured by default, in any order.
    ladder: Annotated[tuple[Number, ...], Field(min_length=1), AfterValidator(_one_of_each)]
    better: Literal["higher", "lower"] = "higher"
    #: Smallest and largest setting the codec takes; the ladder's own ends if left out.
    range: tuple[Number, Number] | None = None
    #: The codec's own word for the setting: quality, QP, CRF, distance.
    label: str = "quality"

    @model_validator(mode="after")
    def _ladder_in_range(self) -> QualityLadder:
        low, high = self.limits
        if low > high:
            raise ValueError(f"range: the smaller end comes first, got {low}, {high}")
        for value in self.ladder:
            if not low <= value <= high:
                raise ValueError(f"ladder: {value} is outside the range {low} … {high}")
        return self

    @property
    def limits(self) -> tuple[Quality, Quality]:
        """Smallest and largest setting."""
        return self.range or (min(self.ladder), max(self.ladder))

    @property
    def whole(self) -> bool:
        """Whether only whole numbers make sense: ladder and range hold nothing else."""
        return all(isinstance(value, int) for value in (*self.ladder, *self.limits))

    def check(self, value: float, codec: str) -> Quality:
        """Return `value` in its one spelling. Raises UsageError where the codec can't take it."""
        value = plain_number(value)
        low, high = self.limits
        if not low <= value <= high:
            raise UsageError(f"{codec}: {self.label} {value} is outside {low} … {high}")
        if self.whole and not isinstance(value, int):
            raise UsageError(f"{codec}: {self.label} {value} is not a whole number")
        return value


class Requires(BaseModel):
    """What must be on the machine before the codec can run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Programs looked up on the PATH.
    binaries: tuple[str, ...] = ()
    #: Python distributions, as pip names them.
    packages: tuple[str, ...] = ()
    #: The exact command, or the way, that gets what is missing.
    install: str = ""


def _one_line(text: str) -> str:
    if not text.strip() or "\n" in text:
        raise ValueError("one line of text was expected")
    return text.strip()


#: What a variant does to its base. The order is that of tables.
Change = Literal["removed", "added", "replaced"]


class CodecCard(Card):
    """One codec with one set of options.

    `adapter` is ``module:Class`` or ``path/to/file.py:Class``; `options` are the keyword
    arguments of that class.
    """

    adapter: Annotated[str, Field(pattern=r"^.+:[A-Za-z_][\w.]*$")]
    options: dict[str, Any] = {}
    quality: QualityLadder
    groups: tuple[Name, ...] = ()
    requires: Requires = Requires()
    #: Seconds that one cell may take, in place of the run's limit (slow reference encoders).
    timeout: Annotated[float, Field(gt=0)] | None = None
    #: Whether another processor may give other bytes (floating point, vector code that rounds
    #: otherwise). A gate compares bytes across machines only where a card says that none does.
    bytes_depend_on_processor: bool = True
    #: Of a variant for `bench ablate`: the codec that it differs from, in which one thing, and
    #: whether that thing is added to the base, removed from it or replaced in it.
    base: Name | None = None
    differs: Annotated[str, AfterValidator(_one_line)] | None = None
    change: Change | None = None

    @model_validator(mode="after")
    def _whole_variant(self) -> CodecCard:
        fields = {"base": self.base, "differs": self.differs, "change": self.change}
        unset = [name for name, value in fields.items() if value is None]
        if 0 < len(unset) < len(fields):
            raise ValueError(
                f"a variant of another codec has base, differs and change: {unset[0]} is missing"
            )
        if self.base == self.name:
            raise ValueError("base: a codec is no variant of itself")
        return self

    def meaning(self) -> dict[str, Any]:
        """Return the fields that can change a byte: part of the codec's identity."""
        return {"adapter": self.adapter, "options": self.options}


CardT = TypeVar("CardT", bound=Card)


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON-like value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def parse_card(model: type[CardT], values: object, source: str | Path) -> CardT:
    """Return `values` as a card of type `model`. Raises CardError, SchemaError."""
    if not isinstance(values, dict):
        raise CardError(source, f"a mapping of fields was expected, not {type(values).__name__}")
    schema = values.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise SchemaError(
            f"{source}: schema {schema!r} is not read by this version of bench, which reads "
            f"schema {SCHEMA}; a newer bench may: pip install --upgrade rdbench"
        )
    try:
        return model.model_validate({**values, "source": str(source)})
    except ValidationError as error:
        raise CardError(source, *explain(error)) from None


def read_card(model: type[CardT], path: Path) -> CardT:
    """Read one card. Raises CardError, SchemaError."""
    try:
        values = yaml.load(path.read_text("utf-8"), Loader=_LOADER)
    except OSError as error:
        raise CardError(path, f"can't be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CardError(path, "is no YAML: " + " ".join(str(error).split())) from None
    return parse_card(model, values, path)


def explain(error: ValidationError) -> tuple[str, str]:
    """Return (problem, field) of the first fault that pydantic found, in plain words."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "missing":
        return "this field is required" + more, field
    if first["type"] == "extra_forbidden":
        return "there is no such field" + more, field
    message = first["msg"].removeprefix("Value error, ")
    # A rule over several fields has all of them for its input.
    got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
    return f"{message}{got}{more}", field


# libyaml is ten times faster; PyYAML's wheels carry it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

"""What a gate allows: limits, for all codecs or for those that a glob names.

Rules stand in a section ``gates`` of ``bench.toml`` (in ``pyproject.toml``: ``tool.bench.gates``)
and on the command line. They are laid over the defaults, the command line last; a default goes
away only where it is turned off by name.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bench.cards import explain
from bench.errors import RuleError

#: Where rules are looked for, the first that has some.
FILES = ("bench.toml", "pyproject.toml")
#: Fewest repeats on each side that the test of times is made with.
FEWEST_REPEATS = 8


def _limit(value: Any) -> Any:
    if value is False or value == "off":
        return None
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError("a number of 0 or more was expected, or off")
    return value


Limit = Annotated[float | None, Field(ge=0, allow_inf_nan=False), BeforeValidator(_limit)]
Ratio = Annotated[float | None, Field(ge=1, allow_inf_nan=False), BeforeValidator(_limit)]
PerMetric = dict[str, Limit]


class Limits(BaseModel):
    """The largest loss allowed, by rule; None is no limit.

    Parameters
    ----------
    bd_rate : percent of BD-rate over the curve, by metric.
    worst_image : percent of BD-rate of any one image, by metric.
    drop : loss of quality at a setting, mean over images, on the metric's own scale, by metric;
        for a metric of which less is better (LPIPS) its rise.
    bytes : percent of all bytes at a setting. image_bytes : of one image's at a setting.
    exact : no byte may change, for codecs whose card says that bytes don't depend on the
        processor.
    failures : cells that may fail.
    encode_ratio, decode_ratio : time over what was expected, 1.1 for ten percent more.
    encode_ms, decode_ms : rise in milliseconds per image. Where both a ratio and milliseconds are
        given, a rise must exceed both.
    yardstick : a codec of the same run; the time over its time is compared with the baseline's.
    predecessor : a codec of the same run, the previous build; times are compared with its own.
    alpha : share of unchanged runs in which the test of times may raise an alarm.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bd_rate: PerMetric = {}
    worst_image: PerMetric = {}
    drop: PerMetric = {}
    bytes: Limit = None
    image_bytes: Limit = None
    exact: bool = False
    failures: Annotated[int | None, Field(ge=0), BeforeValidator(_limit)] = None
    encode_ratio: Ratio = None
    decode_ratio: Ratio = None
    encode_ms: Limit = None
    decode_ms: Limit = None
    yardstick: str = ""
    predecessor: str = ""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.001

    @property
    def timed(self) -> bool:
        """Whether any time is limited."""
        times = (self.encode_ratio, self.decode_ratio, self.encode_ms, self.decode_ms)
        return any(limit is not None for limit in times)

    @property
    def metrics(self) -> list[str]:
        """The metrics that some rule needs."""
        rules = (self.bd_rate, self.worst_image, self.drop)
        named = {name for rule in rules for name, limit in rule.items() if limit is not None}
        return sorted(named)


class Rule(Limits):
    """Limits for the codecs that a glob names."""

    match: Annotated[str, Field(min_length=1)]


class Gates(Limits):
    """A ``gates`` section: limits for all codecs, then rules for some, the last one winning."""

    codecs: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _one_measure_of_time(self) -> Gates:
        for limits in (self, *self.codecs):
            if limits.yardstick and limits.predecessor:
                raise ValueError("yardstick and predecessor exclude each other: give one")
        return self


DEFAULTS = Gates(bd_rate={"psnr": 0.5}, worst_image={"psnr": 1.0}, drop={"psnr": 0.01}, failures=0)


def limits_for(codec: str, layers: Sequence[Gates]) -> Limits:
    """Return what holds for one codec, from all layers, later ones over earlier ones.

    Raises RuleError where a limit on time lacks what time is measured against.
    """
    merged: dict[str, Any] = {}
    for layer in (DEFAULTS, *layers):
        _lay_over(merged, layer)
        for rule in layer.codecs:
            if fnmatch.fnmatchcase(codec, rule.match):
                _lay_over(merged, rule)
    limits = Limits(**merged)
    if limits.timed and not (limits.yardstick or limits.predecessor):
        raise RuleError(
            f"rules for {codec}",
            "times of different machines can't be compared; name a codec of the same run: "
            "yardstick = 'jpeg', or predecessor = the previous build",
            "encode_ratio, decode_ratio, encode_ms, decode_ms",
        )
    return limits


def _lay_over(merged: dict[str, Any], limits: Limits) -> None:
    for name in limits.model_fields_set & set(Limits.model_fields):
        value = getattr(limits, name)
        if isinstance(value, dict):
            value = {**merged.get(name, {}), **value}
        merged[name] = value
        for other in {"yardstick", "predecessor"} - {name} if name in _AGAINST else ():
            merged.pop(other, None)


_AGAINST = ("yardstick", "predecessor")


def unmatched(layers: Sequence[Gates], codecs: Sequence[str]) -> list[str]:
    """Return the globs of rules that name none of the codecs: a misspelt one guards nothing."""
    patterns = [rule.match for layer in layers for rule in layer.codecs]
    return [p for p in dict.fromkeys(patterns) if not fnmatch.filter(codecs, p)]


def parse_gates(values: object, source: str | Path) -> Gates:
    """Return a ``gates`` section. Raises RuleError with the field at fault."""
    if not isinstance(values, Mapping):
        raise RuleError(source, f"a table was expected, not {type(values).__name__}", "gates")
    try:
        return Gates.model_validate(values)
    except ValidationError as error:
        problem, field = explain(error)
        raise RuleError(source, problem, f"gates.{field}" if field else "gates") from None


def read_rules(path: Path) -> Gates | None:
    """Return the rules of a TOML file, or None where it has none. Raises RuleError."""
    try:
        values: Any = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RuleError(path, f"can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RuleError(path, f"is no TOML: {' '.join(str(error).split())}") from None
    keys = ("tool", "bench") if path.name == "pyproject.toml" else ()
    for key in keys:
        values = values.get(key, {})
        if not isinstance(values, Mapping):
            raise RuleError(path, f"a table was expected, not {type(values).__name__}", key)
    return parse_gates(values["gates"], path) if "gates" in values else None


def find_rules(folder: Path) -> Gates | None:
    """Return the rules of the folder's ``bench.toml``, else of its ``pyproject.toml``."""
    for name in FILES:
        if (folder / name).is_file() and (rules := read_rules(folder / name)) is not None:
            return rules
    return None


def parse_options(texts: Sequence[str]) -> Gates:
    """Return rules given as ``[GLOB:]NAME[.METRIC]=VALUE``, VALUE as in TOML or a bare word.

    Raises RuleError.
    """
    general: dict[str, Any] = {}
    some: list[dict[str, Any]] = []
    for text in texts:
        left, equals, right = text.partition("=")
        glob, _, name = left.strip().rpartition(":")
        if not equals or not name:
            raise RuleError(
                f"--rule {text}", "[GLOB:]NAME=VALUE was expected, such as bd_rate.psnr=0.5"
            )
        target = general
        if glob:
            target = {"match": glob}
            some.append(target)
        rule, dot, metric = name.partition(".")
        value = _option_value(right.strip())
        if dot:
            known = target.setdefault(rule, {})
            if not isinstance(known, dict):
                raise RuleError(f"--rule {text}", f"{rule} is given with and without a metric")
            known[metric] = value
        else:
            target[rule] = value
    return parse_gates({**general, **({"codecs": some} if some else {})}, "--rule")


def _option_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text

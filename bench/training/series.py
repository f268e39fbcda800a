"""A series of trainings at one recipe: a base and its variants, what an ablation compares."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.cards import Change, Name, explain
from bench.errors import TrainingError, UnknownNameError, UsageError
from bench.files import write_whole

FOLDER = Path(__file__).parent / "conf" / "series"


class Member(BaseModel):
    """One training of a series.

    Parameters
    ----------
    settings : of ``bench train``, added to those of `base`.
    base, differs, change : what the card says of a variant; `base` is the series' own where it is
        left out, `differs` and `change` are missing for the series' base alone.
    init : the member whose weights this one starts from; those of `base` where left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    differs: str = ""
    change: Change | None = None
    base: Name | None = None
    init: Name | None = None
    settings: tuple[str, ...] = ()


class Series(BaseModel):
    """A recipe and who is trained by it.

    Parameters
    ----------
    base : the member that the others are variants of.
    settings : of ``bench train``, the same for all.
    members : by name, in the order in which they are trained.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Name
    settings: tuple[str, ...] = ()
    members: Annotated[dict[Name, Member], Field(min_length=1)]

    @model_validator(mode="after")
    def _known(self) -> Series:
        if self.base not in self.members:
            raise ValueError(f"base: {self.base} is no member")
        done: set[str] = set()
        for name, member in self.members.items():
            variant = name != self.base
            if variant != bool(member.differs and member.change):
                raise ValueError(f"{name}: a variant says differs and change, the base neither")
            for other in (member.base, member.init):
                if other is not None and other not in done:
                    raise ValueError(f"{name}: {other} is no member before it")
            done.add(name)
        return self

    def base_of(self, name: str) -> str | None:
        """Return the member that `name` is a variant of; None for the series' base."""
        return None if name == self.base else self.members[name].base or self.base

    def init_of(self, name: str) -> str | None:
        """Return the member whose weights `name` starts from, if any."""
        base = self.base_of(name)
        return self.members[name].init or (self.init_of(base) if base else None)

    def settings_of(self, name: str) -> list[str]:
        """Return the settings of one member without its card's; the last of a kind counts."""
        base = self.base_of(name)
        above = self.settings_of(base) if base else list(self.settings)
        return _last_of_each([*above, *self.members[name].settings])

    def _title_above(self, name: str | None) -> str:
        """Return the title of the nearest member that has one of its own, from `name` upwards."""
        if name is None:
            return self.base
        return self.members[name].title or self._title_above(self.base_of(name))

    def card_of(self, name: str) -> list[str]:
        """Return the settings of one member's card."""
        member, base = self.members[name], self.base_of(name)
        above = self._title_above(base)
        with_it = {"removed": "without ", "added": "with "}.get(str(member.change), "")
        title = member.title or f"{above}: {with_it}{member.differs}"
        card = [f"card.title={quote(title)}"]
        if base is not None:
            card += [f"card.base={base}", f"card.differs={quote(member.differs)}",
                     f"card.change={member.change}"]  # fmt: skip
        return card


@dataclass(frozen=True)
class Outcome:
    """How one training of a series ended.

    Parameters
    ----------
    card : the member's card; None for a training that failed.
    seconds : that it took; 0 for one that was done before.
    reason : the last line of the log of a training that failed.
    """

    name: str
    card: Path | None
    seconds: float = 0.0
    reason: str = ""


def read_series(which: str) -> Series:
    """Return the series of a name, or of a YAML file.

    Raises
    ------
    UnknownNameError : no series has the name.
    UsageError : the file is no series; with the field that is wrong.
    """
    path = Path(which) if which.endswith((".yaml", ".yml")) else FOLDER / f"{which}.yaml"
    try:
        return Series.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except FileNotFoundError:
        known = sorted(one.stem for one in FOLDER.glob("*.yaml"))
        raise UnknownNameError("series", which, known) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        problem, field = explain(error)
        raise UsageError(f"{path}: {field + ': ' if field else ''}{problem}") from None


def train_series(
    series: Series, overrides: Sequence[str], out: Path, *, only: Sequence[str] = (), jobs: int = 1,
    report: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:  # fmt: skip
    """Train the members that are not trained yet; return how each ended, in the series' order.

    Each is a process of its own with its log in ``OUT/NAME/log.txt``: one that fails leaves the
    others alone, and the same call goes on where a stopped one was.

    Parameters
    ----------
    overrides : settings that count for all members over their own; part of the recipe.
    only : names of the members to train; all where empty.
    jobs : trainings side by side.
    report : called as each ends.

    Raises
    ------
    UnknownNameError : `only` names no member.
    TrainingError : `out` holds a member that was trained at another recipe.
    """
    for name in only:
        if name not in series.members:
            raise UnknownNameError("member of the series", name, sorted(series.members))
    names = [name for name in series.members if not only or name in only]
    recipes = {name: _recipe(series, name, overrides, out) for name in names}
    for name in names:
        _check_recipe(out / name, recipes[name])
    running: dict[str, Future[Outcome]] = {}

    def one(name: str) -> Outcome:
        first = series.init_of(name)
        if first in running and running[first].result().card is None:
            outcome = Outcome(name, None, reason=f"{first}, which it starts from, failed")
        else:
            outcome = _train(name, recipes[name], out)
        report(outcome)
        return outcome

    with ThreadPoolExecutor(jobs) as pool:
        for name in names:
            # A member waits for one that was put in before it, so there is always one that runs.
            running[name] = pool.submit(one, name)
        return [running[name].result() for name in names]


def quote(text: str) -> str:
    """Return `text` as a string of Hydra's grammar."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _last_of_each(settings: Sequence[str]) -> list[str]:
    return [f"{key}={value}" for key, value in dict(one.split("=", 1) for one in settings).items()]


def _recipe(series: Series, name: str, overrides: Sequence[str], out: Path) -> list[str]:
    settings = [f"name={name}", f"out={quote(str(out))}", *series.settings_of(name)]
    if first := series.init_of(name):
        settings.append(f"init={quote(str(out / first / 'last.ckpt'))}")
    return _last_of_each([*settings, *series.card_of(name), *overrides])


def _trained_by(recipe: Sequence[str]) -> list[str]:
    """Return what of a recipe changes weights: not where they lie or what the card says."""
    return [one for one in recipe if not one.startswith(("out=", "init=", "card.", "logger="))]


def _check_recipe(folder: Path, recipe: Sequence[str]) -> None:
    path = folder / "recipe.json"
    if not path.exists():
        return
    before = _trained_by(json.loads(path.read_text("utf-8")))
    for old, new in _differing(before, _trained_by(recipe)):
        raise TrainingError(
            f"{folder} was trained with {old or 'nothing'} where {new or 'nothing'} is wanted: "
            "members of a series share a recipe; give another out=, or delete the folder"
        )


def _differing(before: Sequence[str], now: Sequence[str]) -> Iterator[tuple[str, str]]:
    old, new = (dict(one.split("=", 1) for one in side) for side in (before, now))
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            yield tuple(f"{key}={side[key]}" if key in side else "" for side in (old, new))  # type: ignore[misc]


def _train(name: str, recipe: Sequence[str], out: Path) -> Outcome:
    folder = out / name
    card, log = folder / f"{name}.yaml", folder / "log.txt"
    if card.exists():
        return Outcome(name, card)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "recipe.json", json.dumps(list(recipe), indent=0) + "\n")
    command = [sys.executable, "-m", "bench", "train", *recipe, "--card"]
    began = time.monotonic()
    with log.open("ab") as file:
        done = subprocess.run(command, stdout=file, stderr=file, check=False)
    if done.returncode or not card.exists():
        lines = log.read_text("utf-8", "replace").strip().splitlines() or ["no output"]
        return Outcome(name, None, time.monotonic() - began, lines[-1])
    return Outcome(name, card, time.monotonic() - began)

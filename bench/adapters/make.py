"""From a card to a codec that can be called, and to the identity that the cache knows it by."""

from __future__ import annotations

import importlib.metadata
import inspect
import platform
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from bench.cards import CodecCard, digest, explain
from bench.codec import Codec
from bench.errors import CardError, UnavailableError, with_way
from bench.registry import load_target


@dataclass(frozen=True)
class Missing:
    """Something a codec needs and the machine lacks, and the command that gets it."""

    what: str
    how: str = ""

    def __str__(self) -> str:
        return with_way(self.what, self.how)


def make_codec(card: CodecCard) -> Codec:
    """Return an instance of the card's adapter with the card's options.

    Raises
    ------
    CardError : the adapter can't be loaded or is no codec, or an option is unknown, of the wrong
        type or refused by the constructor (ValueError).
    """
    cls = load_target(card.adapter, card.source)
    if not (isinstance(cls, type) and issubclass(cls, Codec)):
        raise CardError(card.source, f"{card.adapter} is no bench.Codec", "adapter")
    options = _checked_options(cls, card)
    try:
        return cls(**options)
    except ValueError as error:
        raise CardError(card.source, str(error), "options") from None


def missing(card: CodecCard) -> Missing | None:
    """Return the first thing that keeps the codec from running here, or None if it is ready.

    Raises CardError for a card whose adapter or options are wrong.
    """
    how = card.requires.install
    for binary in card.requires.binaries:
        if shutil.which(binary) is None:
            return Missing(f"the program {binary} is not on the PATH", how)
    for package in card.requires.packages:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            how = how or f"pip install {package}"
            return Missing(f"the Python package {package} is not installed", how)
    try:
        make_codec(card).check_available()
    except UnavailableError as error:
        return Missing(error.what, error.how or how)
    return None


def identity(card: CodecCard, device: str = "cpu") -> dict[str, Any]:
    """Return everything that can change a byte of the codec's output.

    The card's meaningful fields, the adapter's source, the versions and digests that the adapter
    names, the kind of processor and the device. Two codecs with the same options but another
    checkpoint, library or program never share an identity.
    """
    codec = make_codec(card)
    meaning = card.meaning()
    # Where a file lies does not change what it does; its text, below, does.
    meaning["adapter"] = type(codec).__qualname__
    return {
        **meaning,
        "source": source_digest(type(codec)),
        "libraries": dict(sorted(codec.identity().items())),
        "machine": platform.machine(),
        "device": device,
    }


def codec_id(card: CodecCard, device: str = "cpu") -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of :func:`identity`."""
    return digest(identity(card, device))[:16]


def _checked_options(cls: type[Codec], card: CodecCard) -> dict[str, Any]:
    """Check the card's options against the annotations of the constructor's arguments."""
    signature = inspect.signature(cls.__init__)
    hints = get_type_hints(cls.__init__, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints.get(parameter.name, Any), default)
    model = create_model("Options", __config__=ConfigDict(extra="forbid"), **fields)
    try:
        checked = model.model_validate(card.options, context={"folder": Path(card.source).parent})
    except ValidationError as error:
        problem, name = explain(error)
        raise CardError(card.source, problem, f"options.{name}") from None
    return {name: getattr(checked, name) for name in card.options}


@cache
def source_digest(cls: type) -> str:
    """Return the SHA-256 of the code that `cls` and its bases are made of.

    For a class of ours, its module and those beside it that this one uses; for a file of the
    user's, that file; for an installed package, every source and compiled file of it, since its
    helpers can change a byte too. Other packages that it builds on are not looked into.
    """
    top = cls.__module__.partition(".")[0]
    files: set[Path] = set()
    for module in {base.__module__ for base in cls.__mro__}:
        if module.partition(".")[0] in ("bench", top):
            files |= _sources(module)
    sha = sha256()
    for path in sorted(files, key=lambda path: (path.name, path)):
        sha.update(path.name.encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()


def _sources(module: str) -> set[Path]:
    top = module.partition(".")[0]
    if top == "bench":
        return {Path(str(sys.modules[name].__file__)) for name in _with_neighbours(module)}
    package = sys.modules.get(top)
    if package is None or not getattr(package, "__path__", None):
        return {Path(str(sys.modules[module].__file__))}
    root = Path(next(iter(package.__path__)))
    return {path for path in root.rglob("*") if path.suffix in {".py", ".so", ".pyd", ".yaml"}}


def _with_neighbours(module: str) -> set[str]:
    """Return a module and those of its own package that it imports, and so on."""
    folder = module.rpartition(".")[0] + "."
    found, ahead = set[str](), [module]
    while ahead:
        name = ahead.pop()
        found.add(name)
        for value in vars(sys.modules[name]).values():
            origin = value.__name__ if inspect.ismodule(value) else _origin(value)
            if origin.startswith(folder) and origin in sys.modules and origin not in found:
                ahead.append(origin)
    return found


def _origin(value: object) -> str:
    """Return the name of the module that defined `value`, or nothing where it does not say."""
    name = getattr(value, "__module__", "")
    return name if isinstance(name, str) else ""

"""Any external program as a codec, from a card alone."""

from __future__ import annotations

import hashlib
import string
import struct
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from bench.adapters.programs import (
    find_program,
    last_lines,
    program_digest,
    run_program,
)
from bench.adapters.yuv import Matrix, Range, YuvFormat, parse_format
from bench.cards import CardPath
from bench.codec import Codec, Quality
from bench.errors import BitstreamError, CodecError, ImageError, UnavailableError
from bench.image import Image, read_image

FileFormat = Literal["png", "ppm", "yuv420p8", "yuv444p8", "yuv420p10", "yuv444p10"]

_SIZE = struct.Struct(">HH")
_COMMON = {"bitstream", "width", "height", "threads", "home"}
_HOME = "{home}"
#: What may stand in braces in the arguments of a command.
_ENCODE = _COMMON | {"input", "quality"}
_DECODE = _COMMON | {"output"}


class CommandCodec(Codec):
    """A pair of programs that read and write files.

    Arguments may hold placeholders: ``{input}`` the image, ``{bitstream}`` the compressed file,
    ``{output}`` the decoded image (paths in a temporary folder, which is the working directory),
    ``{quality}`` the setting, ``{width}`` and ``{height}`` of the picture in the file,
    ``{threads}``, ``{home}`` the folder that the program itself lies in, links followed (for a file
    that comes with it, as ``{home}/../cfg/intra.cfg``), and the names of `files`. A brace is
    written twice.

    The decoder gets the bitstream alone. Where the pixels come back as raw YCbCr or the decoder's
    command asks for a size, four bytes of width and height stand before the program's own
    bitstream: they count.

    Parameters
    ----------
    encode, decode : the commands; the first word is a program on the PATH or a path.
    input, output : kinds of the image files; the output's is the input's if left out.
    matrix, range : of YCbCr, where a kind is raw YCbCr (:mod:`bench.adapters.yuv`).
    multiple : what width and height of a raw YCbCr picture are a multiple of; images of another
        size are widened by repeating their last row and column, and cropped after decoding.
    suffix : ending of the bitstream's file, for programs that go by it.
    files : further files that the commands name, relative to the card.
    version : a command that prints the program's version.
    timeout : seconds that one call of a program may take.

    Raises
    ------
    ValueError : an unknown or missing placeholder, or an option that has nothing to act on.
    """

    def __init__(
        self,
        encode: list[str],
        decode: list[str],
        input: FileFormat = "png",
        output: FileFormat | None = None,
        matrix: Matrix | None = None,
        range: Range | None = None,
        multiple: int = 1,
        suffix: str = ".bin",
        files: dict[str, CardPath] | None = None,
        version: list[str] | None = None,
        timeout: float = 3600,
    ) -> None:
        self._files = dict(files or {})
        asked = _placeholders("encode", encode, _ENCODE, self._files, {"input", "bitstream"})
        needs = _placeholders("decode", decode, _DECODE, self._files, {"bitstream", "output"})
        if version:
            _placeholders("version", version, {"home"}, self._files, set())
        if unused := self._files.keys() - asked - needs:
            raise ValueError(f"files: no command uses {', '.join(sorted(unused))}")
        if not suffix.startswith(".") or set(suffix) & set("/\\"):
            raise ValueError(f"suffix: something like '.jxl' was expected, got {suffix!r}")
        if not timeout > 0:
            raise ValueError(f"timeout: seconds above 0 were expected, got {timeout}")
        self._encode, self._decode, self._version = encode, decode, version
        self._input, self._output = input, output or input
        self._yuv = _yuv_formats({self._input, self._output}, matrix, range, multiple)
        self._sized = self._output in self._yuv or bool({"width", "height"} & needs)
        self._suffix, self._timeout = suffix, timeout
        self._threads = 1

    def open(self, device: str = "cpu", threads: int = 1) -> None:
        """Look up the programs."""
        self._threads = threads
        self.check_available()

    def encode(self, image: Image, quality: Quality) -> bytes:
        """Return the file that the encoder writes, after the size where the decoder needs it."""
        with _folder() as folder:
            picture = folder / f"input.{self._input[:3]}"
            bitstream = folder / f"stream{self._suffix}"
            self._write(image, picture)
            words = self._run(
                self._encode,
                folder,
                self._size_in_file(self._input, image.width, image.height)
                | {"input": picture, "bitstream": bitstream, "quality": quality},
            )
            data = bitstream.read_bytes() if bitstream.is_file() else b""
        if not data:
            raise CodecError(f"{self._encode[0]} wrote no bitstream: {last_lines(words)}")
        if not self._sized:
            return data
        try:
            return _SIZE.pack(image.width, image.height) + data
        except struct.error:
            raise CodecError(f"{image.width}x{image.height} is above 65535 per side") from None

    def decode(self, bitstream: bytes) -> Image:
        """Return the image that the decoder writes."""
        width = height = 0
        if self._sized:
            if len(bitstream) <= _SIZE.size:
                raise BitstreamError(f"the bitstream is cut: {len(bitstream)} bytes")
            width, height = _SIZE.unpack_from(bitstream)
            bitstream = bitstream[_SIZE.size :]
        with _folder() as folder:
            stream = folder / f"stream{self._suffix}"
            picture = folder / f"output.{self._output[:3]}"
            stream.write_bytes(bitstream)
            try:
                words = self._run(
                    self._decode,
                    folder,
                    self._size_in_file(self._output, width, height)
                    | {"bitstream": stream, "output": picture},
                )
            except CodecError as error:
                raise BitstreamError(str(error)) from None
            if not picture.is_file():
                raise BitstreamError(f"{self._decode[0]} wrote no image: {last_lines(words)}")
            return self._read(picture, width, height)

    def identity(self) -> Mapping[str, str]:
        """Return the digests of the programs and of the files they are given, and what they say
        of their version.
        """
        found = {}
        for command in (self._encode, self._decode):
            found[command[0]] = program_digest(self._program(command[0]).resolve())
            found |= {name: _digest(path) for name, path in self._files_at_home(command).items()}
        found |= {name: _digest(path) for name, path in self._files.items()}
        if self._version:
            with _folder() as folder:
                words = self._run(self._version, folder, {})
            found["version"] = " ".join(words.split())[:200]
        return found

    def check_available(self) -> None:
        """Raise UnavailableError where a program or a file is missing."""
        at_home = [self._files_at_home(command) for command in (self._encode, self._decode)]
        for path in (path for files in (*at_home, self._files) for path in files.values()):
            _must_exist(path)

    def _program(self, name: str) -> Path:
        """Return where the program `name` is. Raises UnavailableError."""
        return find_program(name)

    def _files_at_home(self, command: list[str]) -> dict[str, Path]:
        """Return the files beside its program that a command names."""
        home = self._program(command[0]).resolve().parent
        found = {}
        for argument in command[1:]:
            _, mark, rest = argument.partition(_HOME)
            if mark:
                found[_HOME + rest] = home / rest.lstrip("/")
        return found

    def _run(self, command: list[str], folder: Path, values: Mapping[str, object]) -> str:
        program = self._program(command[0])
        values = {
            **self._files,
            "threads": self._threads,
            "home": program.resolve().parent,
            **values,
        }
        arguments = [argument.format_map(dict(values)) for argument in command[1:]]
        return run_program([str(program), *arguments], folder, self._timeout, self._threads)

    def _size_in_file(self, kind: FileFormat, width: int, height: int) -> dict[str, object]:
        if yuv := self._yuv.get(kind):
            width, height = yuv.padded(width), yuv.padded(height)
        return {"width": width, "height": height}

    def _write(self, image: Image, path: Path) -> None:
        if yuv := self._yuv.get(self._input):
            path.write_bytes(yuv.pack(image.pixels))
        elif self._input == "ppm":
            image.to_pil().save(path, "PPM")
        else:
            image.to_pil().save(path, "PNG", compress_level=1)

    def _read(self, path: Path, width: int, height: int) -> Image:
        try:
            if yuv := self._yuv.get(self._output):
                return Image(yuv.unpack(path.read_bytes(), width, height))
            return read_image(path)
        except (ImageError, ValueError) as error:
            problem = str(error).replace(f"{path}: ", "")
            raise BitstreamError(f"{self._decode[0]} wrote no usable image: {problem}") from None


def _placeholders(
    field: str, command: list[str], known: set[str], files: Mapping[str, Path], needed: set[str]
) -> set[str]:
    """Return the placeholders of a command. Raises ValueError."""
    if not command:
        raise ValueError(f"{field}: a program with its arguments was expected")
    found: set[str] = set()
    for word in command:
        try:
            names = {name for _, name, _, _ in string.Formatter().parse(word) if name is not None}
        except ValueError as error:
            raise ValueError(f"{field}: {word!r}: {error}; a brace is written twice") from None
        if "home" in names and len(names) > 1:
            raise ValueError(f"{field}: {word!r}: {_HOME} stands with no other placeholder")
        found |= names
    for name in sorted(found - known - files.keys()):
        hint = "; the decoder gets the bitstream alone" if name in _ENCODE else ""
        takes = ", ".join(sorted(known | files.keys()))
        raise ValueError(f"{field}: unknown placeholder {{{name}}}{hint}; known: {takes}")
    for name in sorted(needed - found):
        raise ValueError(f"{field}: the placeholder {{{name}}} is missing")
    return found


def _yuv_formats(
    kinds: set[FileFormat], matrix: Matrix | None, range: Range | None, multiple: int
) -> dict[str, YuvFormat]:
    """Return the formats of those kinds that are raw YCbCr. Raises ValueError."""
    raw = [kind for kind in kinds if kind.startswith("yuv")]
    if not raw:
        if matrix or range or multiple != 1:
            raise ValueError("matrix, range and multiple are for raw YCbCr files only")
        return {}
    if not (matrix and range):
        raise ValueError("raw YCbCr needs a matrix (bt601, bt709) and a range (full, limited)")
    if multiple < 1:
        raise ValueError(f"multiple: a number of 1 or more was expected, got {multiple}")
    return {kind: parse_format(kind, matrix, range, multiple) for kind in raw}


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise UnavailableError(f"the file {path} is missing")


def _digest(path: Path) -> str:
    _must_exist(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder)

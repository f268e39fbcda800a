"""One HTTP request that brings a file, or the rest of one."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench import __version__
from bench.data.partial import CHUNK, Partial
from bench.errors import DownloadError

if TYPE_CHECKING:
    import requests

#: Seconds to connect, and to wait for the next bytes.
TIMEOUT = (15.0, 60.0)

_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class BrokenError(Exception):
    """A transfer broke in a way that another try, after `wait` seconds, may mend."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def new_session() -> requests.Session:
    """Return a session that says who asks, and asks for the bytes as they are."""
    import requests

    session = requests.Session()
    session.headers["User-Agent"] = f"rdbench/{__version__}"
    # A server that compresses on the fly would make lengths and ranges meaningless.
    session.headers["Accept-Encoding"] = "identity"
    return session


def request(
    session: requests.Session, part: Partial, size: int | None, sha256: str | None, bar: Any
) -> None:
    """Take in what one request brings; on return `part` is whole.

    Raises
    ------
    BrokenError : the transfer broke; what has arrived is kept where the rest can follow.
    DownloadError : another try would not help.
    OSError : the disk.
    """
    import requests
    import urllib3

    try:
        with session.get(
            part.url, headers=_range(part, size, sha256), stream=True, timeout=TIMEOUT
        ) as response:
            _check_redirects(response)
            if _is_complete(response, part):
                return
            _check_status(response)
            _prepare(response, part, size)
            _receive(response, part, bar)
    except (requests.exceptions.InvalidURL, requests.exceptions.TooManyRedirects) as error:
        raise DownloadError(f"{part.url}: {error}") from None
    except requests.exceptions.SSLError as error:
        raise DownloadError(f"{part.url}: the server's certificate: {_reason(error)}") from None
    except urllib3.exceptions.ProtocolError:
        raise BrokenError(_broke_at(part)) from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        if isinstance(_cause(error), socket.gaierror) and not part.length:
            host = urlsplit(part.url).hostname
            raise DownloadError(
                f"{part.url}: no address of {host} is found; is there a network?"
            ) from None
        raise BrokenError(_reason(error)) from None
    if part.total is not None and part.length < part.total:
        raise BrokenError(_broke_at(part))


def _broke_at(part: Partial) -> str:
    of = f" of {part.total:,}" if part.total else ""
    return f"the connection broke at {part.length:,}{of} bytes"


def _range(part: Partial, size: int | None, sha256: str | None) -> dict[str, str]:
    """Ask for the rest, if it can be made sure that it is the rest of the same file."""
    if size is not None and part.length > size:
        part.discard()
    # Without a validator only a known digest tells whether the two ends belong together.
    if not part.length or not (part.validator or sha256):
        return {}
    headers = {"Range": f"bytes={part.length}-"}
    if part.validator:
        headers["If-Range"] = part.validator
    return headers


def _check_redirects(response: requests.Response) -> None:
    hops = [*(earlier.url for earlier in response.history), response.url]
    if hops[0].startswith("https:") and not all(hop.startswith("https:") for hop in hops):
        raise DownloadError(
            f"{hops[0]}: the server sends on to {hops[-1]}, not all of it encrypted"
        )


def _is_complete(response: requests.Response, part: Partial) -> bool:
    """Whether the server says that nothing comes after the part (416 Range Not Satisfiable)."""
    if response.status_code != 416:
        return False
    if response.headers.get("Content-Range") == f"bytes */{part.length}":
        return True
    part.discard()
    raise BrokenError("what had arrived does not fit the server's file")


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status in {200, 206}:
        return
    answer = f"the server answers {status} {response.reason or ''}".rstrip()
    if status in _TRY_AGAIN:
        after = response.headers.get("Retry-After", "")
        raise BrokenError(answer, min(float(after), 60.0) if after.isdecimal() else 0.0)
    raise DownloadError(f"{response.url}: {answer}")


def _prepare(response: requests.Response, part: Partial, size: int | None) -> None:
    """Go on with the part, or start anew where the server sends the whole file."""
    if response.status_code == 206:
        _check_piece(response, part)
        part.resumed = True
    else:
        head = response.headers
        length = head.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        part.begin(head.get("ETag", ""), head.get("Last-Modified", ""), total)
    if size is not None and part.total not in {None, size}:
        total, url = part.total, part.url
        part.discard()
        raise DownloadError(
            f"{url}: the server's file has {total:,} bytes, {size:,} were expected: it is not the "
            "published file, or a page in its place"
        )
    part.total = part.total or size
    needed = (part.total or 0) - part.length
    if needed > free_space(part.path.parent):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _check_piece(response: requests.Response, part: Partial) -> None:
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = rest.partition("/")
    known = int(total) if total.isdecimal() else part.total
    if (
        unit != "bytes"
        or span.partition("-")[0] != str(part.length)
        or (part.total is not None and known != part.total)
    ):
        part.discard()
        raise BrokenError("the server sends another piece than was asked for")
    part.total = known


def _receive(response: requests.Response, part: Partial, bar: Any) -> None:
    bar.total, bar.n = part.total, part.length
    bar.refresh()
    with part.path.open("ab") as file:
        # Undecoded: some servers label a .tar.gz as a compressed .tar.
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            if part.total is not None and part.length + len(chunk) > part.total:
                total, url = part.total, part.url
                part.discard()
                raise DownloadError(f"{url}: more arrives than the {total:,} bytes it should have")
            file.write(chunk)
            part.took(chunk)
            bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())


def free_space(folder: Path) -> int:
    """Return the bytes that are free where `folder` is or would be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _cause(error: BaseException) -> BaseException:
    """Return the innermost cause, without the libraries' wrapping."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


def _reason(error: Exception) -> str:
    import urllib3

    cause = _cause(error)
    if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    return " ".join(str(cause).split()) or type(cause).__name__

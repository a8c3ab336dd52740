"""Downloads one file: resumes after an interruption, never exceeds the expected size, and reports progress in bytes.

docs/decisions/0014 says why this does not use pooch. The caller holds a lock and checks the SHA-256 afterwards.
"""

import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO

from lumirage.core.errors import DISK_FULL, BusyError, DataError, UnavailableError

CHUNK_BYTES = 2**18
SILENCE_S = 60.0
"""A server that sends nothing for this long counts as a broken connection; a slow one does not."""
RESUMED_AT_MOST = 4
"""How often one command continues after a broken connection; only if data arrived since the last break."""

Progress = Callable[[int, int], None]
"""Called with the bytes done and the total bytes."""


@dataclass(frozen=True)
class Address:
    """The file to download. `size` is its expected size in bytes, 0 if unknown; `checked` means that its SHA-256 is
    known, so that a mixture of two files would be detected."""

    url: str
    size: int
    checked: bool


class _CutError(Exception):
    """The connection broke or stalled."""


def download(address: Address, part: Path, progress: Progress, silence_s: float = SILENCE_S) -> None:
    """Download into `part`, which may already hold the beginning, until it is complete.

    Raises UnavailableError if the server cannot be reached or refuses, BusyError if it was cut off too often or the disk
    is full (the part is kept), DataError if the file does not have the expected size (nothing is kept).
    """
    for _ in range(1 + RESUMED_AT_MOST):
        before = _size(part)
        try:
            _attempt(address, part, progress, silence_s)
        except _CutError as cut:
            if _size(part) <= before:
                raise _broken(address, part, str(cut)) from cut
        except OSError as error:
            if error.errno in DISK_FULL:
                raise _full(address, part) from error
            raise
        else:
            _tag(part).unlink(missing_ok=True)
            return
    raise _broken(address, part, "the connection broke again and again")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _tag(part: Path) -> Path:
    """The file beside a part with the version (ETag) that the server gave for it."""
    return part.with_name(f"{part.name}.tag")


def _attempt(address: Address, part: Path, progress: Progress, silence_s: float) -> None:
    request = urllib.request.Request(address.url, headers=_going_on(address, part))
    try:
        with urllib.request.urlopen(request, timeout=silence_s) as answer:
            have = _offset(answer.headers, part) if answer.status == HTTPStatus.PARTIAL_CONTENT else 0
            total = _total(answer.headers, have)
            _refuse_size(address, part, total)
            _room_for(address, part, (total or address.size) - have)
            _keep_tag(answer.headers, part)
            with part.open("ab" if have else "wb") as file:
                have = _receive(answer, file, have, (address, total or address.size), progress)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise UnavailableError(f"{address.url}: the server answers {error.code} {error.reason}") from error
        if _size(part) != address.size:  # a part of another file: start again
            part.unlink()
            raise _CutError("the server has another file by now") from error
        return
    except urllib.error.URLError as error:
        reason = error.reason
        raise _CutError(str(reason)) from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _CutError(str(error) or type(error).__name__) from error
    if have < (total or address.size):
        raise _CutError(f"cut off after {have} of {total or address.size} bytes")
    _refuse_size(address, part, have)


def _going_on(address: Address, part: Path) -> dict[str, str]:
    """Headers that request only the rest; none if the rest could belong to another file unnoticed."""
    have, tag = _size(part), _tag(part)
    if not have:
        return {}
    if tag.is_file():
        return {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="utf-8")}
    return {"Range": f"bytes={have}-"} if address.checked else {}


def _offset(headers: Mapping[str, str], part: Path) -> int:
    """Where a partial answer begins; this must be where the part ends."""
    have = _size(part)
    begins = (headers.get("Content-Range") or f"bytes {have}-").removeprefix("bytes ").partition("-")[0]
    if begins != str(have):
        part.unlink()
        raise _CutError("the server sends another piece than was asked for")
    return have


def _keep_tag(headers: Mapping[str, str], part: Path) -> None:
    tag = headers.get("ETag") or headers.get("Last-Modified") or ""
    if tag and not tag.startswith("W/"):  # a weak one is not valid for partial requests
        _tag(part).write_text(tag, encoding="utf-8")
    else:
        _tag(part).unlink(missing_ok=True)


def _total(headers: Mapping[str, str], have: int) -> int:
    """Size of the whole file in bytes as the server says; 0 if it does not."""
    whole = (headers.get("Content-Range") or "").rpartition("/")[2]
    if whole.isdigit():
        return int(whole)
    rest = headers.get("Content-Length") or ""
    return have + int(rest) if rest.isdigit() else 0


def _receive(answer: IO[bytes], file: IO[bytes], have: int, said: tuple[Address, int], progress: Progress) -> int:
    address, total = said
    while chunk := answer.read(CHUNK_BYTES):
        have += len(chunk)
        if address.size and have > address.size:
            part = Path(file.name)
            file.close()
            _refuse_size(address, part, have)
        file.write(chunk)
        progress(have, total)
    file.flush()
    os.fsync(file.fileno())
    return have


def _refuse_size(address: Address, part: Path, total: int) -> None:
    if address.size and total and total != address.size:
        part.unlink(missing_ok=True)
        _tag(part).unlink(missing_ok=True)
        more = "longer" if total > address.size else "shorter"
        raise DataError(
            f"{address.url} is {more} than expected: the server has {total} bytes, the card says {address.size}; "
            "this is not the file that the card describes"
        )


def _room_for(address: Address, part: Path, wanted: int) -> None:
    if wanted > shutil.disk_usage(part.parent).free:
        raise _full(address, part)


def _full(address: Address, part: Path) -> BusyError:
    return BusyError(
        f"the disk of {part.parent} is full: {address.url} has {address.size} bytes, {_size(part)} are here; make room, or "
        "set XDG_CACHE_HOME to another disk, then run the command again to continue"
    )


def _broken(address: Address, part: Path, why: str) -> UnavailableError | BusyError:
    if have := _size(part):
        of = f" of {address.size}" if address.size else ""
        return BusyError(
            f"{address.url}: {why}; {have}{of} bytes are here and are kept: run the command again to continue"
        )
    return UnavailableError(f"cannot download {address.url} ({why})")

"""Trained weights: fetched once into a cache, by address and SHA-256, before anything runs; never at run time."""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from lumirage.core.errors import BusyError, DataError, UnavailableError, UsageError
from lumirage.core.layout import cache_root, digest, written_aside
from lumirage.core.model import Method, Weights

CHUNK_BYTES = 2**20
TIMEOUT_S = 60.0

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


def weights_folder(card: Method, cache: Path | None = None) -> Path | None:
    """The folder that is mounted at /weights; None for a method without weights. Variants of a card share it."""
    if not card.weights:
        return None
    name = digest(*(f"{item.file} {item.url} {item.sha256}" for item in card.weights))
    return (cache or cache_root()) / "weights" / name


def needed_weights(card: Method) -> tuple[Weights, ...]:
    """The file that the parameter `weights` names, or none if it names no file; all files without such a parameter."""
    wanted = card.parameters.get("weights")
    return tuple(item for item in card.weights if wanted in (None, item.file))


def missing_weights(card: Method, cache: Path | None = None) -> tuple[Weights, ...]:
    """What is needed and not in the cache."""
    folder = weights_folder(card, cache)
    return tuple(item for item in needed_weights(card) if folder and not (folder / item.file).is_file())


def require_weights(card: Method, cache: Path | None = None) -> Path | None:
    """The folder to mount. Raises UnavailableError with what is missing, how big, from where, and how to get it."""
    missing = missing_weights(card, cache)
    if not missing:
        return weights_folder(card, cache)
    files = "\n".join(f"  {item.file}, {megabytes(item.bytes)}, {item.licence}, from {item.url}" for item in missing)
    files_wanted = " ".join(f"--from-file {item.file}" for item in missing)
    raise UnavailableError(
        f"{card.name} needs trained weights that are not here:\n{files}\nget them with\n"
        f"  lumirage-harness methods fetch {card.name}\nor, on a machine without internet, from files you brought:\n"
        f"  lumirage-harness methods fetch {card.name} {files_wanted}"
    )


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"


def fetch_weights(
    card: Method, *, from_files: tuple[Path, ...] = (), cache: Path | None = None, progress: Progress | None = None
) -> list[Path]:
    """Put what is missing into the cache, from the given files by name, else from the network, resuming a part.

    Raises UsageError for a file that the card does not know, DataError for one with another SHA-256,
    UnavailableError when it cannot be downloaded.
    """
    folder = weights_folder(card, cache)
    if folder is None:
        raise UsageError(f"{card.name} needs no weights")
    known = {item.file for item in card.weights}
    for file in from_files:
        if file.name not in known:
            raise UsageError(f"{file.name}: no weights of {card.name}; it knows {', '.join(sorted(known))}")
    given = {file.name: file for file in from_files}
    asked = [item for item in card.weights if item.file in given] or list(missing_weights(card, cache))
    return [_place(item, folder, given.get(item.file), progress or _silent) for item in asked]


def _silent(_done: int, _total: int) -> None:
    pass


def _place(item: Weights, folder: Path, source: Path | None, progress: Progress) -> Path:
    target = folder / item.file
    folder.mkdir(parents=True, exist_ok=True)
    if source is not None:
        _copy(item, source, target)
    else:
        part = target.with_name(f"{target.name}.part")
        _download(item, part, progress)
        _check(item, part, sha256(part))
        part.replace(target)
    return target


def _copy(item: Weights, source: Path, target: Path) -> None:
    try:
        found = sha256(source)
        _check(item, source, found)
        with written_aside(target) as aside:
            aside.write_bytes(source.read_bytes())
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror})") from error


def sha256(path: Path) -> str:
    """Hash of a file, in pieces: weights may be larger than memory."""
    state = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()


def _check(item: Weights, path: Path, found: str) -> None:
    if item.sha256 and found != item.sha256:
        if path.name.endswith(".part"):
            path.unlink()
        raise DataError(f"{path.name}: SHA-256 is {found}, the card says {item.sha256}; not the file it should be")


def _download(item: Weights, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(item.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            resumed = answer.status == HTTPStatus.PARTIAL_CONTENT
            have = have if resumed else 0
            with part.open("ab" if resumed else "wb") as handle:
                while chunk := answer.read(CHUNK_BYTES):
                    handle.write(chunk)
                    have += len(chunk)
                    progress(have, item.bytes)
                os.fsync(handle.fileno())
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it was there already
        raise UnavailableError(f"{item.url}: the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise UnavailableError(
            f"cannot download {item.url} ({error}); what came so far is kept: type the command again, or bring the "
            f"file and add --from-file {item.file}"
        ) from error
    if item.bytes and have < item.bytes:
        raise BusyError(f"{item.url}: cut off after {have} of {item.bytes} bytes; type the command again to go on")

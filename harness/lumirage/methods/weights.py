"""Fetches trained weights once into a cache, by address and SHA-256, before anything runs; never at run time.

The cache has a folder for each set of weights, which is mounted at /weights. A record beside it has each file's SHA-256
at its first use: if upstream publishes none, all later uses are checked against this record.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import filelock
from pydantic import Field

from lumirage.core.checksums import file_digest
from lumirage.core.errors import DISK_FULL, DataError, UnavailableError, UsageError
from lumirage.core.layout import cache_root, digest, written_aside
from lumirage.core.model import Method, Record, Weights
from lumirage.core.records import read_json, write_json
from lumirage.methods.downloads import Address, Progress, download

CHUNK_BYTES = 2**20


class KeptFile(Record):
    """One file of weights in the cache."""

    sha256: str
    first_used: str = Field(description="UTC, ISO 8601")
    published: bool = Field(description="whether the card had a SHA-256 to check it against")


class KeptWeights(Record):
    """The record beside a folder of weights."""

    schema_version: Literal[1] = 1
    files: dict[str, KeptFile] = {}


def weights_folder(card: Method, cache: Path | None = None) -> Path | None:
    """The folder for a card's weights, whether it exists or not; None for a method without weights. Variants share it."""
    if not card.weights:
        return None
    name = digest(*(f"{item.file} {item.url} {item.sha256}" for item in card.weights))
    return (cache or cache_root()) / "weights" / name


def needed_weights(card: Method) -> tuple[Weights, ...]:
    """The file that the parameter `weights` names, or none if it names no file; all files without such a parameter."""
    wanted = card.parameters.get("weights")
    return tuple(item for item in card.weights if wanted in (None, item.file))


def mounted_weights(card: Method, cache: Path | None = None) -> Path | None:
    """The folder that is mounted at /weights; None if the method needs no file of it, as it may not exist."""
    return weights_folder(card, cache) if needed_weights(card) else None


def missing_weights(card: Method, cache: Path | None = None) -> tuple[Weights, ...]:
    """The needed files that are not in the cache."""
    folder = weights_folder(card, cache)
    return tuple(item for item in needed_weights(card) if folder and not (folder / item.file).is_file())


def require_weights(card: Method, cache: Path | None = None) -> Path | None:
    """The folder to mount. Raises UnavailableError with the missing files, their sizes and sources, and how to get them."""
    missing = missing_weights(card, cache)
    if not missing:
        return mounted_weights(card, cache)
    files = "\n".join(f"  {described(item)}" for item in missing)
    files_wanted = " ".join(f"--from-file {item.file}" for item in missing)
    raise UnavailableError(
        f"{card.name} needs trained weights that are not here:\n{files}\nget them with\n"
        f"  lumirage-harness methods fetch {card.name}\nor, on a machine without internet, from files you brought:\n"
        f"  lumirage-harness methods fetch {card.name} {files_wanted}"
    )


def described(item: Weights) -> str:
    """A file of weights in one line: name, size, licence, address."""
    return f"{item.file}, {megabytes(item.bytes)}, {item.licence}, from {item.url}"


def megabytes(size: int) -> str:
    """A size in MB, as text."""
    return f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"


def checked_weights(card: Method, cache: Path | None = None) -> dict[str, str]:
    """File -> SHA-256 of the weights that a method needs, which must match the card, or else their first use.

    Raises DataError for a file that has changed.
    """
    folder = mounted_weights(card, cache)
    if folder is None:
        return {}
    found = {item.file: file_digest(folder / item.file) for item in needed_weights(card)}
    kept = _kept(folder)
    for item in needed_weights(card):
        _check(item, folder / item.file, found[item.file], kept)
    if new := [item for item in needed_weights(card) if not item.sha256 and item.file not in kept.files]:
        with _alone(folder):
            _keep(folder, {item: found[item.file] for item in new})
    return found


def first_use(card: Method, file: str, cache: Path | None = None) -> KeptFile | None:
    """The record of a file's first use; None if it was never used."""
    folder = weights_folder(card, cache)
    return _kept(folder).files.get(file) if folder else None


def unpublished(card: Method) -> tuple[str, ...]:
    """The needed files for which upstream publishes no SHA-256."""
    return tuple(item.file for item in needed_weights(card) if not item.sha256)


def _record(folder: Path) -> Path:
    """Path of the record; beside the folder, because methods see the folder's content."""
    return folder.with_suffix(".json")


def _kept(folder: Path) -> KeptWeights:
    return read_json(_record(folder), KeptWeights) if _record(folder).is_file() else KeptWeights()


def _keep(folder: Path, found: dict[Weights, str]) -> None:
    """Record a first use. The caller must hold the lock."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    files = dict(_kept(folder).files)
    for item, sha in found.items():
        files.setdefault(item.file, KeptFile(sha256=sha, first_used=now, published=bool(item.sha256)))
    write_json(_record(folder), KeptWeights(files=files))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock for a folder of weights: one process fills it; the others wait, then use it."""
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.with_suffix(".lock")):
        yield


def fetch_weights(
    card: Method, *, from_files: Sequence[Path] = (), cache: Path | None = None, progress: Progress | None = None
) -> list[Path]:
    """Put missing files into the cache, from the given files by name, else from the network, resuming a partial download.

    Raises UsageError for a file unknown to the card, DataError for one with the wrong content, UnavailableError if it
    cannot be downloaded, BusyError if the download was cut off or the disk is full.
    """
    folder = weights_folder(card, cache)
    if folder is None:
        raise UsageError(f"{card.name} needs no weights")
    known = {item.file for item in card.weights}
    for file in from_files:
        if file.name not in known:
            raise UsageError(f"{file.name}: not one of the weights of {card.name}; it has {', '.join(sorted(known))}")
    given = {file.name: file for file in from_files}
    with _alone(folder):
        asked = [item for item in card.weights if item.file in given] or list(missing_weights(card, cache))
        return [_place(item, folder, given.get(item.file), progress or _silent) for item in asked]


def _silent(_done: int, _total: int) -> None:
    pass


def _place(item: Weights, folder: Path, source: Path | None, progress: Progress) -> Path:
    target = folder / item.file
    if source is not None:
        found = _copy(item, source, target)
    else:
        part = target.with_name(f"{target.name}.part")
        try:
            download(Address(item.url, item.bytes, bool(item.sha256)), part, progress)
        except UnavailableError as error:
            raise UnavailableError(
                f"{error}; or bring the file and add it with --from-file {item.file} to `lumirage-harness methods fetch`"
            ) from error
        found = file_digest(part)
        try:
            _check(item, part, found, _kept(folder))
        except DataError:
            part.unlink()
            raise
        part.replace(target)
    _keep(folder, {item: found})
    return target


def _copy(item: Weights, source: Path, target: Path) -> str:
    try:
        found = file_digest(source)
        _check(item, source, found, _kept(target.parent))
        with written_aside(target) as aside, source.open("rb") as brought, aside.open("wb") as copy:
            while chunk := brought.read(CHUNK_BYTES):
                copy.write(chunk)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        raise DataError(f"{source}: cannot be read ({error.strerror})") from error
    return found


def _check(item: Weights, path: Path, found: str, kept: KeptWeights) -> None:
    """Check a file against the card, else against its first use."""
    first = kept.files.get(item.file)
    if item.sha256 and found != item.sha256:
        raise DataError(f"{path}: SHA-256 is {found}, the card says {item.sha256}; this is not the expected file")
    if not item.sha256 and first and found != first.sha256:
        raise DataError(
            f"{path}: SHA-256 is {found}; at its first use, {first.first_used}, it was {first.sha256}, and results of the two "
            f"must not be mixed. Put the old file back, or start again: remove {item.file} and the record beside its folder"
        )

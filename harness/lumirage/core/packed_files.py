"""Files of finished runs that share archives, where the number of files is what a file system limits.

A folder of runs may hold `runs-1.zip`, `runs-2.zip`, ...: zip archives whose members are not compressed and have the names that
the files had. A path names a file in both forms. A file of its own counts before a member, and a later archive before an
earlier one, so a run that is made again changes no archive.
"""

import functools
import math
import os
import re
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.checksums import checksum, file_checksum
from lumirage.core.errors import DamagedFileError
from lumirage.core.layout import written_aside

ARCHIVE_ENDING = ".zip"
PATTERN = f"runs-[0-9]*{ARCHIVE_ENDING}"
_ARCHIVE = re.compile(r"runs-(\d+)")
_LOCAL_HEADER = 30
_LENGTHS_AT = 26
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Place:
    """Where the bytes of a file lie: in `file`, from byte `start` on, `size` bytes (-1: to the end)."""

    file: Path
    start: int = 0
    size: int = -1


@dataclass(frozen=True)
class _Member:
    archive: Path
    header_at: int
    size: int
    made_ns: int
    """Time of the archive when it was made; -1: not known."""


def place_of(path: Path) -> Place:
    """Where the bytes of a file lie; where it is neither a file of its own nor a member, at `path`, which then does not exist.

    Raises DamagedFileError where an archive beside it is damaged."""
    member = None if path.is_file() else _members_of(path.parent).get(path.name)
    if member is None:
        return Place(path)
    with member.archive.open("rb") as file:
        file.seek(member.header_at + _LENGTHS_AT)
        name, extra = struct.unpack("<HH", file.read(4))
    return Place(member.archive, member.header_at + _LOCAL_HEADER + name + extra, member.size)


def is_kept(path: Path) -> bool:
    """Whether there is such a file, of its own or in an archive. Raises DamagedFileError as `place_of`."""
    return path.is_file() or path.name in _members_of(path.parent)


def read_kept(path: Path) -> bytes:
    """The content of a file, of its own or in an archive. Raises OSError, and DamagedFileError as `place_of`."""
    place = place_of(path)
    with place.file.open("rb") as file:
        file.seek(place.start)
        return file.read(place.size)


def is_younger(path: Path, than_ns: int) -> bool:
    """Whether a file was written to after this time, or a member's archive after it was made. False where there is neither."""
    if path.is_file():
        return path.stat().st_mtime_ns > than_ns
    member = _members_of(path.parent).get(path.name)
    return member is not None and member.archive.stat().st_mtime_ns != member.made_ns


def kept_checksum(path: Path) -> str:
    """The checksum of the content. Raises as `read_kept`."""
    return file_checksum(path) if path.is_file() else checksum(read_kept(path))


@contextmanager
def on_disk(path: Path) -> Iterator[Path]:
    """The file, or a copy of a member in a temporary folder, for what reads files only. Raises as `read_kept`."""
    if path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="lumirage-") as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(read_kept(path))
        yield copy


def packed_below(folder: Path) -> list[Path]:
    """The paths of all members of the archives in and below a folder. Raises DamagedFileError."""
    places = {archive.parent for archive in folder.rglob(PATTERN)}
    return [place / name for place in sorted(places) for name in _members_of(place)]


def pack(folder: Path, files: Sequence[Path]) -> Path:
    """Move files of a folder into a new archive there: it is written and read again before the first of them is removed.

    Its time is that of its youngest member, rounded up to a second. Raises OSError; then the files are as they were."""
    archive = folder / f"runs-{max(_archives(folder), default=0) + 1}{ARCHIVE_ENDING}"
    second = math.ceil(max(path.stat().st_mtime_ns for path in files) / 1e9)
    with written_aside(archive) as aside:
        written = _write(aside, files, second)
        _compare(aside, written)
        os.utime(aside, (second, second))
    for path in files:
        path.unlink()
    return archive


def unpack(folder: Path) -> int:
    """Make files of the members of all archives of a folder, but for those of which there is a file; then remove the archives.
    Gives their number. Raises DamagedFileError and OSError."""
    made = 0
    for name in _members_of(folder):
        path = folder / name
        if not path.is_file():
            time_ns = place_of(path).file.stat().st_mtime_ns
            content = read_kept(path)
            with written_aside(path) as aside:
                aside.write_bytes(content)
                os.utime(aside, ns=(time_ns, time_ns))
            made += 1
    for archive in _archives(folder).values():
        archive.unlink()
    return made


def _archives(folder: Path) -> dict[int, Path]:
    """The archives of a folder by number, the latest last."""
    return dict(sorted((int(match[1]), path) for path in folder.glob(PATTERN) if (match := _ARCHIVE.match(path.name))))


def _members_of(folder: Path) -> Mapping[str, _Member]:
    """By name."""
    try:
        changed = folder.stat().st_mtime_ns
    except OSError:
        return {}
    return _read_members(folder, changed)


@functools.lru_cache(maxsize=4096)
def _read_members(folder: Path, _changed_ns: int) -> Mapping[str, _Member]:
    members: dict[str, _Member] = {}
    for archive in _archives(folder).values():
        try:
            with zipfile.ZipFile(archive) as opened:
                made_ns = int(opened.comment) * 10**9 if opened.comment.isdigit() else -1
                found = {
                    one.filename: _Member(archive, one.header_offset, one.file_size, made_ns)
                    for one in opened.infolist()
                }
        except (OSError, zipfile.BadZipFile) as error:
            raise DamagedFileError(archive, f"damaged, or cut off ({error})") from error
        if any("/" in name or name == ".." for name in found):  # `unpack` would write elsewhere
            raise DamagedFileError(archive, "damaged: a member has no plain name")
        members |= found
    return members


def _write(target: Path, files: Sequence[Path], second: int) -> dict[str, str]:
    """Write an archive; gives the checksum of each member as it was read."""
    found = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            content = path.read_bytes()
            archive.writestr(zipfile.ZipInfo(path.name, _EPOCH), content)
            found[path.name] = checksum(content)
        archive.comment = str(second).encode()
    return found


def _compare(archive: Path, written: Mapping[str, str]) -> None:
    with zipfile.ZipFile(archive) as opened:
        for name, wanted in written.items():
            if checksum(opened.read(name)) != wanted:
                raise OSError(f"{archive}: {name} is not what was written; is the disk sound?")

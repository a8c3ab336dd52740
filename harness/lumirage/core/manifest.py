"""Checksums of files that no record lists: tables, the report, descriptions. Each stage writes a list of its own."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from lumirage.core.checksums import file_checksum
from lumirage.core.layout import Layout
from lumirage.core.model import Record
from lumirage.core.packed_files import is_kept, kept_checksum
from lumirage.core.records import read_json, write_json
from lumirage.core.set_aside import exists

Part = Literal["descriptions", "scores", "comparisons", "report"]
PARTS: tuple[Part, ...] = ("descriptions", "scores", "comparisons", "report")


class Manifest(Record):
    """Path relative to OUT -> checksum."""

    schema_version: Literal[1] = 1
    files: dict[str, str]


def list_files(layout: Layout, part: Part, paths: Iterable[Path]) -> None:
    """Record the checksums of files that were just written."""
    files = {path.relative_to(layout.root).as_posix(): file_checksum(path) for path in sorted(paths)}
    write_json(layout.checksums(part), Manifest(files=files))


def listed_files(layout: Layout, part: Part) -> dict[Path, str]:
    """The files of a part and their checksums; empty if none were recorded. Raises DamagedFileError."""
    if not exists(layout.checksums(part)):
        return {}
    listed = read_json(layout.checksums(part), Manifest).files
    return {layout.root / name: wanted for name, wanted in listed.items()}


def is_whole(path: Path, wanted: str) -> bool:
    """Whether a file exists and has the content that was written."""
    try:
        return is_kept(path) and kept_checksum(path) == wanted
    except OSError:
        return False


def what_is_wrong(path: Path) -> str:
    """Describes what is wrong with a file for which `is_whole` is false."""
    if is_kept(path):
        return "damaged: its content does not match its checksum"
    return "damaged: no file" if path.exists() else "missing"

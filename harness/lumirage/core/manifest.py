"""Checksums of files that no record speaks of: tables, the report, descriptions. A list a stage, written by it alone."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from lumirage.core.checksums import file_checksum
from lumirage.core.layout import Layout
from lumirage.core.model import Record
from lumirage.core.records import read_json, write_json
from lumirage.core.set_aside import exists

Part = Literal["descriptions", "scores", "comparisons", "report"]
PARTS: tuple[Part, ...] = ("descriptions", "scores", "comparisons", "report")


class Manifest(Record):
    """Path from the top of the tree -> checksum."""

    schema_version: Literal[1] = 1
    files: dict[str, str]


def list_files(layout: Layout, part: Part, paths: Iterable[Path]) -> None:
    """Remember what was just written."""
    files = {path.relative_to(layout.root).as_posix(): file_checksum(path) for path in sorted(paths)}
    write_json(layout.checksums(part), Manifest(files=files))


def listed_files(layout: Layout, part: Part) -> dict[Path, str]:
    """The files of a part and their checksums; none where they were not recorded. Raises DamagedFileError."""
    if not exists(layout.checksums(part)):
        return {}
    listed = read_json(layout.checksums(part), Manifest).files
    return {layout.root / name: wanted for name, wanted in listed.items()}


def is_whole(path: Path, wanted: str) -> bool:
    """Whether a file is there and as it was written."""
    try:
        return path.is_file() and file_checksum(path) == wanted
    except OSError:
        return False


def what_is_wrong(path: Path) -> str:
    """Of a file that is not whole, in words."""
    if not path.exists():
        return "missing"
    return "damaged: its content is not that of its checksum" if path.is_file() else "damaged: no file"

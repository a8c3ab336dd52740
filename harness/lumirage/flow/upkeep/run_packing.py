"""Puts the files of finished runs into archives, and back: for file systems that limit the number of files."""

from collections.abc import Sequence
from pathlib import Path

from lumirage.core.errors import DataError
from lumirage.core.layout import Layout, RunFiles
from lumirage.core.packed_files import pack, packed_below, unpack
from lumirage.core.screen import Screen
from lumirage.reporting.report_inputs import RECORD_ENDING, files_of

RUNS = 64
"""Of one archive. While it is made, its runs are on disk twice: of 160 x 224 x 192 voxels 5 GB."""


def pack_runs(layout: Layout, methods: Sequence[str], screen: Screen) -> tuple[int, int]:
    """Put the files of every finished run into archives of their folder; gives the number of files and of archives.

    Killed at any point, nothing is lost: a file is removed when it can be read from its archive."""
    folders: dict[Path, list[RunFiles]] = {}
    for method in methods:
        for record in sorted(layout.method(method).rglob(f"[!.]*{RECORD_ENDING}")):
            folders.setdefault(record.parent, []).append(files_of(record))
    files = archives = 0
    for done, (folder, runs) in enumerate(folders.items()):
        screen.progress("pack", done, len(folders))
        for at in range(0, len(runs), RUNS):
            some = [path for run in runs[at : at + RUNS] for path in _files(run)]
            pack(folder, some)
            files, archives = files + len(some), archives + 1
    screen.progress("pack", len(folders), len(folders))
    return files, archives


def unpack_runs(layout: Layout, methods: Sequence[str], screen: Screen) -> int:
    """Make files of all members of all archives; gives their number. Raises DataError where there is none."""
    folders = sorted({path.parent for method in methods for path in packed_below(layout.method(method))})
    if not folders:
        raise DataError(f"{layout.root}: no run is packed")
    files = 0
    for done, folder in enumerate(folders):
        screen.progress("unpack", done, len(folders))
        files += unpack(folder)
    screen.progress("unpack", len(folders), len(folders))
    return files


def _files(run: RunFiles) -> list[Path]:
    """The files of a run, the record last."""
    return [path for path in (run.field, run.log, run.memory, run.record) if path.is_file()]

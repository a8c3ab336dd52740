"""Chooses the place of the folders that are mounted into containers.

A method can read the source of each mount in /proc/self/mountinfo, and the path of OUT often names a dataset or a
contrast. So these folders are elsewhere, under a neutral name.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from lumirage.core.errors import UnavailableError
from lumirage.core.layout import Layout
from lumirage.running.file_systems import MOUNTS, in_memory
from lumirage.running.runtimes.runtime_interface import Runtime

DISK = Path("/var/tmp")
"""On disk nearly everywhere, while /tmp lies in memory on Debian 13, Fedora and Arch."""


def scratch_folder(layout: Layout, runtime: Runtime, environment: Mapping[str, str]) -> Path:
    """The folder for the scratch folders of this tree; made if it has a neutral name.

    It is in TMPDIR, or in /var/tmp if TMPDIR is in memory. The work folder is used instead if -w has placed it, if methods
    see the whole machine anyway, or if the engine knows only the mounts of our own container. Raises UnavailableError if
    the folder belongs to another user.
    """
    if layout.work.is_symlink() or not runtime.isolated or runtime.mounts_ours_only:
        return layout.scratch("")
    place = layout.neutral_scratch(temporary(environment))
    # Others may enter, as an engine that maps users must, and cannot look: the names inside are random.
    place.mkdir(mode=0o711, parents=True, exist_ok=True)
    found = place.lstat()
    if place.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise UnavailableError(f"{place} is there and is not ours alone; remove it, or set TMPDIR to another folder")
    return place


def temporary(environment: Mapping[str, str], mounts: Path = MOUNTS) -> Path:
    """Where temporary files belong on this machine that may be large: TMPDIR, unless it lies in memory, else /var/tmp."""
    asked = Path(environment.get("TMPDIR") or DISK).absolute()
    return DISK if in_memory(asked, mounts) and not in_memory(DISK, mounts) else asked


def is_neutral(source: Path, layout: Layout) -> bool:
    """Whether the path of a mount says nothing of the output tree."""
    return not source.resolve().is_relative_to(layout.root.resolve())

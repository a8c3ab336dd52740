"""Moves damaged files out of the way, so that they can be made again: renamed if a person may want to look, else removed."""

import shutil
from pathlib import Path

SET_ASIDE = ".damaged"
"""Added to the name of a file that was found damaged."""


def set_aside(path: Path) -> Path:
    """Rename a damaged file, or whatever has its name. Gives the new path. Raises OSError."""
    aside, number = path.with_name(path.name + SET_ASIDE), 1
    while exists(aside):
        number += 1
        aside = path.with_name(f"{path.name}{SET_ASIDE}-{number}")
    path.rename(aside)
    return aside


def was_set_aside(path: Path) -> bool:
    """Whether a file of this name was set aside."""
    return path.with_name(path.name + SET_ASIDE).exists()


def exists(path: Path) -> bool:
    """Whether anything has this name, even a broken link."""
    return path.exists() or path.is_symlink()


def remove(path: Path) -> None:
    """Remove a file, or a folder of its name. Does nothing if there is neither."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

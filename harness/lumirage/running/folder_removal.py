"""Removes folders that a method wrote into: of any depth, with any rights, and never what a link in them points at."""

import os
import uuid
from contextlib import suppress
from pathlib import Path


def remove_tree(folder: Path) -> int:
    """Remove a folder with its content. Gives the bytes of disk that this freed. Never raises OSError: what cannot be
    removed stays for the next time, so that no error hides why a call failed.

    Nested folders are moved up to `folder` before they are emptied, so that paths stay short in deep trees.
    """
    freed = 0
    with suppress(OSError):
        top = _opened(os.fspath(folder), None)
        try:
            freed, waiting = _emptied(top, None)
            while waiting:
                name = waiting.pop()
                with suppress(OSError):
                    inner = _opened(name, top)
                    try:
                        more, found = _emptied(inner, top)
                    finally:
                        os.close(inner)
                    freed += more
                    waiting += found
                    os.rmdir(name, dir_fd=top)
        finally:
            os.close(top)
        folder.rmdir()
    return freed


def _opened(name: str, above: int | None) -> int:
    """A descriptor of a folder, no link, to which the owner was given all rights. Raises OSError."""
    place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        with suppress(OSError):  # somebody else's, who may let us in
            os.chmod(f"/proc/self/fd/{place}", 0o700)  # noqa: PTH101 -- only so by descriptor of what cannot be opened
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)


def _emptied(folder: int, top: int | None) -> tuple[int, list[str]]:
    """Remove the files of a folder and move its folders to `top` (None: it is the top); gives the bytes freed, and the
    names that folders have in the top now. Raises OSError where it cannot be listed."""
    freed, folders = 0, []
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        with suppress(OSError):
            status = entry.stat(follow_symlinks=False)
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=folder)
                freed += status.st_blocks * 512 if status.st_nlink == 1 else 0
            elif top is None:
                folders.append(entry.name)
            else:
                os.close(_opened(entry.name, folder))  # a folder can be moved by who may write into it
                name = f".{uuid.uuid4().hex}"
                os.rename(entry.name, name, src_dir_fd=folder, dst_dir_fd=top)
                folders.append(name)
    return freed, folders

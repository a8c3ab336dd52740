"""Which CPUs and GPUs other harnesses on this machine use: a lock file for each, which the kernel frees with its holder.

Without it every harness would pin its first container to the first CPU, and two would measure one another.
"""

import fcntl
import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class Leases:
    """Locks on things by name, held until given back or until the process ends."""

    def __init__(self, folder: Path | None = None):
        self._folder = folder or Path(tempfile.gettempdir()) / "lumirage-leases"
        self._held: dict[str, int] = {}

    def take(self, names: Sequence[str], count: int) -> tuple[list[str], list[str]]:
        """`count` of the names, those first that nobody else holds, and which of them others hold too."""
        free: list[str] = []
        for name in names:
            if len(free) == count:
                break
            if self._lock(name):
                free.append(name)
        shared = [name for name in names if name not in free][: count - len(free)]
        return [*free, *shared], shared

    def give_back(self, names: Sequence[str]) -> None:
        """Let go of what of these is held."""
        for name in names:
            if name in self._held:
                os.close(self._held.pop(name))

    def _lock(self, name: str) -> bool:
        """Whether nobody else holds it; a folder that cannot be written keeps nobody from working."""
        try:
            self._folder.mkdir(mode=0o777, exist_ok=True)
            with suppress(PermissionError):
                self._folder.chmod(0o1777)  # every user of the machine takes part
            path = self._folder / re.sub(r"[^0-9A-Za-z-]", "_", name)
            if not path.exists():  # kernels refuse O_CREAT on another user's file in such a folder
                path.touch(0o666)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._held[name] = descriptor
        return True

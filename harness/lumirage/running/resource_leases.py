"""Which CPUs and GPUs other harnesses on this machine use: an abstract socket for each, which ends with its process.

Otherwise every harness would pin its first container to the first CPU, and two would disturb each other's measurements.
An abstract socket is not a file, so it works between users, and no user can put a link where root would write.
"""

import errno
import os
import socket
from collections.abc import Sequence


class Leases:
    """Resources held by name until they are given back or the process ends. Names count within `realm`."""

    def __init__(self, realm: str = "lumirage"):
        self._realm = realm
        self._held: dict[str, int] = {}

    def take(self, names: Sequence[str], count: int) -> tuple[list[str], list[str]]:
        """`count` of the names, those first that nobody else holds, and which of them others hold too."""
        free: list[str] = []
        for name in names:
            if len(free) == count:
                break
            if self._hold(name):
                free.append(name)
        shared = [name for name in names if name not in free][: count - len(free)]
        return [*free, *shared], shared

    def give_back(self, names: Sequence[str]) -> None:
        """Release those of these names that are held."""
        for name in names:
            if name in self._held:
                os.close(self._held.pop(name))

    def _hold(self, name: str) -> bool:
        """Whether no other process has it; always true on a system without such sockets."""
        held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            held.bind(f"\0{self._realm}/{name}")
        except OSError as error:
            held.close()
            return error.errno != errno.EADDRINUSE
        self._held[name] = held.detach()
        return True

"""One process that the harness started: what it prints, when it ends, what it costs."""

import os
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from lumirage.core.errors import EngineError

CHUNK_BYTES = 32 * 1024
CLOSED_WITHIN_S = 10.0


class Child:
    """A process in its own session. `status` and `rusage` are None until it has ended; a negative status is a signal.

    Raises EngineError if it cannot be started.
    """

    def __init__(self, argv: list[str], environment: Mapping[str, str], cwd: Path):
        try:
            self._popen = subprocess.Popen(
                argv,
                env=dict(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"cannot start {argv[0]}: {error}") from error
        self.pid = self._popen.pid
        self.status: int | None = None
        self.rusage: resource.struct_rusage | None = None
        self._process = psutil.Process(self.pid)

    def below(self) -> list[psutil.Process]:
        """Its descendants; none once it has ended."""
        try:
            return self._process.children(recursive=True)
        except psutil.Error:
            return []

    def chunks(self) -> Iterator[bytes]:
        """What it and its descendants print, until the last of them closes the pipe."""
        pipe = self._popen.stdout
        assert pipe is not None  # we asked for one
        while chunk := os.read(pipe.fileno(), CHUNK_BYTES):
            yield chunk

    def ended(self, within_s: float) -> bool:
        """Wait at most this long; gives whether it has ended. Polls, as only wait4 gives the CPU time of all."""
        deadline = time.monotonic() + within_s
        while self.status is None:
            pid, status, rusage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.status = self._popen.returncode = os.waitstatus_to_exitcode(status)
                self.rusage = rusage
            elif time.monotonic() >= deadline:
                return False
            else:
                time.sleep(min(0.005, max(0.0, deadline - time.monotonic())))
        return True

    @property
    def cpu_s(self) -> float | None:
        """CPU time of the process and of the children that it waited for."""
        return self.rusage.ru_utime + self.rusage.ru_stime if self.rusage else None

    def close(self) -> None:
        """Wait for a child that was killed, and close the pipe."""
        self.ended(CLOSED_WITHIN_S)
        if self._popen.stdout:
            self._popen.stdout.close()

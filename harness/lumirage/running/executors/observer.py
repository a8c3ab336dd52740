"""Who is told how the work of an executor goes on, and who may use what it leaves idle."""

from typing import Protocol

from lumirage.core.errors import EngineError, LumirageError
from lumirage.core.model import Job, Run


class Observer(Protocol):
    """Who is told how the work goes on; called from the thread that called `execute_jobs`."""

    def job_started(self, job: Job) -> None:
        """Its container is about to start."""

    def job_retried(self, job: Job, error: EngineError) -> None:
        """The engine failed and the job is tried again."""

    def run_recorded(self, run: Run) -> None:
        """A record was written; once for each run."""

    def job_left_out(self, job: Job, error: LumirageError) -> None:
        """It cannot be executed: its input is damaged, or its image is gone. The others go on."""


class BackgroundWork(Protocol):
    """Other work on what was recorded, done piece by piece on a CPU that would be idle."""

    memory_bytes: int

    @property
    def has_work(self) -> bool:
        """Whether there is a piece to do."""

    def recorded(self, run: Run) -> None:
        """A record was written."""

    def work(self, cpu: int) -> None:
        """Do a piece, on this CPU; called from a thread of its own. Raises nothing."""

    def stop(self) -> None:
        """Kill what it is at; from any thread."""

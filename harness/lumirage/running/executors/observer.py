"""What is notified of the progress of an executor, and what may use an idle CPU."""

from typing import Protocol

from lumirage.core.errors import EngineError, LumirageError
from lumirage.core.model import Job, Run


class Observer(Protocol):
    """Is notified of progress; called from the thread that called `execute`."""

    def job_started(self, job: Job) -> None:
        """Its container is about to start."""

    def job_retried(self, job: Job, error: EngineError) -> None:
        """The engine failed and the job is tried again."""

    def run_recorded(self, run: Run) -> None:
        """A record was written; once for each run."""

    def job_left_out(self, job: Job, error: LumirageError) -> None:
        """It cannot be executed: its input is damaged, or its image no longer exists. The other jobs continue."""


class BackgroundWork(Protocol):
    """Other work on recorded runs, one piece at a time on a CPU that would be idle."""

    memory_bytes: int

    @property
    def has_work(self) -> bool:
        """Whether a piece of work is waiting."""

    def recorded(self, run: Run) -> None:
        """A record was written."""

    def work(self, cpu: int) -> None:
        """Do a piece of work on this CPU; called from a separate thread. Raises nothing."""

    def stop(self) -> None:
        """Kill the piece in progress; may be called from any thread."""

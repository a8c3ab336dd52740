"""The files of one submission to a cluster, each in a folder of its own among the working files of the output tree."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SubmissionFiles:
    """The files of one submission to a cluster. `record` is written before anything is submitted."""

    folder: Path

    @property
    def record(self) -> Path:
        """What was submitted: `lumirage.running.executors.cluster_tasks.Submission`."""
        return self.folder / "submission.json"

    @property
    def evaluation(self) -> Path:
        """What its tasks read of the evaluation beside their own pairs."""
        return self.folder / "evaluation.json"

    @property
    def held(self) -> Path:
        """The arrays that wait until the queue has room, a name a line; if there are none, there is no file."""
        return self.folder / "held"

    @property
    def feeding(self) -> Path:
        """Locked by who submits them."""
        return self.folder / ".lock.feeding"

    @property
    def logs(self) -> Path:
        """What the tasks printed."""
        return self.folder / "logs"

    def tasks(self, array: str) -> Path:
        """The tasks of an array, one JSON line each."""
        return self.folder / f"{array}.jsonl"

    def script(self, array: str) -> Path:
        """The batch script of an array."""
        return self.folder / f"{array}.sh"

    def scored(self, array: str, index: int) -> Path:
        """The parts of scores that a task has written, one a line: what it need not do again in its next life."""
        return self.folder / f"{array}-{index}.scored"

    def number(self, array: str) -> Path:
        """The number that the cluster gave an array. If the file exists, the array was submitted."""
        return self.folder / f"{array}.id"

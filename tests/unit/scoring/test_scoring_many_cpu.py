"""A process that scores beside methods keeps to the CPU that it was given, from its start and with all its threads."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from lumirage.core.errors import DataError
from lumirage.scoring.parallel_scoring import Scorer


def allowed() -> list[str]:
    """Of each thread of this process: the CPUs that it may use."""
    texts = [(task / "status").read_text() for task in Path("/proc/self/task").iterdir()]
    return sorted(
        {line.split(":")[1].strip() for t in texts for line in t.splitlines() if line.startswith("Cpus_allowed_list")}
    )


AT_IMPORT = allowed()


@dataclass(frozen=True)
class Tells:
    """In place of what is scored: says by an error what its process may use, at this module's import and now."""

    def load(self) -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        raise DataError(f"{AT_IMPORT} {allowed()}")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is only one CPU to be kept to")
def test_all_threads_keep_to_the_cpu_from_the_start() -> None:
    first, second, *_ = sorted(os.sched_getaffinity(0))
    before, scorer = os.sched_getaffinity(0), Scorer()
    try:
        for cpu, at_import in (
            (second, second),
            (first, second),
        ):  # the thread of the first task lives on in the second
            with pytest.raises(DataError) as told:
                scorer.score(Tells(), (), cpu)
            assert str(told.value) == f"['{at_import}'] ['{cpu}']"
    finally:
        scorer.kill()
    assert os.sched_getaffinity(0) == before

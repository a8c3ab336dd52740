"""Several processes that score."""

import os
import signal
import time
from dataclasses import dataclass

import pytest

from lumirage.core.errors import BusyError, DataError
from lumirage.scoring.parallel_scoring import score_many


@dataclass(frozen=True)
class Damaged:
    """A task whose files cannot be read."""

    def load(self) -> None:
        raise DataError("damaged")


@dataclass(frozen=True)
class Long:
    """A task without an end."""

    def load(self) -> None:
        time.sleep(100_000)


@dataclass(frozen=True)
class Killed:
    """A task that costs its process the life."""

    def load(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def test_an_error_ends_what_the_other_process_is_at():
    with pytest.raises(DataError, match="damaged"):
        list(score_many([(Damaged(), ()), (Long(), ()), (Long(), ())], workers=2))


def test_a_killed_process_is_told():
    with pytest.raises(BusyError, match="was killed"):
        list(score_many([(Killed(), ()), (Long(), ())], workers=2))

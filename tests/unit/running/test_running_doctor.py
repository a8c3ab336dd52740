"""The doctor's own judgement of what a trial call measured."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lumirage.core.model import Usage
from lumirage.running.doctor import _measured


def measured(mib: float | None, how: str = "sampled") -> Any:
    """What the doctor finds where a trial call is said to have taken this much memory."""
    peak = None if mib is None else int(mib * 2**20)
    ended = SimpleNamespace(usage=Usage(wall_s=0.5, peak_memory_bytes=peak, memory_how=how))
    return _measured(cast(Any, SimpleNamespace(run=lambda script: (ended, ""))))


@pytest.mark.parametrize(
    ("mib", "holds"), [(120, False), (120.5, True), (128, True), (133, True), (145.5, True), (146, False), (266, False)]
)
def test_128_mib_are_seen_within_a_tenth_beside_the_interpreter(mib: float, holds: bool) -> None:
    found = measured(mib)
    assert (found.name, found.held) == ("memory_measured", holds)
    assert found.how == f"{mib:.0f} MiB for 128; sampled"


def test_memory_that_cannot_be_read_is_not_measured_and_says_why() -> None:
    found = measured(None, "absent: no group")
    assert (found.held, found.how) == (False, "absent: no group")

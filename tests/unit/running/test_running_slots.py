import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running_world import with_limits

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.running.executors.resource_slots import Resources, Slots, bound, resources_here
from lumirage.running.resource_leases import Leases

MACHINE = Resources(cpus=(0, 1, 4, 5), memory_bytes=1000, gpus=("GPU-a", "GPU-b"))


def slots_of(folder: Path, most: int) -> Slots:
    return Slots(MACHINE, most, Leases(str(folder)))


def limits(cpus: int = 1, memory_bytes: int = 100, gpus: int = 0):
    return with_limits(cpus=cpus, memory_bytes=memory_bytes, gpus=gpus)


def test_shares_do_not_overlap(tmp_path: Path):
    slots = slots_of(tmp_path, most=9)
    first, second = slots.take(limits(2, gpus=1)), slots.take(limits(2, gpus=1))
    assert first is not None
    assert second is not None
    assert (first.cpus, second.cpus) == ((0, 1), (4, 5))
    assert (first.gpus, second.gpus) == (("GPU-a",), ("GPU-b",))
    assert slots.take(limits()) is None
    slots.give_back(first)
    again = slots.take(limits())
    assert again is not None
    assert again.cpus == (0,)


def test_of_a_container_that_ended_only_the_cpus_stay_taken(tmp_path: Path):
    slots, others = slots_of(tmp_path, most=1), slots_of(tmp_path, most=1)
    first = slots.take(limits(1, memory_bytes=900, gpus=2))
    assert first is not None
    assert slots.take(limits()) is None, "one at a time"
    slots.end_container(first)
    second = slots.take(limits(2, memory_bytes=900, gpus=2))
    assert second is not None
    assert (second.cpus, second.gpus) == ((1, 4), ("GPU-a", "GPU-b"))
    slots.give_back(first)
    slots.give_back(second)
    theirs = others.take(limits(4, gpus=2))
    assert theirs is not None
    assert theirs.shared == (), "nothing is still leased"


def test_what_another_harness_uses_is_given_last_and_told(tmp_path: Path):
    mine, theirs = slots_of(tmp_path, most=9), slots_of(tmp_path, most=9)
    first = theirs.take(limits(2, gpus=1))
    assert first is not None
    second = mine.take(limits(1, gpus=1))
    assert second is not None
    assert (second.cpus, second.gpus, second.shared) == ((4,), ("GPU-b",), ())
    third = mine.take(limits(2, gpus=1))
    assert third is not None
    assert (third.cpus, third.gpus, third.shared) == ((0, 5), ("GPU-a",), ("CPU 0", "GPU-a"))
    theirs.give_back(first)
    mine.give_back(third)
    again = mine.take(limits(2))
    assert again is not None
    assert (again.cpus, again.shared) == ((0, 1), ())


def test_what_a_killed_harness_used_is_free(tmp_path: Path):
    code = f"""
import os
from lumirage.running.resource_leases import Leases

leases = Leases({str(tmp_path)!r})
assert leases.take(["CPU 0"], 1) == (["CPU 0"], [])
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert Leases(str(tmp_path)).take(["CPU 0"], 1) == (["CPU 0"], [])


def test_a_system_without_such_sockets_keeps_nobody_from_working():
    assert Leases("x" * 200).take(["CPU 0", "CPU 1"], 1) == (["CPU 0"], []), "a name that no system takes"


def test_at_most_so_many_at_once(tmp_path: Path):
    slots = slots_of(tmp_path, most=2)
    assert slots.take(limits())
    assert slots.take(limits())
    assert slots.take(limits()) is None


def test_memory_is_not_given_twice_but_one_alone_always_runs(tmp_path: Path):
    slots = slots_of(tmp_path, most=9)
    large = slots.take(limits(memory_bytes=5000))
    assert large is not None
    assert slots.take(limits(memory_bytes=1)) is None
    slots.give_back(large)
    assert slots.take(limits(memory_bytes=600))
    assert slots.take(limits(memory_bytes=600)) is None
    assert slots.take(limits(memory_bytes=400))


def test_what_this_machine_can_never_give_is_said_at_once(tmp_path: Path):
    slots = slots_of(tmp_path, most=1)
    with pytest.raises(UsageError, match="5 CPUs"):
        slots.require(limits(cpus=5))
    with pytest.raises(UnavailableError, match="3 GPUs"):
        slots.require(limits(gpus=3))


def test_what_keeps_containers_from_running_side_by_side_is_told():
    assert bound(MACHINE, limits(), 4) == (4, "")
    assert bound(MACHINE, limits(cpus=3), 4) == (1, "each may use 3 of 4 CPUs")
    fits, why = bound(MACHINE, limits(memory_bytes=400), 4)
    assert fits == 2
    assert "memory (--memory)" in why
    assert bound(MACHINE, limits(memory_bytes=4000), 2)[0] == 1, "one alone always runs"
    assert bound(MACHINE, limits(gpus=1), 3) == (2, "each uses 1 of 2 GPUs")


def test_this_machine():
    here = resources_here()
    assert here.cpus
    assert here.memory_bytes > 2**20
    with pytest.raises(UsageError, match="no GPU '99'"):
        resources_here(["99"])


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 1200), st.integers(0, 2)), max_size=12))
def test_never_more_than_there_is(wishes: list[tuple[int, int, int]]):
    slots = Slots(MACHINE, 3, Leases(uuid.uuid4().hex))
    taken = [slot for wish in wishes if (slot := slots.take(limits(*wish)))]
    cpus = [cpu for slot in taken for cpu in slot.cpus]
    gpus = [gpu for slot in taken for gpu in slot.gpus]
    assert len(set(cpus)) == len(cpus)
    assert len(set(gpus)) == len(gpus)
    assert len(taken) <= 3
    assert len(taken) <= 1 or sum(slot.memory_bytes for slot in taken) <= MACHINE.memory_bytes

"""What this machine has, and who uses it now: CPUs by number, GPUs by UUID, bytes of memory."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import psutil

from lumirage.core.errors import UnavailableError, UsageError, nearest
from lumirage.core.model import Limits
from lumirage.running.gpu_devices import list_gpus
from lumirage.running.resource_leases import Leases

Item = TypeVar("Item")


@dataclass(frozen=True)
class Resources:
    """The resources that may be used."""

    cpus: tuple[int, ...]
    memory_bytes: int
    gpus: tuple[str, ...] = ()
    gpu_faults: tuple[str, ...] = ()
    """GPUs of this machine that cannot be used, each with the driver's reason."""


def resources_here(gpus: Sequence[str] = ()) -> Resources:
    """This machine's. `gpus` chooses some by index or UUID; none: all. Raises UsageError for one that is not there."""
    found = list_gpus()
    chosen = []
    for wanted in gpus:
        device = found.find(wanted)
        if device is None:
            lost = "".join(f"; {fault}" for fault in found.faults)
            names = [name for one in found.usable for name in (one.index, one.uuid)]
            raise UsageError(f"no GPU '{wanted}' here{nearest(wanted, names)}{lost}")
        chosen.append(device.uuid)
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return Resources(tuple(sorted(cpus)), psutil.virtual_memory().total, tuple(chosen) or found.uuids, found.faults)


def bound(resources: Resources, limits: Limits, most: int) -> tuple[int, str]:
    """How many containers with these limits fit at a time, of `most` wanted; and what keeps it below, in words."""
    room = {
        f"each may use {limits.cpus} of {len(resources.cpus)} CPUs": len(resources.cpus) // limits.cpus,
        f"each may use {limits.memory_bytes / 1e9:.3g} of {resources.memory_bytes / 1e9:.3g} GB of memory (--memory)": (
            resources.memory_bytes // limits.memory_bytes
        ),
    }
    if limits.gpus:
        room[f"each uses {limits.gpus} of {len(resources.gpus)} GPUs"] = len(resources.gpus) // limits.gpus
    why, fits = min(room.items(), key=lambda item: item[1])
    return (max(fits, 1), why) if fits < most else (most, "")


@dataclass(frozen=True)
class Slot:
    """A share of the machine."""

    cpus: tuple[int, ...]
    memory_bytes: int
    gpus: tuple[str, ...]
    shared: tuple[str, ...] = ()
    """CPUs and GPUs of it that another harness uses too, because there were no others."""


class Slots:
    """Distributes at most `most` shares at a time. No two of them have a CPU or GPU in common.

    CPUs and GPUs that no other harness uses are given first. The sum of memory limits stays below the machine's memory,
    but a single share is always given: the engine enforces its limit.
    """

    def __init__(self, resources: Resources, most: int, leases: Leases):
        self._resources, self._most, self._leases = resources, most, leases
        self._taken: list[Slot] = []
        self._spare: list[Slot] = []
        self._judging: list[Slot] = []
        self._aside: dict[str, str] = {}

    def require(self, limits: Limits) -> None:
        """Raise UsageError or UnavailableError for what this machine can never give."""
        if limits.cpus > len(self._resources.cpus):
            raise UsageError(
                f"the track asks for {limits.cpus} CPUs a method and {len(self._resources.cpus)} may be used here; "
                "lower limits.cpus"
            )
        if limits.gpus > len(self._gpus):
            why = "".join(f"; {fault}" for fault in (*self._resources.gpu_faults, *self._aside.values()))
            raise UnavailableError(
                f"{limits.gpus} GPUs are asked for and {len(self._gpus)} can be used here{why}; "
                "lower limits.gpus, or choose methods that run on the CPU"
            )

    @property
    def _gpus(self) -> tuple[str, ...]:
        return tuple(gpu for gpu in self._resources.gpus if gpu not in self._aside)

    def set_aside(self, gpus: Sequence[str], why: str) -> None:
        """Give these out no more."""
        self._aside |= dict.fromkeys(gpus, why)

    def take_in(self, gpus: Sequence[str]) -> None:
        """Give them out again."""
        for gpu in gpus:
            self._aside.pop(gpu, None)

    def others(self, gpus: Sequence[str]) -> int:
        """How many GPUs may be given out besides these."""
        return len(_left(self._gpus, gpus))

    def take(self, limits: Limits) -> Slot | None:
        """A share, or None while none is free."""
        cpus = self._free_cpus()
        gpus = _left(self._gpus, [gpu for slot in self._taken for gpu in slot.gpus])
        memory = sum(slot.memory_bytes for slot in (*self._taken, *self._spare)) + limits.memory_bytes
        full = len(self._taken) >= self._most or len(cpus) < limits.cpus or len(gpus) < limits.gpus
        if full or (self._taken and memory > self._resources.memory_bytes):
            return None
        by_name = {f"CPU {cpu}": cpu for cpu in cpus}
        chosen, shared = self._leases.take(list(by_name), limits.cpus)
        chosen_gpus, shared_gpus = self._leases.take(gpus, limits.gpus)
        given = tuple(sorted(by_name[name] for name in chosen))
        slot = Slot(given, limits.memory_bytes, tuple(chosen_gpus), (*shared, *shared_gpus))
        self._taken.append(slot)
        return slot

    def take_spare(self, memory_bytes: int) -> Slot | None:
        """One CPU and this memory for other work than methods, where neither they nor another harness have it."""
        cpus = {f"CPU {cpu}": cpu for cpu in self._free_cpus()}
        memory = sum(slot.memory_bytes for slot in (*self._taken, *self._spare)) + memory_bytes
        if not cpus or memory > self._resources.memory_bytes:
            return None
        (name,), shared = self._leases.take(list(cpus), 1)
        if shared:
            return None
        slot = Slot((cpus[name],), memory_bytes, ())
        self._spare.append(slot)
        return slot

    def _free_cpus(self) -> list[int]:
        taken = (*self._taken, *self._spare, *self._judging)
        return _left(self._resources.cpus, [cpu for slot in taken for cpu in slot.cpus])

    def end_container(self, slot: Slot) -> None:
        """Its container has ended: its GPUs, its memory and its place are free. The CPUs stay, for judging the answer, which
        would disturb the measurement of another method there."""
        self._taken.remove(slot)
        self._judging.append(slot)
        self._leases.give_back(slot.gpus)

    def give_back(self, slot: Slot) -> None:
        """Take a share back, or what is left of it."""
        place = next(of for of in (self._taken, self._spare, self._judging) if slot in of)
        place.remove(slot)
        gpus = () if place is self._judging else slot.gpus
        self._leases.give_back([*(f"CPU {cpu}" for cpu in slot.cpus), *gpus])


def _left(all_of: Sequence[Item], taken: Sequence[Item]) -> list[Item]:
    return [one for one in all_of if one not in taken]

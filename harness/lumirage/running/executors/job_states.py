"""Keeps how far each job is, for an executor that has one thread to decide."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from lumirage.core.errors import GpuFaultError
from lumirage.core.model import Job
from lumirage.running.executors.resource_slots import Slot
from lumirage.running.method_contract import PairInput


@dataclass
class JobStates:
    """How far each job is: waiting, being prepared, ready, running, or ended and being judged."""

    waiting: deque[Job]

    def __post_init__(self) -> None:
        self.preparing: list[str] = []
        self.ready: list[tuple[Job, Mapping[str, PairInput]]] = []
        self.running: dict[str, Slot] = {}
        self.judging: set[str] = set()
        self.overtaken = Counter[str]()
        self.gpu_faults: dict[str, list[GpuFaultError]] = {}
        self.engine_failed = False
        self.background_busy = False

    @property
    def containers(self) -> int:
        """How many jobs have a container, or will have one more."""
        return len(self.running) - len(self.judging)

    @property
    def unstarted(self) -> int:
        """How many jobs have not begun."""
        return len(self.waiting) + len(self.preparing) + len(self.ready)

    @property
    def unfinished(self) -> bool:
        """Whether a job is still to begin or to end."""
        return bool(self.waiting or self.preparing or self.ready or self.running)

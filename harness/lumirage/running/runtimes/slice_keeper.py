"""Keeps a slice of systemd's in being while a call runs in it, so that its counters can be read after the call has ended.

Docker with the systemd driver removes a container's control group when the container ends, and systemd removes the slice
above it when nothing is left in it. An idle container in the same slice holds it. Ordinary users of the engine may do
this, and read the counters: no root is needed. docs/decisions/0012.md says what else was tried.
"""

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import docker
from docker.models.containers import Container
from docker.types import LogConfig

from lumirage.running.container_user import NOBODY
from lumirage.running.control_groups import Hierarchy, Totals
from lumirage.running.runtimes.docker_state import API_FAILURES, remove
from lumirage.running.runtimes.runtime_interface import CALL_LABEL, OWNER_LABEL, Call
from lumirage.running.usage_sources import ParentGroup

MEMORY_BYTES = 32 * 2**20


@dataclass(frozen=True)
class KeptSlice:
    """A slice, and the path of the group of the idle container that keeps it."""

    name: str
    keeper: str


@contextlib.contextmanager
def kept_slice(client: docker.DockerClient, call: Call) -> Iterator[KeptSlice | None]:
    """A slice for this call; None where its image has no `sleep` to keep one with."""
    name = f"lumirage{uuid.uuid4().hex[:16]}.slice"
    keeper = _start(client, call, name)
    try:
        yield KeptSlice(name, f"/{name}/docker-{keeper.id}.scope") if keeper else None
    finally:
        if keeper:
            with contextlib.suppress(*API_FAILURES):  # found by its label later
                remove(client, str(keeper.name))


def _start(client: docker.DockerClient, call: Call, parent: str) -> Container | None:
    """The idle container, started; it has the labels of the call's owner, who removes what a dead harness left."""
    name = f"{call.name}-keeper"
    try:
        keeper = client.containers.create(
            call.image,
            ["infinity"],
            entrypoint=["sleep"],
            name=name,
            labels={OWNER_LABEL: call.owner, CALL_LABEL: name},
            cgroup_parent=parent,
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            user=f"{NOBODY}:{NOBODY}",
            pids_limit=4,
            mem_limit=MEMORY_BYTES,
            log_config=LogConfig(type="none"),
            healthcheck={"test": ["NONE"]},
        )
    except API_FAILURES:
        return None
    try:
        keeper.start()
    except API_FAILURES:
        with contextlib.suppress(*API_FAILURES):
            remove(client, name)
        return None
    return keeper


class SliceGroup(ParentGroup):
    """The group of one call in a slice that is kept: exact after the end, less what the idle container used."""

    def __init__(self, hierarchy: Hierarchy, kept: KeptSlice, container: str):
        super().__init__(hierarchy, f"/{kept.name}", f"docker-{container}.scope")
        self._kept = kept
        self.cpu_how = f"cgroup v{hierarchy.version}, slice of its own, exact"

    def totals(self) -> Totals:
        """See Source."""
        found = super().totals()
        try:
            with contextlib.closing(self._hierarchy.group(self._kept.keeper)) as keeper:
                idle = keeper.totals().cpu_s
        except OSError:
            idle = None
        if found.cpu_s is None or idle is None:
            return Totals(None, found.watermark_bytes, found.oom_kills, found.why_not or "its idle container is gone")
        return Totals(found.cpu_s - idle, found.watermark_bytes, found.oom_kills, found.why_not)

    def close(self) -> None:
        """Close; systemd removes the slice when the idle container is gone."""
        if self._own:
            self._own.close()

"""Docker from within a container that has the engine's socket: method containers run beside the harness, not in it.

The engine knows only paths of the host, so a folder that is mounted for a method must lie in a mount of the harness's
own container.
"""

import contextlib
import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import docker
from docker.models.containers import Container

from lumirage.core.errors import EngineError, UnavailableError
from lumirage.running.measurement import Source
from lumirage.running.runtimes.docker import DockerRuntime
from lumirage.running.runtimes.docker_slices import Slice
from lumirage.running.runtimes.docker_state import API_FAILURES, reason
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Watch

MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
MOUNTS = Path("/proc/self/mountinfo")


def docker_runtime() -> DockerRuntime:
    """The runtime docker, as it must work where we are: on the host, or in a container beside those it starts."""
    return SiblingDocker() if any(mark.exists() for mark in MARKS) else DockerRuntime()


class SiblingDocker(DockerRuntime):
    """Docker with the paths of mounts translated to the host's."""

    @property
    def mounts_ours_only(self) -> bool:  # type: ignore[override]  # asked of the engine, where others know it
        """See Runtime."""
        return self._mounts is not None

    @cached_property
    def _mounts(self) -> Mapping[str, str] | None:
        """Where our own container's mounts come from: folder here -> folder of the host. None where the engine does not
        know our container: then it is an engine within it, whose paths are ours."""
        identity = own_identity(MOUNTS.read_text()) or socket.gethostname()
        try:
            with contextlib.closing(self._client()) as client:
                found: list[dict[str, Any]] = client.api.inspect_container(identity)["Mounts"]
        except docker.errors.NotFound:
            return None
        except API_FAILURES as error:
            raise EngineError(f"cannot ask for the harness' own container: {reason(error)}") from error
        return {mount["Destination"]: mount["Source"] for mount in found if mount.get("Source")}

    def run(self, call: Call, watch: Watch) -> CallResult:
        """See Runtime."""
        known = self._mounts
        if known is None:
            return super().run(call, watch)
        mounts = tuple(replace(one, source=Path(translated(str(one.source.resolve()), known))) for one in call.mounts)
        return super().run(replace(call, mounts=mounts), watch)

    def _slice(self) -> contextlib.AbstractContextManager[Slice | None]:
        """None beside the engine: what it counts could not be read."""
        return super()._slice() if self._mounts is None else contextlib.nullcontext()

    def _source(self, call: Call, container: Container, pid: int, slot: Slice | None) -> Source | None:
        """None beside the engine: process numbers and control groups here are not those of the host."""
        return super()._source(call, container, pid, slot) if self._mounts is None else None


def own_identity(mountinfo: str) -> str | None:
    """Our container's id, from where its /etc/hostname comes from; None where that does not tell."""
    found = re.search(r"/([0-9a-f]{64})/(?:userdata/)?hostname /etc/hostname ", mountinfo)
    return found[1] if found else None


def translated(path: str, mounts: Mapping[str, str]) -> str:
    """The host's name of a path here. Raises UnavailableError for one that lies in no mount."""
    here = PurePosixPath(path)
    for place in (here, *here.parents):
        if str(place) in mounts:
            return str(PurePosixPath(mounts[str(place)]) / here.relative_to(place))
    raise UnavailableError(
        f"{path} is not on the host: the engine's socket is here, but the folder is in no mount of this container. "
        "Start it with -v FOLDER:FOLDER for BIDS_DIR, OUT and, with -w, the work folder; weights need the cache "
        "mounted at /cache"
    )

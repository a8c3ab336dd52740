"""Starts methods as hardened containers, through Docker's API; podman answers on the same API by its socket."""

import contextlib
import io
import os
import tarfile
import threading
from functools import cached_property
from typing import Any

import docker
from docker.models.containers import Container

from lumirage.core.engine_hints import engine_hint
from lumirage.core.errors import EngineError, UnavailableError
from lumirage.running.control_groups import Hierarchy
from lumirage.running.measurement import Meter, Source
from lumirage.running.resource_leases import Leases
from lumirage.running.runtimes.docker_options import Engine, docker_options, isolation, parent_group
from lumirage.running.runtimes.docker_slices import Slice, Slices
from lumirage.running.runtimes.docker_state import (
    API_FAILURES,
    create,
    end_of,
    engine_failures,
    hopeless,
    image_volumes,
    labelled,
    printed,
    reason,
    refuse_disturbed,
    remove,
    start,
)
from lumirage.running.runtimes.engine_probe import probed
from lumirage.running.runtimes.runtime_interface import OWNER_LABEL, Call, CallResult, Feature, Image, Mount, Watch
from lumirage.running.supervision import pump, supervise
from lumirage.running.usage_sources import LiveGroup, ParentGroup, SliceGroup, container_tree

CARD = "/method/method.yaml"
LOG_DRAINED_WITHIN_S = 20.0
PATIENCE_S = 600
"""podman copies an image, with the user's ids, before the first container of a rootless user: minutes for a large one."""
NO_GROUPS = "the engine's control groups are not readable here"


class DockerRuntime:
    """Docker, or podman through its socket. `keep` leaves ended containers for inspection."""

    name = "docker"
    isolated = True
    mounts_ours_only = False

    def __init__(self, *, keep: bool = False):
        self._keep = keep
        self._left_behind: set[str] = set()

    def _client(self, timeout_s: int = 60) -> docker.DockerClient:
        try:
            return docker.from_env(timeout=timeout_s, version="auto")
        except API_FAILURES as error:
            raise EngineError(f"no container engine answers: {reason(error)}") from error

    def check(self) -> None:
        """See Runtime."""
        hint = f"{engine_hint(os.environ)}, or choose --runtime local"
        try:
            with contextlib.closing(self._client(10)) as client:
                client.ping()
        except EngineError as error:
            raise UnavailableError(f"{error}; {hint}") from error
        except API_FAILURES as error:
            raise UnavailableError(f"no container engine answers: {reason(error)}; {hint}") from error

    @cached_property
    def _hierarchy(self) -> Hierarchy:
        return Hierarchy.found()

    @cached_property
    def _slices(self) -> Slices:
        return Slices(self._hierarchy, Leases("lumirage slices"))

    @cached_property
    def engine(self) -> Engine:
        """What answers, asked once."""
        with contextlib.closing(self._client()) as client, engine_failures("ask the engine what it is"):
            return probed(client, self._hierarchy)

    def resolve(self, reference: str) -> Image:
        """See Runtime. The digest is the image's id, the hash of its configuration and layers."""
        with contextlib.closing(self._client()) as client:
            try:
                image = client.images.get(reference)
            except docker.errors.ImageNotFound as error:
                raise UnavailableError(
                    f"image {reference} is not on this machine; build it with `lumirage-harness methods build`, "
                    "or pull it"
                ) from error
            except API_FAILURES as error:
                raise EngineError(f"cannot ask for image {reference}: {reason(error)}") from error
        return Image(str(image.id), str(image.id))

    def prepare(self, image: str) -> None:
        """An image that is there is ready."""
        self.resolve(image)

    def gpu_refusal(self) -> str:
        """See Runtime."""
        return self.engine.gpu_refusal

    def card(self, image: str) -> bytes:
        """See Runtime. Read from a container that is made and never started."""
        with contextlib.closing(self._client()) as client:
            try:
                container = client.containers.create(image, ["nothing"], network_mode="none")
                try:
                    chunks, _ = container.get_archive(CARD)
                    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                        member = archive.extractfile(CARD.rsplit("/", 1)[1])
                        text = member.read() if member else None
                finally:
                    container.remove(force=True, v=True)
            except docker.errors.NotFound as error:
                raise UnavailableError(f"{image}: no such image, or it has no card {CARD}") from error
            except API_FAILURES as error:
                raise EngineError(f"cannot read {CARD} of {image}: {reason(error)}") from error
        if text is None:
            raise UnavailableError(f"{image}: {CARD} is not a file")
        return text

    def sees(self, mount: Mount) -> str:
        """See Runtime."""
        return mount.target

    def features(self) -> tuple[Feature, ...]:
        """See Runtime."""
        return self.engine.features

    def isolation(self) -> dict[str, str]:
        """See Runtime. What the options ask for and the engine says that it can; `lumirage-harness doctor` tries it."""
        return isolation(self.engine)

    def run(self, call: Call, watch: Watch) -> CallResult:
        """See Runtime."""
        engine = self.engine
        if call.gpus and engine.podman:
            raise UnavailableError(engine.gpu_refusal)
        with contextlib.closing(self._client(PATIENCE_S if engine.podman else 60)) as client, self._slice() as slot:
            self._sweep(client)
            parent = slot.name if slot else None
            container = self._create(client, docker_options(call, engine, image_volumes(client, call.image), parent))
            try:
                return self._watch(client, container, call, watch, slot)
            finally:
                if not self._keep:
                    self._remove(client, container)

    def _slice(self) -> contextlib.AbstractContextManager[Slice | None]:
        """A slice for one call, where calls are measured in slices."""
        return self._slices.one() if self.engine.slices else contextlib.nullcontext()

    def _watch(
        self, client: docker.DockerClient, container: Container, call: Call, watch: Watch, slot: Slice | None
    ) -> CallResult:
        with engine_failures("start a container"):
            attached = _OutputStream(client, container, watch)
            try:
                started = start(container)
            except BaseException:
                self._remove(client, container)
                attached.close()
                raise
        meter = Meter(self._source(call, container, started.pid, slot), call.gpus, NO_GROUPS)
        try:
            running = _RunningContainer(client, container, meter)
            unlimited = "memory" in self.engine.cannot_limit
            watched = supervise(running, call, watch, started.at_s, memory_limit=unlimited)
            attached.drain()
            with engine_failures("read how a container ended"):
                end = end_of(container, started)
            refuse_disturbed(client, container, started, killed=bool(end.exit_code) and watched.stopped is None)
            return CallResult(meter.usage(watched, end), watched.timeline, watched.stopped == "interrupted")
        finally:
            if not self._keep:
                self._remove(client, container)  # before its parent group is removed
            attached.close()
            meter.close()

    def _create(self, client: docker.DockerClient, options: dict[str, Any]) -> Container:
        try:
            return create(client, options)
        except docker.errors.ImageNotFound as error:
            raise UnavailableError(f"image {options['image']} is not on this machine any more") from error
        except API_FAILURES as error:
            if why := hopeless(error):
                raise UnavailableError(f"{why} ({reason(error)})") from error
            self._left_behind.add(options["name"])  # an engine that died may have made it and not said so
            raise EngineError(f"cannot create a container: {reason(error)}") from error

    def _source(self, call: Call, container: Container, pid: int, slot: Slice | None) -> Source | None:
        if slot:
            return SliceGroup(self._hierarchy, slot.path, slot.before, f"docker-{container.id}.scope")
        if parent := parent_group(call, self.engine):
            return ParentGroup(self._hierarchy, parent, str(container.id))
        try:
            path = self._hierarchy.path_of(pid)
            return LiveGroup(self._hierarchy, path) if str(container.id) in path else container_tree(pid)
        except OSError:
            return None

    def _remove(self, client: docker.DockerClient, container: Container) -> None:
        """Remove, or remember to: an engine that is down must not hide why the call failed."""
        try:
            remove(client, str(container.name))
        except API_FAILURES:
            self._left_behind.add(str(container.name))

    def _sweep(self, client: docker.DockerClient) -> None:
        for name in sorted(self._left_behind):
            with engine_failures("remove a container"):
                remove(client, name)
            self._left_behind.discard(name)

    def remove_stale(self, owner: str) -> int:
        """See Runtime."""
        with contextlib.closing(self._client()) as client, engine_failures("remove stale containers"):
            names = labelled(client, f"{OWNER_LABEL}={owner}")
            for name in sorted(names):
                remove(client, name)
        if self.engine.cgroup_parent:
            self._hierarchy.remove_empty(self.engine.cgroup_parent, f"{owner}-")
        return len(names)


class _OutputStream:
    """The output of a container, read by a thread from before its start to its end."""

    def __init__(self, client: docker.DockerClient, container: Container, watch: Watch):
        self._socket: Any = client.api.attach_socket(str(container.id))  # a raw socket; the stubs know no type
        self._reader = pump(printed(self._socket), watch)

    def drain(self) -> None:
        """Wait until all that was printed is read."""
        self._reader.join(LOG_DRAINED_WITHIN_S)

    def close(self) -> None:
        """Close the stream and its socket; the SDK's own `close` leaves the descriptor to the garbage collector.

        The engine ends the stream once the container is removed, so the reading thread ends too.
        """
        self.drain()
        self._socket._response.close()
        self._socket.close()


class _RunningContainer:
    """A running container, for `supervise`. A thread waits for its end: `wait(timeout=)` of the SDK gives up for good."""

    def __init__(self, client: docker.DockerClient, container: Container, meter: Meter):
        self._container, self._meter = container, meter
        self._over = threading.Event()
        self._failure: Exception | None = None
        self._client = client
        threading.Thread(target=self._wait, name="lumirage-wait", daemon=True).start()

    def _wait(self) -> None:
        try:
            self._client.api.wait(str(self._container.id), timeout=None)
        except API_FAILURES as error:
            self._failure = error
        finally:
            self._over.set()

    def ended(self, within_s: float) -> bool:
        """See Process."""
        over = self._over.wait(within_s)
        if self._failure:
            raise EngineError(f"lost a container: {reason(self._failure)}") from self._failure
        return over

    def kill(self) -> None:
        """See Process."""
        try:
            self._container.kill("SIGKILL")
        except docker.errors.APIError as error:
            if error.status_code not in {404, 409}:  # it ended by itself meanwhile
                raise EngineError(f"cannot kill a container: {reason(error)}") from error
        except API_FAILURES as error:
            raise EngineError(f"cannot kill a container: {reason(error)}") from error

    def sample(self) -> int | None:
        """See Process."""
        return self._meter.sample()

"""Reads when a container began and ended from Docker's API, and turns its errors into ours."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import docker
import requests
import urllib3
from docker.models.containers import RUN_HOST_CONFIG_KWARGS, Container
from docker.utils.socket import SocketError, frames_iter

from lumirage.core.errors import EngineError, PausedError, UnavailableError
from lumirage.running.measurement import End
from lumirage.running.runtimes.runtime_interface import CALL_LABEL

API_FAILURES = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)


@dataclass(frozen=True)
class Started:
    """When (time.monotonic), how long the engine took for it, and the process of the entry point."""

    at_s: float
    start_s: float
    pid: int


def start(container: Container) -> Started:
    """Start it; when its entry point began. Raises UnavailableError where it asks for a GPU that the engine cannot give."""
    ordered, ordered_wall = time.monotonic(), time.time()
    try:
        container.start()
    except docker.errors.APIError as error:
        if "could not select device driver" in str(error):
            raise UnavailableError(
                "the engine gives no GPU to containers; install the NVIDIA container toolkit"
            ) from error
        raise
    took = time.monotonic() - ordered
    container.reload()
    state = container.attrs["State"]
    began = seconds(state.get("StartedAt", ""))
    start_s = took if began is None else min(max(began - ordered_wall, 0.0), took)
    return Started(ordered + start_s, start_s, int(state.get("Pid") or 0))


def printed(attached: Any) -> Iterator[bytes]:
    """What a container prints, from the raw socket attached to it. Raises OSError or ValueError where the stream breaks."""
    try:
        for _, data in frames_iter(attached, tty=False):  # type: ignore[no-untyped-call]  # no stub
            yield data
    except (SocketError, urllib3.exceptions.HTTPError) as error:  # neither is an OSError
        raise OSError(f"the stream broke: {error}") from error


def end_of(container: Container, started: Started) -> End:
    """Exit code, OOM flag and times of a container that has ended."""
    container.reload()
    state = container.attrs["State"]
    code = int(state["ExitCode"])
    begin, finish = seconds(state.get("StartedAt", "")), seconds(state.get("FinishedAt", ""))
    return End(
        exit_code=code,
        signal=code - 128 if code > 128 else None,
        oom_flag=bool(state.get("OOMKilled")),
        start_s=started.start_s,
        wall_s=finish - begin if begin is not None and finish is not None and finish >= begin else None,
    )


def create(client: docker.DockerClient, options: dict[str, Any]) -> Container:
    """Make a container of `docker_options`. The SDK knows no user namespace but the host's, which podman does."""
    namespace = options.pop("userns_mode", None)
    if namespace is None:
        return client.containers.create(**options)
    host = {name: value for name, value in options.items() if name in RUN_HOST_CONFIG_KWARGS}
    rest = {name: value for name, value in options.items() if name not in host}
    settings = client.api.create_host_config(**host)
    settings["UsernsMode"] = namespace
    return client.containers.get(client.api.create_container(host_config=settings, **rest)["Id"])


def image_volumes(client: docker.DockerClient, image: str) -> tuple[str, ...]:
    """The paths that an image declares as VOLUME. Raises UnavailableError where the image is gone, EngineError."""
    with engine_failures(f"ask for image {image}"):
        try:
            config = client.images.get(image).attrs.get("Config") or {}
        except docker.errors.ImageNotFound as error:
            raise UnavailableError(f"image {image} is not on this machine any more") from error
    return tuple(sorted(config.get("Volumes") or ()))


def labelled(client: docker.DockerClient, label: str) -> set[str]:
    """Names of the calls whose containers or volumes bear this label, running or not."""
    containers = client.containers.list(all=True, ignore_removed=True, filters={"label": label})
    volumes = client.volumes.list(filters={"label": label})
    return {str(one.name) for one in containers} | {str(one.attrs["Labels"][CALL_LABEL]) for one in volumes}


def remove(client: docker.DockerClient, name: str) -> None:
    """Remove what is left of a call: its container and then its volumes, which are named and so outlive it."""
    with contextlib.suppress(docker.errors.NotFound):
        client.api.remove_container(name, force=True, v=True)
    for volume in client.volumes.list(filters={"label": f"{CALL_LABEL}={name}"}):
        with contextlib.suppress(docker.errors.NotFound):
            volume.remove(force=True)


def refuse_disturbed(client: docker.DockerClient, container: Container, started: Started, *, killed: bool) -> None:
    """Raise EngineError where somebody else had the engine kill a container of ours (`killed`, and not by us), PausedError
    where somebody had it paused."""
    if killed and _ordered(client, container, started, "kill"):
        raise EngineError("somebody stopped one of our containers through the engine")
    if _ordered(client, container, started, "pause"):
        raise PausedError("somebody paused a container of ours, so its times say nothing of the method")


def _ordered(client: docker.DockerClient, container: Container, started: Started, order: str) -> bool:
    """Whether the engine was given this order (`kill`, `pause`) about a container of ours, which a method cannot do: no
    word about the method. A kill of our own counts too. False where the engine keeps no such events."""
    now = time.time()
    since, until = f"{now - (time.monotonic() - started.at_s) - 1:.9f}", f"{now:.9f}"  # past: the engine does not wait
    asked = {"container": str(container.id), "event": order}
    try:
        with contextlib.closing(client.api.events(since, until, asked)) as events:  # type: ignore[call-overload]  # the stubs know no fractions of a second
            return any(True for _ in events)
    except API_FAILURES:
        return False


def seconds(stamp: str) -> float | None:
    """Seconds since 1970 of the engine's time stamps, which have nanoseconds; None for its year 1 (never)."""
    head, _, zone = stamp.partition("Z") if stamp.endswith("Z") else (stamp[:-6], "", stamp[-6:])
    whole, _, fraction = head.partition(".")
    try:
        when = datetime.fromisoformat(whole + (zone or "+00:00"))
    except ValueError:
        return None
    return when.timestamp() + float(f"0.{fraction or 0}") if when.year > 1 else None


@contextlib.contextmanager
def engine_failures(doing: str) -> Iterator[None]:
    """Turn what the SDK raises into EngineError: cannot <doing>, and why."""
    try:
        yield
    except API_FAILURES as error:
        raise EngineError(f"cannot {doing}: {reason(error)}") from error


HOPELESS = {
    "bind source path does not exist": "what a method is to be given is gone",
    "init binary": "podman has no init program: install catatonit",
}
"""What an engine says where trying again is no use, and what it means."""


def hopeless(error: Exception) -> str:
    """Why trying again would not help; empty where it may."""
    return next((why for words, why in HOPELESS.items() if words in str(error)), "")


def reason(error: Exception) -> str:
    """The engine's own words where it has some."""
    return str(getattr(error, "explanation", None) or error)

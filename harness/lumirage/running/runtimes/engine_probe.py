"""Asks a container engine once what it is and what it can."""

from collections.abc import Mapping
from typing import Any

import docker

from lumirage.running.control_groups import Hierarchy
from lumirage.running.runtimes import podman
from lumirage.running.runtimes.docker_options import LIMITS, Engine, cannot_limit
from lumirage.running.runtimes.runtime_interface import Feature


def probed(client: docker.DockerClient, hierarchy: Hierarchy) -> Engine:
    """The engine behind this client. Raises what the SDK raises."""
    info, version = client.info(), client.version()
    if any("Podman" in part.get("Name", "") for part in version.get("Components") or []):
        return of_podman(podman.ask(client))
    local = client.api.base_url.startswith("http+docker")
    rootless = any("rootless" in option for option in info.get("SecurityOptions") or [])
    own = local and not rootless and info.get("CgroupDriver") == "cgroupfs" and hierarchy.can_own()
    slices = local and not rootless and info.get("CgroupDriver") == "systemd" and hierarchy.is_whole
    limits = cannot_limit(info, rootless=rootless)
    return Engine(
        "/lumirage" if own else None,
        slices=slices,
        rootless=rootless,
        cannot_limit=limits,
        gives_gpus="nvidia" in (info.get("Runtimes") or {}) or bool(info.get("DiscoveredDevices")),
        features=_of_docker(info, limits, rootless=rootless),
    )


def of_podman(found: podman.Podman) -> Engine:
    """The engine that a podman is."""
    return Engine(
        podman=True,
        rootless=found.rootless,
        cannot_limit=found.cannot_limit,
        limits_cpu_time=found.limits_cpu_time,
        features=found.features(),
    )


def _of_docker(info: Mapping[str, Any], limits: frozenset[str], *, rootless: bool) -> tuple[Feature, ...]:
    """What Docker is, and a line for each limit that it says it cannot hold."""
    groups = f"control groups v{info.get('CgroupVersion', '1')} ({info.get('CgroupDriver', 'no driver')})"
    words = f"Docker {info.get('ServerVersion', 'of unknown version')}, {'rootless' if rootless else 'root'}, {groups}"
    remedy = (
        podman.DELEGATE if rootless else "start the machine with a kernel that has this controller, or swapaccount=1"
    )
    lacking = [
        Feature(name, False, f"the engine says that it has no {LIMITS[name]}; {remedy}") for name in sorted(limits)
    ]
    return (Feature("engine", True, words), *lacking)

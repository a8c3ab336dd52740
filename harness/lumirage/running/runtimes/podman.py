"""What podman says of itself on its own API, what it cannot hold here, and what to change.

Its answer to Docker's `info` does not tell the limits: podman 5.4 says there that root cannot pin CPUs and nobody can limit
swap, and both work. The controllers of control groups that its own `info` lists are right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import docker

from lumirage.running.runtimes.runtime_interface import Feature

INFO = "/v4.0.0/libpod/info"
"""podman 4 and 5 answer to this version."""
CONTROLLERS = {"memory": "memory", "swap": "memory", "processes": "pids", "cpus": "cpuset"}
"""What can be limited -> the controller of control groups, version 2, that limits it."""
NEEDED_IDS = 65536
DELEGATE = (
    "as root write the lines `[Service]` and `Delegate=cpu cpuset io memory pids` to "
    "/etc/systemd/system/user@.service.d/delegate.conf, then `systemctl daemon-reload`, and log out and in again"
)
IDS = (
    "as root `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}`, then as that user "
    "`podman system migrate`"
)
UNIFIED = "start the machine with control groups version 2 (kernel option systemd.unified_cgroup_hierarchy=1)"


@dataclass(frozen=True)
class Podman:
    """One podman. `ids` is the number of user ids that its containers have; root's have all."""

    version: str
    rootless: bool
    groups: str
    manager: str
    controllers: tuple[str, ...]
    ids: int | None

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> "Podman":
        """From the answer to `INFO`."""
        host = info["host"]
        maps = (host.get("idMappings") or {}).get("uidmap") or []
        return cls(
            version=str((info.get("version") or {}).get("Version", "of unknown version")),
            rootless=bool((host.get("security") or {}).get("rootless")),
            groups=str(host.get("cgroupVersion", "")),
            manager=str(host.get("cgroupManager", "")),
            controllers=tuple(sorted(host.get("cgroupControllers") or ())),
            ids=sum(int(one["size"]) for one in maps) if maps else None,
        )

    @property
    def cannot_limit(self) -> frozenset[str]:
        """What it cannot limit, as in `docker_options.LIMITS`. Rootless podman limits nothing on version 1."""
        if self.groups == "v1":
            return frozenset(CONTROLLERS) if self.rootless else frozenset()
        return frozenset(name for name, controller in CONTROLLERS.items() if controller not in self.controllers)

    @property
    def limits_cpu_time(self) -> bool:
        """Whether it can limit the CPU time of a container where it cannot pin it."""
        return self.groups != "v1" and "cpu" in self.controllers

    def features(self) -> tuple[Feature, ...]:
        """What it is, and a line with what to do for each thing that it lacks."""
        who = "rootless" if self.rootless else "root"
        listed = ", ".join(self.controllers) or "none"
        words = f"podman {self.version}, {who}, control groups {self.groups} ({self.manager}), controllers {listed}"
        remedy = UNIFIED if self.groups == "v1" else DELEGATE
        lacking = [
            Feature(name, False, f"podman was given no controller {CONTROLLERS[name]}; {remedy}")
            for name in sorted(self.cannot_limit)
        ]
        return (Feature("engine", True, words), *self._ids(), *lacking)

    def _ids(self) -> tuple[Feature, ...]:
        if not self.rootless or self.ids is None:
            return ()
        if self.ids < NEEDED_IDS:
            how = f"containers have {self.ids} user ids, so most images cannot be unpacked; {IDS.format(user='USER')}"
            return (Feature("user_ids", False, how),)
        return (Feature("user_ids", True, f"containers have {self.ids} user ids"),)


def ask(client: docker.DockerClient) -> Podman:
    """The podman that answers to this client. Raises what the SDK raises."""
    answer = client.api.get(f"{client.api.base_url}{INFO}", timeout=client.api.timeout)
    answer.raise_for_status()
    return Podman.read(answer.json())

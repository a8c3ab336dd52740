"""Spells one hardened container for Docker's API. Pure, and tested against a golden text."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docker.types import DeviceRequest, LogConfig, Mount, Ulimit

from lumirage.running.runtimes.runtime_interface import CALL_LABEL, OWNER_LABEL, PATHS_SHOWN, Call, Feature

TMP = "/tmp"
HELD = {
    "network": "held: none",
    "root_filesystem": "held: read-only",
    "image_volumes": "held: read-only",
    "inputs": "held: read-only",
    "capabilities": "held: none",
    "privileges": "held: no-new-privileges",
    "memory": "held: memory + swap",
    "processes": "held",
    "cpus": "held: pinned",
    "user": "held: not root",
    "output_quota": "held: sampled 4 times a second",
    "log_size": "held",
    "host_paths": PATHS_SHOWN,
}
LIMITS = {"memory": "MemoryLimit", "swap": "SwapLimit", "processes": "PidsLimit", "cpus": "CPUSet"}
"""What can be limited -> the word of the engine's `info` that says whether it can be here."""


@dataclass(frozen=True)
class Engine:
    """What the options and the record depend on, of the engine that answers."""

    cgroup_parent: str | None = None
    slices: bool = field(
        default=False, metadata={"note": "whether each call gets a slice of systemd's as its parent group"}
    )
    init: bool = True
    podman: bool = False
    rootless: bool = False
    cannot_limit: frozenset[str] = field(default=frozenset(), metadata={"note": "of LIMITS"})
    limits_cpu_time: bool = field(default=False, metadata={"note": "where it cannot pin: podman does not start then"})
    gives_gpus: bool = False
    features: tuple[Feature, ...] = ()

    @property
    def cpu_quota(self) -> bool:
        """Whether calls get the time of as many CPUs instead of these CPUs."""
        return self.podman and "cpus" in self.cannot_limit and self.limits_cpu_time

    @property
    def gpu_refusal(self) -> str:
        """By what it says of itself: a container that asks in vain does not start."""
        if self.podman:
            return "podman's socket is given no GPU by the harness; use Docker or --runtime apptainer for GPUs"
        no = "the engine gives no GPU to containers; install the NVIDIA container toolkit (or try with --device gpu)"
        return "" if self.gives_gpus else no


def cannot_limit(info: Mapping[str, Any], *, rootless: bool) -> frozenset[str]:
    """The LIMITS that an engine accepts but does not enforce, by its `info`. Limits that `info` does not mention are enforced.

    Rootless engines enforce no limits without control groups version 2.
    """
    if rootless and (info.get("CgroupVersion") == "1" or info.get("CgroupDriver") == "none"):
        return frozenset(LIMITS)
    return frozenset(name for name, word in LIMITS.items() if info.get(word) is False)


def isolation(engine: Engine) -> dict[str, str]:
    """Property -> "held", or why it is not; for the run record."""
    table = dict(HELD)
    for name in sorted(engine.cannot_limit - {"swap"}):
        table[name] = f"not held: the engine cannot limit {name}"
    if engine.podman and "memory" in engine.cannot_limit:
        table["memory"] += "; it is sampled 20 times a second and killed above its limit"
    if engine.cpu_quota:
        table["cpus"] = "not held: the engine cannot pin them; the CPU time of as many is held"
    if engine.cannot_limit & {"memory", "swap"} == {"swap"}:
        table["memory"] = "not held: the engine cannot limit swap; memory without it is held"
    return table


def docker_options(
    call: Call, engine: Engine, volumes: Sequence[str] = (), parent: str | None = None
) -> dict[str, Any]:
    """Arguments of `containers.create` for one isolated container. Starts nothing.

    `volumes` are the paths that the image declares as VOLUME. `parent` is the control group above the
    container's where `engine` does not tell it.
    """
    limits, memory = call.limits, call.limits.memory_bytes
    labels = {OWNER_LABEL: call.owner, CALL_LABEL: call.name}
    mounts = [Mount(m.target, str(m.source), type="bind", read_only=m.readonly) for m in call.mounts]
    options: dict[str, Any] = {
        "image": call.image,
        "command": list(call.arguments),
        "name": call.name,
        "labels": labels,
        "environment": dict(sorted(call.environment.items())),
        "mounts": mounts + _readonly_volumes(call, volumes, labels),
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": limits.pids,
        "mem_limit": memory,
        "memswap_limit": memory,
        "shm_size": max(memory // 2, 2**20),
        "tmpfs": {TMP: f"rw,exec,nosuid,nodev,mode=1777,size={memory}"},
        "init": engine.init,
        "log_config": LogConfig(type="none"),
        "ipc_mode": "private",
        "hostname": "method",
        "healthcheck": {"test": ["NONE"]},  # the image's own would run programs that nobody measures
    }
    if call.cpus and engine.cpu_quota:
        options["nano_cpus"] = len(call.cpus) * 10**9
    elif call.cpus and not (engine.podman and "cpus" in engine.cannot_limit):
        options["cpuset_cpus"] = ",".join(map(str, call.cpus))
    if call.user:
        options["user"] = f"{call.user[0]}:{call.user[1]}"
    if call.entrypoint:
        options["entrypoint"] = list(call.entrypoint)
    if call.gpus:
        wanted = [["gpu", "compute", "utility"]]
        options["device_requests"] = [DeviceRequest(device_ids=list(call.gpus), capabilities=wanted)]
    if parent := parent or parent_group(call, engine):
        options["cgroup_parent"] = parent
    if engine.podman:
        options["ulimits"] = []  # podman's own defaults are above what a rootless user may set
        if engine.rootless:
            options["userns_mode"] = "keep-id"
    else:
        options["ulimits"] = [Ulimit(name="core", soft=0, hard=0)]
    return options


def _readonly_volumes(call: Call, volumes: Sequence[str], labels: dict[str, str]) -> list[Mount]:
    """A read-only volume for each one that the image declares; the engine copies the image's content into it.

    By default the engine makes a writable volume, in spite of the read-only root, which grows on the host's disk without
    a limit. An anonymous volume cannot be read-only, so these have names, and are removed by their label.
    """
    ours = {TMP, *(mount.target for mount in call.mounts)}
    paths = sorted({posixpath.normpath(path) for path in volumes} - ours)
    return [
        Mount(path, f"{call.name}-{number}", type="volume", read_only=True, labels=labels)
        for number, path in enumerate(paths)
    ]


def parent_group(call: Call, engine: Engine) -> str | None:
    """The control group above the call's own, which is read after the call has ended.

    Its name begins with the owner, as only the owner may remove leftovers of a killed harness: an empty group may also be
    one whose container has just ended and that is about to be read.
    """
    return f"{engine.cgroup_parent}/{call.owner}-{call.name}" if engine.cgroup_parent else None

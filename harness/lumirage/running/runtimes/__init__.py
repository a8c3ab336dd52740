"""What starts methods: docker (or podman through its socket), apptainer and local. `choose` gives one by name."""

from collections.abc import Callable
from pathlib import Path

from lumirage.core.errors import UnavailableError, UsageError, nearest
from lumirage.running.runtimes.apptainer import ApptainerRuntime
from lumirage.running.runtimes.docker_siblings import docker_runtime
from lumirage.running.runtimes.local import LocalRuntime
from lumirage.running.runtimes.runtime_interface import Runtime

AUTO = "auto"
RUNTIMES: dict[str, Callable[[Path | None], Runtime]] = {
    "docker": lambda _: docker_runtime(),
    "apptainer": lambda _: ApptainerRuntime(),
    "local": lambda cache: LocalRuntime(cache=cache),
}
"""Name -> how it is made, given the cache folder (None: the user's). In the order in which `auto` tries them."""


def choose(name: str, cache: Path | None = None) -> tuple[Runtime, list[str]]:
    """A working runtime of that name, and why the ones that `auto` tried before do not work.

    Raises UsageError for an unknown name, UnavailableError if the runtime does not work.
    """
    if name != AUTO:
        if name not in RUNTIMES:
            raise UsageError(f"unknown runtime '{name}'{nearest(name, [*RUNTIMES, AUTO])}")
        runtime = RUNTIMES[name](cache)
        runtime.check()
        return runtime, []
    refused: list[str] = []
    for make in RUNTIMES.values():
        runtime = make(cache)
        try:
            runtime.check()
        except UnavailableError as error:
            refused.append(f"{runtime.name}: {error}")
        else:
            return runtime, refused
    raise UnavailableError("no runtime works here:\n" + "\n".join(refused))

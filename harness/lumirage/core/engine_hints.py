"""What to do where no container engine answers, by what is installed and set here."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

START = "start Docker (or podman's socket, with DOCKER_HOST)"
RUN = Path("/run")


def engine_hint(
    environment: Mapping[str, str],
    *,
    uid: int | None = None,
    run: Path = RUN,
    which: Callable[[str], str | None] = shutil.which,
) -> str:
    """How to get an engine that answers: where podman is installed and Docker is not, the two commands for its socket."""
    asked = environment.get("DOCKER_HOST", "")
    uid = (os.getuid() if hasattr(os, "getuid") else 0) if uid is None else uid
    enable = f"systemctl {'' if uid == 0 else '--user '}enable --now podman.socket"
    if "podman" in asked:
        return f"DOCKER_HOST is {asked}; start podman's socket with `{enable}`"
    if asked:
        return f"DOCKER_HOST is {asked}; start the engine there, or unset DOCKER_HOST"
    if which("podman") and not which("dockerd"):
        socket = (run if uid == 0 else run / "user" / str(uid)) / "podman" / "podman.sock"
        export = f"export DOCKER_HOST=unix://{socket}"
        return f"podman is installed: `{export}`" if socket.exists() else f"podman is installed: `{enable} && {export}`"
    return START

"""A machine with two GPUs that has none, and an engine that gives them to containers."""

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import HARNESS, Command
from tests.gpu.rig import Rig, build

HOOK = "nvidia-container-runtime-hook"
"""What Docker looks for on its PATH: with it, it takes device requests, and calls it before a container starts."""


@pytest.fixture
def harness() -> Command:
    """Run a command; gives its exit code and what it printed."""

    def run(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        argv = [*HARNESS, *map(str, words)]
        settings = {**os.environ, **variables}
        return subprocess.run(argv, capture_output=True, text=True, timeout=300, env=settings, check=False)

    return run


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    try:
        return build(tmp_path / "driver")
    except RuntimeError as error:
        if os.environ.get("LUMIRAGE_REQUIRE_ENGINE") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def gpu_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a second Docker engine, of these tests alone, that accepts device requests."""
    if not shutil.which("dockerd") or os.geteuid():
        if os.environ.get("LUMIRAGE_REQUIRE_ENGINE") == "1":
            raise RuntimeError("dockerd and root are wanted, and LUMIRAGE_REQUIRE_ENGINE=1 asks for them")
        pytest.skip("a second Docker engine needs dockerd and root")
    hooks = tmp_path_factory.mktemp("hook")
    (hooks / HOOK).write_text("#!/bin/sh\ncat >/dev/null\n")
    (hooks / HOOK).chmod(stat.S_IRWXU)
    with tempfile.TemporaryDirectory(prefix="gpu-engine-") as folder:  # a socket's path must be short
        # in a network of its own: an engine without a bridge removes docker0, which the other engine needs
        words = [
            "unshare",
            "--net",
            "dockerd",
            "-H",
            f"unix://{folder}/sock",
            "--data-root",
            f"{folder}/data",
            "--exec-root",
            f"{folder}/exec",
        ]
        words += ["--pidfile", f"{folder}/pid", "--bridge", "none", "--iptables=false", "--ip-forward=false"]
        with (hooks / "log").open("wb") as log:
            daemon = subprocess.Popen(
                words, stdout=log, stderr=log, env={**os.environ, "PATH": f"{hooks}{os.pathsep}{os.environ['PATH']}"}
            )
        try:
            _wait_for(f"unix://{folder}/sock", hooks / "log")
            yield f"unix://{folder}/sock"
        finally:
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            daemon.kill()


def _wait_for(address: str, log: Path, timeout_s: float = 60) -> None:
    until = time.monotonic() + timeout_s
    while subprocess.run(["docker", "-H", address, "info"], capture_output=True, check=False).returncode:
        if time.monotonic() > until:
            raise TimeoutError(f"the second engine does not answer: {log.read_text()[-2000:]}")
        time.sleep(0.2)


@pytest.fixture(scope="module")
def gpu_image(gpu_engine: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A method's image in that engine, made of the script of the container tests."""
    context, tag = tmp_path_factory.mktemp("image"), "lumirage-test:gpu"
    base = os.environ.get("LUMIRAGE_BASE_IMAGE", "python:3.11-slim-bookworm")
    script = Path(__file__).parents[1] / "containers" / "hostile_method.py"
    (context / "run.py").write_bytes(script.read_bytes())
    (context / "Dockerfile").write_text(
        f'FROM {base}\nCOPY run.py method.yaml /method/\nENTRYPOINT ["python", "/method/run.py"]\n'
    )
    (context / "method.yaml").write_text("name: tiny\n")
    with subprocess.Popen(["docker", "save", base], stdout=subprocess.PIPE) as saved:
        subprocess.run(["docker", "-H", gpu_engine, "load"], stdin=saved.stdout, check=True, capture_output=True)
    subprocess.run(["docker", "-H", gpu_engine, "build", "-q", "--network", "none", "-t", tag, context], check=True)
    return tag

"""The harness' own image as a BIDS App: with the engine's socket it starts methods beside itself."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from tests.containers.conftest import BASE

from lumirage.datasets.phantom import PhantomSpec, make_phantom
from lumirage.flow.method_setup.install import build_settings
from lumirage.methods.image_build import build_method
from lumirage.planning.method_cards import find_method
from lumirage.running.runtimes.runtime_interface import Runtime

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
SOCKET = Path("/var/run/docker.sock")
USER = 65534


@pytest.fixture(scope="module")
def harness_image(docker_runtime: Runtime) -> Iterator[str]:
    """Built as the README says, but from the local base image; pip's own settings are those of this machine."""
    tag = f"lumirage-test:harness-{uuid.uuid4().hex[:8]}"
    arguments = build_settings(os.environ).arguments
    words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    context = [
        "-f",
        "Dockerfile.harness",
        "--build-arg",
        f"BASE_IMAGE={BASE}",
        "--network",
        "host",
        *words,
        "-t",
        tag,
        ".",
    ]
    subprocess.run(["docker", "build", "-q", *context], cwd=ROOT, check=True, timeout=1200, stdout=subprocess.DEVNULL)
    yield tag
    client = docker.from_env()
    client.images.remove(tag, force=True)
    client.close()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small dataset, and an output folder that the container's user may write."""
    folder = tmp_path_factory.mktemp("app")
    make_phantom(folder / "bids", PhantomSpec(subjects=3, spacing_mm=6.0, contrasts=("T1w",), seed=1))
    (folder / "out").mkdir()
    if os.geteuid() == 0:
        os.chown(folder / "out", USER, USER)
    return folder / "bids", folder / "out"


def app(image: str, places: tuple[Path, Path], *words: str, socket: bool = True, out: str = "/out"):
    bids, results = places
    user = USER if os.geteuid() == 0 else os.getuid()
    options = ["-u", f"{user}:{user}", "-e", f"LUMIRAGE_BASE_IMAGE={BASE}", "--network", "none"]
    options += ["-v", f"{bids}:/bids:ro", "-v", f"{results}:/out"]
    if socket:
        options += ["-v", f"{SOCKET}:{SOCKET}", "--group-add", str(SOCKET.stat().st_gid)]
    command = ["docker", "run", "--rm", *options, image, "/bids", out, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_participant_then_group(harness_image: str, places: tuple[Path, Path]) -> None:
    source = find_method("zero-displacement")
    assert source.folder is not None
    build_method(
        source.folder, source.card, build_settings({**os.environ, "LUMIRAGE_BASE_IMAGE": BASE}), lambda _: None
    )
    options = ("--method", "zero-displacement", "--track", "phantom")
    done = app(harness_image, places, "participant", "--participant-label", "01", "02", *options)
    assert done.returncode == 0, done.stderr
    assert "runtime: docker" in done.stderr
    records = list(places[1].rglob("*_run.json"))
    assert len(records) == 2
    done = app(harness_image, places, "group", socket=False)
    assert done.returncode == 0, done.stderr
    assert (places[1] / "report" / "index.html").is_file()


def test_an_out_that_the_host_does_not_know_is_explained(harness_image: str, places: tuple[Path, Path]) -> None:
    options = ("--method", "zero-displacement", "--track", "phantom", "--participant-label", "01")
    done = app(harness_image, places, "participant", *options, out="/tmp/elsewhere")
    assert done.returncode == 69
    assert "is not on the host" in done.stderr
    assert "-v FOLDER:FOLDER" in done.stderr


def test_without_the_socket_it_plans(harness_image: str, places: tuple[Path, Path]) -> None:
    done = app(
        harness_image,
        places,
        "participant",
        "-m",
        "oracle",
        "--track",
        "phantom",
        "--runtime",
        "local",
        "--dry-run",
        socket=False,
    )
    assert done.returncode == 0, done.stderr
    assert " to do in " in done.stdout
    assert "oracle" in done.stdout


def test_nothing_of_the_tree_belongs_to_root(places: tuple[Path, Path]) -> None:
    assert places[1].exists()
    if os.geteuid() == 0:
        assert {path.stat().st_uid for path in places[1].rglob("*")} <= {USER}
    shutil.rmtree(places[1] / "work", ignore_errors=True)

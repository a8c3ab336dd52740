"""Real engines. A machine without one skips these tests, visibly; with LUMIRAGE_REQUIRE_ENGINE=1 they fail instead."""

import io
import os
import sys
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "running"))

from running_world import World
from time_limits import slowness

from lumirage.core.errors import UnavailableError
from lumirage.running.runtimes import RUNTIMES
from lumirage.running.runtimes.runtime_interface import Runtime

BASE = os.environ.get("LUMIRAGE_BASE_IMAGE", "lumirage/base:bookworm")
SCRIPT = Path(__file__).parent / "hostile_method.py"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, slowness())


@pytest.fixture(scope="session", params=sorted(RUNTIMES))
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return working(request.param, tmp_path_factory)


@pytest.fixture(scope="session")
def docker_runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return working("docker", tmp_path_factory)


def working(name: str, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    made = RUNTIMES[name](cache_of(tmp_path_factory))
    try:
        made.check()
    except UnavailableError as error:
        if os.environ.get("LUMIRAGE_REQUIRE_ENGINE") == "1":
            raise
        pytest.skip(f"{name}: {error}")
    return made


def remove_images(repository: str) -> None:
    """Remove an image under all its tags; nothing where there is none."""
    client = docker.from_env()
    for tag in [tag for image in client.images.list(repository) for tag in image.tags]:
        if tag.startswith(f"{repository}:"):
            client.images.remove(tag, force=True)
    client.close()


def cache_of(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: a virtual environment is made once."""
    return tmp_path_factory.getbasetemp() / "cache"


@pytest.fixture(scope="session")
def docker_image() -> Iterator[str]:
    """An image made of the script here, and removed afterwards."""
    dockerfile = f'FROM {BASE}\nCOPY run.py method.yaml /method/\nENTRYPOINT ["python", "/method/run.py"]\n'
    with built(dockerfile, {"run.py": SCRIPT.read_bytes(), "method.yaml": b"name: tiny\n"}) as tag:
        yield tag


@pytest.fixture(scope="session")
def empty_image() -> Iterator[str]:
    """An image that holds a card and cannot run: what is only moved and converted need not be large."""
    with built("FROM scratch\nCOPY method.yaml /method/\nWORKDIR /method\n", {"method.yaml": b"name: tiny\n"}) as tag:
        yield tag


@contextmanager
def built(dockerfile: str, files: dict[str, bytes]) -> Iterator[str]:
    client = docker.from_env()
    tag = f"lumirage-test:{uuid.uuid4().hex[:8]}"
    context = archive({"Dockerfile": dockerfile.encode(), **files})
    client.images.build(fileobj=context, custom_context=True, tag=tag, rm=True, network_mode="none")
    yield tag
    client.images.remove(tag, force=True)
    client.close()


@pytest.fixture(scope="session")
def sif(docker_image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same image as a SIF, converted once for all processes that test: it takes as long as many tests."""
    from lumirage.methods.sif_conversion import from_engine, make_sif

    source = from_engine(docker_image)
    assert source is not None
    assert source.digest is not None
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sif"
    return str(make_sif(sif_name(source.digest), source, folder=folder))


def sif_name(digest: str) -> str:
    """Of the image with this id, whatever each of the processes calls it."""
    return f"lumirage-test:{digest.partition(':')[2][:12]}"


def archive(files: dict[str, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    packed.seek(0)
    return packed


@pytest.fixture(scope="session")
def image(runtime: Runtime, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the runtime at hand starts."""
    if runtime.name == "docker":
        return str(request.getfixturevalue("docker_image"))
    if runtime.name == "apptainer":
        return str(request.getfixturevalue("sif"))
    folder = tmp_path_factory.mktemp("method")
    (folder / "run.py").write_bytes(SCRIPT.read_bytes())
    (folder / "method.yaml").write_text("name: tiny\n")
    return str(folder)

"""Images for sites without an engine, from the command line: built, brought as an archive, pulled, fetched beforehand."""

import hashlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from tests.containers.conftest import remove_images, working
from tests.containers.small_registry import registry

from lumirage.core.model import Method
from lumirage.core.records import read_yaml
from lumirage.core.sif_store import find_sif, record_of
from lumirage.datasets.phantom import PhantomSpec, make_phantom
from lumirage.methods.image_build import image_name

Command = Callable[..., subprocess.CompletedProcess[str]]
TRACK = "name: small\npairing: {scheme: all}\nprepare: {affine: none}\nlimits: {memory_bytes: 268435456}\n"
CARD = """name: brought
version: '1'
summary: for tests
kind: reference
image: {address}/tiny:1
weights:
  - {{file: w.bin, url: "http://{address}/w.bin", sha256: {digest}, bytes: 7, licence: none}}
"""
TRAINED = b"trained"


@pytest.fixture
def site(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of a user on a cluster; what lies in the folders is theirs alone."""
    working("apptainer", tmp_path_factory)
    folders = {
        "APPTAINER_CACHEDIR": "site-cache",
        "APPTAINER_TMPDIR": "node-disk",
        "XDG_CACHE_HOME": "cache",
        "TMPDIR": "tmp",
    }
    for folder in folders.values():
        (tmp_path / folder).mkdir()
    return {name: str(tmp_path / folder) for name, folder in folders.items()} | {"APPTAINER_NOHTTPS": "1"}


@pytest.fixture
def harness(site: dict[str, str]) -> Command:
    def run(*words: object, **more: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "lumirage.cli", *map(str, words)]
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=600, check=False, env=os.environ | site | more
        )

    return run


@pytest.fixture
def served(empty_image: str, tmp_path: Path) -> Iterator[str]:
    """A registry with the test image and trained weights; what the engine pulled from it is removed."""
    with registry(empty_image, "tiny", tmp_path, {"w.bin": TRAINED}) as address:
        yield address
        client = docker.from_env()
        if client.images.list(f"{address}/tiny:1"):
            client.images.remove(f"{address}/tiny:1")
        client.close()
        remove_images("lumirage/brought")


def method(folder: Path, card: str) -> Path:
    folder.mkdir()
    (folder / "method.yaml").write_text(card)
    return folder


def name_of(folder: Path) -> str:
    return image_name(folder, read_yaml(folder / "method.yaml", Method))


def identity(image: str) -> str:
    client = docker.from_env()
    found = str(client.images.get(image).id)
    client.close()
    return found


def test_a_pulled_image_is_the_one_that_the_engine_has(
    harness: Command, site: dict[str, str], served: str, empty_image: str, tmp_path: Path
) -> None:
    folder = method(tmp_path / "brought", "name: brought\nversion: '1'\nsummary: x\nkind: reference\n")
    refused = harness("methods", "pull", folder, "--sif")
    assert refused.returncode == 2
    assert "published nowhere" in refused.stderr
    pulled = harness("methods", "pull", folder, "--sif", "--image", f"{served}/tiny:1")
    assert pulled.returncode == 0, pulled.stderr
    cache = Path(site["APPTAINER_CACHEDIR"])
    sif = find_sif(name_of(folder), cache / "lumirage")
    assert sif is not None
    record = record_of(sif)
    assert record is not None
    assert record.digest == identity(empty_image)
    assert compression(sif) == "zstd"
    assert {path.name for path in cache.iterdir()} == {"lumirage"}, "nothing else is left in the site's cache"
    assert [*Path(site["APPTAINER_TMPDIR"]).iterdir(), *Path(site["TMPDIR"]).iterdir()] == []
    to_engine = harness("methods", "pull", folder, "--image", f"{served}/tiny:1")
    assert to_engine.returncode == 0, to_engine.stderr
    assert identity(name_of(folder)) == identity(empty_image)


def compression(sif: Path) -> str:
    """Of the squashfs in a SIF file, by its superblock."""
    data = sif.read_bytes()
    return {1: "gzip", 6: "zstd"}[struct.unpack_from("<H", data, data.index(b"hsqs") + 20)[0]]


def test_a_registry_that_does_not_answer_is_said(harness: Command, tmp_path: Path) -> None:
    folder = method(tmp_path / "brought", "name: brought\nversion: '1'\nsummary: x\nkind: reference\n")
    for words in ((), ("--sif",)):
        done = harness("methods", "pull", folder, *words, "--image", "127.0.0.1:9/tiny:1")
        assert done.returncode == 69
        assert "127.0.0.1:9/tiny" in done.stderr


def test_an_archive_becomes_a_sif_where_no_engine_is(
    harness: Command, site: dict[str, str], empty_image: str, tmp_path: Path
) -> None:
    archive = tmp_path / "image.tar"
    make_phantom(tmp_path / "bids", PhantomSpec(subjects=2, spacing_mm=6.0, contrasts=("T1w",), seed=1))
    (tmp_path / "small.yaml").write_text(TRACK)
    subprocess.run(["docker", "save", empty_image, "-o", str(archive)], check=True)
    folder = method(tmp_path / "brought", "name: brought\nversion: '1'\nsummary: x\nkind: reference\n")
    (folder / "Dockerfile").write_text("FROM an-image-that-is-nowhere\n")
    words = ("methods", "build", folder, "--from-archive", archive)
    assert "add --sif" in harness(*words).stderr
    done = harness(*words, "--sif", DOCKER_HOST="tcp://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    sif = find_sif(name_of(folder), Path(site["APPTAINER_CACHEDIR"]) / "lumirage")
    record = record_of(sif) if sif else None
    assert record is not None
    assert record.digest == identity(empty_image)
    order = ("run", "-m", folder, "-t", tmp_path / "small.yaml", "--runtime", "apptainer", "--dry-run")
    planned = harness(*order, tmp_path / "bids", tmp_path / "out")
    assert planned.returncode == 0, "what was brought is taken, though an engine that could build answers"


def test_what_was_fetched_beforehand_runs_without_network_and_engine(
    harness: Command, docker_image: str, tmp_path: Path
) -> None:
    make_phantom(tmp_path / "bids", PhantomSpec(subjects=2, spacing_mm=6.0, contrasts=("T1w",), seed=1))
    (tmp_path / "small.yaml").write_text(TRACK)
    alone = {"DOCKER_HOST": "tcp://127.0.0.1:9"}
    with registry(docker_image, "tiny", tmp_path, {"w.bin": TRAINED}) as address:
        digest = hashlib.sha256(TRAINED).hexdigest()
        folder = method(tmp_path / "brought", CARD.format(address=address, digest=digest))
        order = ("run", "-m", folder, "-t", tmp_path / "small.yaml", "--runtime", "apptainer", tmp_path / "bids")
        before = harness(*order, "--offline", tmp_path / "out", **alone)
        assert before.returncode == 69
        assert "methods fetch" in before.stderr
        done = harness("methods", "prefetch", folder, "--runtime", "apptainer", **alone)
        assert done.returncode == 0, done.stderr
    after = harness(*order, tmp_path / "out", **alone)
    assert after.returncode == 0, after.stderr
    runs = [json.loads(path.read_text()) for path in (tmp_path / "out").rglob("*_run.json")]
    assert [run["outcome"] for run in runs] == ["ok", "ok"]
    assert {run["image"] for run in runs} == {identity(docker_image)}

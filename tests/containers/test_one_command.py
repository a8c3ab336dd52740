"""`evaluate --method NAME` on a machine that has nothing: one message without a network, the table with one."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from tests.containers.small_registry import registry

from lumirage.datasets.phantom import PhantomSpec, make_phantom

TRACK = "name: small\npairing: {scheme: all}\nprepare: {affine: none}\nlimits: {memory_bytes: 268435456}\n"
CARD = """name: Brought
version: '1'
summary: for tests
kind: reference
image: {address}/tiny:1
parameters: {{weights: w.bin}}
variants: {{untrained: {{weights: none}}}}
weights:
  - {{file: w.bin, url: "http://{address}/w.bin", sha256: "", bytes: 7, licence: CC0-1.0}}
"""
TRAINED = b"trained"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def harness(tmp_path: Path) -> Command:
    """The command line of somebody whose cache is empty and who has one method of their own."""
    make_phantom(tmp_path / "bids", PhantomSpec(subjects=2, spacing_mm=8.0, contrasts=("T1w",), seed=1))
    (tmp_path / "small.yaml").write_text(TRACK)
    mine = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "LUMIRAGE_METHODS": str(tmp_path / "methods")}

    def run(*words: object, **more: str) -> subprocess.CompletedProcess[str]:
        order = ("evaluate", "-t", tmp_path / "small.yaml", "--runtime", "docker", "--limit", 1, *words)
        argv = [sys.executable, "-m", "lumirage.cli", *map(str, order), str(tmp_path / "bids"), str(tmp_path / "out")]
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=300, check=False, env=os.environ | mine | more
        )

    return run


@pytest.fixture
def address(docker_image: str, tmp_path: Path) -> Iterator[str]:
    """A registry with the image and the weights, and a card that names both; what was pulled is removed."""
    with registry(docker_image, "tiny", tmp_path, {"w.bin": TRAINED}) as where:
        folder = tmp_path / "methods" / "brought"
        folder.mkdir(parents=True)
        (folder / "method.yaml").write_text(CARD.format(address=where))
        yield where
        client = docker.from_env()
        if client.images.list(f"{where}/tiny:1"):
            client.images.remove(f"{where}/tiny:1", force=True)
        client.close()


def test_from_nothing_to_the_table(harness: Command, address: str, tmp_path: Path) -> None:
    for forbidden in ({"LUMIRAGE_OFFLINE": "1"}, {}):
        words = () if forbidden else ("--offline",)
        done = harness("-m", "brought", "-m", "BROUGHT-untrained", *words, **forbidden)
        assert done.returncode == 69, done.stderr
        assert done.stderr.count("lumirage-harness: ") == 1
        assert f"Brought: weights w.bin, 0.0 MB, CC0-1.0, from http://{address}/w.bin" in done.stderr
        assert f"Brought-untrained: image {address}/tiny:1, which is pulled from its registry" in done.stderr
        assert "methods prefetch Brought Brought-untrained" in done.stderr
        assert "methods fetch Brought --from-file w.bin" in done.stderr
        assert not (tmp_path / "out").exists()
    done = harness("-m", "brought", "-m", "BROUGHT-untrained")
    assert done.returncode == 0, done.stderr
    assert "weights w.bin, 0.0 MB, CC0-1.0" in done.stderr
    assert "Brought weights: 0.0 of 0.0 MB" in done.stderr
    assert "no SHA-256 of w.bin is published" in done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.strip().startswith("Brought")]
    assert {row[0] for row in rows} == {"Brought", "Brought-untrained"}
    assert "computed on: cpu" in done.stdout
    runs = {path.parents[2].name: json.loads(path.read_text()) for path in (tmp_path / "out").rglob("*_run.json")}
    sums = {"w.bin": hashlib.sha256(TRAINED).hexdigest()}
    assert {name: (run["outcome"], run["device"], run["weights"]) for name, run in runs.items()} == {
        "Brought": ("ok", "cpu", sums),
        "Brought-untrained": ("ok", "cpu", {}),
    }
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["methods"]["Brought"]["weights"] == sums


def test_a_server_that_does_not_answer_is_told_once(harness: Command, tmp_path: Path) -> None:
    folder = tmp_path / "methods" / "brought"
    folder.mkdir(parents=True)
    (folder / "method.yaml").write_text(CARD.format(address="127.0.0.1:9"))
    done = harness("-m", "brought")
    assert done.returncode == 69, done.stderr
    assert done.stderr.count("lumirage-harness: ") == 1
    assert done.stderr.count("cannot download") == 1
    assert "tried again" not in done.stderr
    assert "image 127.0.0.1:9/tiny:1" in done.stderr, "what else is missing is told in the same message"
    untrained = harness("-m", "brought-untrained")
    assert untrained.returncode == 69, untrained.stderr
    assert untrained.stderr.count("cannot pull 127.0.0.1:9/tiny:1") == 1

"""The doctor on real images: the shipped methods pass, and planted faults are found."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from lumirage.core.layout import shipped
from lumirage.core.model import Limits, Method
from lumirage.core.records import read_yaml
from lumirage.flow.method_setup.method_trials import MethodTrials
from lumirage.methods.conformance import ConformanceReport, check_method
from lumirage.methods.conformance_page import as_text
from lumirage.methods.image_build import BuildSettings, build_method, image_name
from lumirage.running.control_groups import Hierarchy
from lumirage.running.runtimes.runtime_interface import Runtime

CONTAINERS = shipped("method_containers")
SETTINGS = BuildSettings(base_image=os.environ.get("LUMIRAGE_BASE_IMAGE", "lumirage/base:bookworm"))
TRUTH = """
import os, random, socket
import numpy as np
import lumirage_kit
job = lumirage_kit.read_job()
for number, pair in enumerate(job):
    field = lumirage_kit.load_image(pair.truth).squeeze()
    {fault}
    pair.write(field)
"""


def examined(folder: Path, runtime: Runtime, scratch: Path) -> ConformanceReport:
    card = read_yaml(folder / "method.yaml", Method)
    image = build_method(folder, card, SETTINGS, lambda _: None)
    trials = MethodTrials(card, image, runtime, scratch, limits=Limits(cpus=2, pair_timeout_s=300))
    return check_method(card, trials, scratch / "known")


@pytest.mark.parametrize(
    "name",
    [
        "zero-displacement",
        "oracle",
        "greedy",
        *(pytest.param(n, marks=pytest.mark.long) for n in ("dipy-syn", "sitk-demons")),
    ],
)
def test_shipped_methods_keep_the_contract(name: str, docker_runtime: Runtime, tmp_path: Path) -> None:
    checkup = examined(CONTAINERS / name, docker_runtime, tmp_path)
    assert checkup.passed, as_text(checkup)


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Path]:
    """The oracle's folder under another name; its image is removed afterwards."""
    folder = tmp_path / f"planted-{uuid.uuid4().hex[:8]}"
    shutil.copytree(CONTAINERS / "oracle", folder)
    yield folder
    docker.from_env().images.remove(image_name(folder, read_yaml(folder / "method.yaml", Method)), force=True)


def control_groups() -> set[Path]:
    """Those of `methods check` that are there now."""
    return {group for mount in Hierarchy.found().mounts.values() for group in mount.glob("lumirage/check-*")}


@pytest.mark.parametrize(
    ("fault", "finding", "says"),
    [
        ("field = field * np.float32((-1, -1, 1))", "convention", "your field is LPS mm displacement"),
        ("field = field + 0.01 * number", "order", "state leaks from pair to pair"),
        ("field = field + 0.01 * random.random()", "repeat", "two runs differ"),
        ("assert len(socket.if_nameindex()) > 1, 'no network'", "isolation", "it needs a network"),
        ("open('/method/cache', 'w').write('x')", "isolation", "several of"),
        ("open(os.path.expanduser('~/settings'), 'w').write('x')", "isolation", "it needs a home directory"),
        ("assert os.getuid() == 0, 'root only'", "isolation", "it needs to be root"),
    ],
)
def test_planted_faults_are_found(
    planted: Path, docker_runtime: Runtime, tmp_path: Path, fault: str, finding: str, says: str
) -> None:
    (planted / "run.py").write_text(TRUTH.format(fault=fault))
    groups = control_groups()
    checkup = examined(planted, docker_runtime, tmp_path)
    left = control_groups() - groups  # another test may check a method meanwhile: what it uses goes away
    until = time.monotonic() + 120
    while time.monotonic() < until and any(group.exists() for group in left):
        time.sleep(0.2)
    assert not [group for group in left if group.exists()], "also what is tried without a protection leaves none behind"
    found = next(item for item in checkup.findings if item.name == finding)
    assert found.passed is False, as_text(checkup)
    assert says in found.message

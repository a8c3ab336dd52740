"""The contracts `command` and `lumir` with images that know nothing of us, from the command line on the phantom: what they
wrote is what was read, in millimetres.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import numpy as np
import pytest
from tests.containers.conftest import BASE, archive

from lumirage.core.layout import Layout
from lumirage.core.model import Convention, Outcome, Run
from lumirage.core.records import read_json, read_prepared
from lumirage.core.space import Displacement, points, read_displacement, read_grid
from lumirage.datasets.phantom import PhantomSpec, make_phantom
from lumirage.running.runtimes.runtime_interface import Runtime
from lumirage.running.scratch import temporary

PUBLISHED = Path(__file__).parent / "published"
DOCKERFILES = {
    # root's own home, which nobody else may enter, as in LUMIR 2024's template
    "lumir24": """FROM {base}
COPY nifti.py infer_script.py ./
RUN chmod 700 /root && mkdir -p $(python3 -m site --user-site) && mv nifti.py $(python3 -m site --user-site)
ENTRYPOINT ["python3", "-u", "./infer_script.py"]
""",
    "lumir25": """FROM {base}
WORKDIR /app
COPY nifti.py infer_script.py ./
ENTRYPOINT ["python3", "-u", "infer_script.py"]
""",
    "command": """FROM {base}
COPY nifti.py register.py /opt/tool/
ENTRYPOINT ["python3", "/opt/tool/register.py"]
""",
}
CARDS = {
    "lumir24": """contract: lumir
lumir_year: 2024
output: {unit: voxel, channels: first, affine: ignored}
""",
    "lumir25": """contract: lumir
lumir_year: 2025
output: {unit: voxel, affine: ignored}
""",
    "command": """contract: command
command:
  template: >-
    --fixed {fixed} --moving={moving} --warp {out}/warp.nii.gz --moved "{out}/moved.nii.gz" --threads {threads} --gain {gain}
  answer: warp.nii.gz
  moved: moved.nii.gz
parameters: {gain: 0.5}
output: {signs: "--+"}
""",
}
TRACK = """name: contracts
pairing: {scheme: chain, subjects: between}
prepare: {affine: affine, intensity: percentile, spacing_mm: [6, 7, 8]}
"""


@pytest.fixture(scope="module")
def bids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantom"
    make_phantom(folder, PhantomSpec(subjects=3, spacing_mm=6.0, contrasts=("T1w",), seed=1))
    return folder


@pytest.fixture(params=sorted(CARDS))
def method(request: pytest.FixtureRequest, docker_runtime: Runtime, tmp_path: Path) -> Iterator[Path]:
    """The folder of a card, whose image is on this machine until the test ends."""
    name, tag = request.param, f"published-test:{uuid.uuid4().hex[:8]}"
    files = {path.name: path.read_bytes() for path in PUBLISHED.glob("*.py")}
    files["Dockerfile"] = DOCKERFILES[name].format(base=BASE).encode()
    client = docker.from_env()
    client.images.build(fileobj=archive(files), custom_context=True, tag=tag, rm=True, network_mode="none")
    folder = tmp_path / name
    folder.mkdir()
    words = f"name: {name}\nversion: '1'\nsummary: for tests\nkind: reference\nimage: {tag}\n"
    (folder / "method.yaml").write_text(words + CARDS[name])
    yield folder
    client.images.remove(tag, force=True)
    client.close()


def written(name: str, read: Displacement) -> np.ndarray:
    """What the images' own words promise, in millimetres, RAS."""
    index = np.moveaxis(np.indices(read.u.shape[:3], dtype=float), 0, -1)
    if name == "command":
        x, y, z = np.moveaxis(points(read.affine, index), -1, 0)
        return 0.5 * np.stack([3 + y / 40, z / 30 - 2, 1.5 - x / 50], -1)
    i, j, k = np.moveaxis(index, -1, 0)
    return np.stack([1 + j / 50, k / 25 - 0.5, 2 - i / 40], -1) * (6, 7, 8)


def test_what_a_published_image_writes_is_what_is_read(method: Path, bids: Path, tmp_path: Path):
    name, out = method.name, tmp_path / "out"
    (tmp_path / "track.yaml").write_text(TRACK)
    words = ["run", "-m", str(method), "-t", str(tmp_path / "track.yaml"), "--runtime", "docker", "--batch", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "lumirage.cli", *words, str(bids), str(out)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = sorted(out.rglob("*_run.json"))
    assert len(records) == 2
    for record in records:
        run = read_json(record, Run)
        assert run.outcome is Outcome.OK, run
        assert run.timed_by == ("container" if name == "command" else "answers")
        assert run.wall_s is not None
        assert run.wall_s > 0
        assert run.pairs_in_job == (1 if name == "command" else 2)
        assert run.isolation["user"].startswith("not held" if name == "lumir24" else "held")
        if name == "command":  # it resampled by its field itself
            assert run.moved_correlation == pytest.approx(1.0, abs=1e-4)
        answer = record.with_name(record.name.replace("_run.json", "_xfm.nii"))
        shown = read_grid(prepared(out, run) / "fixed.nii")  # about the image's middle, whatever its place in the world
        read = read_displacement(answer, Convention(), read_prepared(prepared(out, run) / "prepared.json").grid)
        assert len(set(read.u.shape[:3])) == 3, "a grid on which axes cannot be mistaken"
        promised = written(name, Displacement(read.u, np.array(shown.affine)))
        np.testing.assert_allclose(read.u, promised, rtol=0, atol=1e-4)
    assert not Layout(out).neutral_scratch(temporary(os.environ)).exists()
    assert not (out / "work" / "scratch").exists()


def prepared(out: Path, run: Run) -> Path:
    (folder,) = (out / "work" / "prepared").glob(run.prepared)
    assert json.loads((folder / "prepared.json").read_text())["key"] == run.prepared
    return folder

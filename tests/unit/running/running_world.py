"""A small world for the tests of running: prepared pairs on a 16-voxel grid, jobs, and a runtime that plays a script."""

import dataclasses
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lumirage.core.layout import Layout
from lumirage.core.model import Job, Limits, Method, Outcome, Pair, Prepared, Run, Scan, Usage
from lumirage.core.space import make_grid, matrix, write_volume
from lumirage.running.job_execution import RunContext, execute_job
from lumirage.running.method_contract import PairInput
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Feature, Image, Mount, Runtime, Watch

SHAPE = (16, 18, 14)
AFFINE = np.array([[2.0, 0, 0, -10], [0, 2.0, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
LIMITS = Limits(pair_timeout_s=60, memory_bytes=256 * 2**20, output_bytes=64 * 2**20, log_bytes=64 * 1024, pids=64)
METHOD = Method(name="tiny", version="1", summary="for tests", kind="reference")


def scan(subject: str, suffix: str = "T1w") -> Scan:
    return Scan(name=f"sub-{subject}_{suffix}", subject=subject, suffix=suffix, image=Path(f"/bids/sub-{subject}.nii"))


class World:
    """An output tree in `root`, and pairs that were prepared for it."""

    def __init__(self, root: Path, slowness: float = 1.0):
        """`slowness`: how many times longer each pair may take than its limits say."""
        self.root, self._slowness = root, slowness
        self.layout = Layout(root / "out with 'blanks'; $x")
        self.inputs: dict[str, PairInput] = {}
        self.owner = uuid.uuid4().hex
        self.context = RunContext(layout=self.layout, track="test", owner=self.owner, scratch=self.layout.scratch(""))

    def add_pair(self, fixed: str, moving: str) -> str:
        pair = Pair(fixed=scan(fixed), moving=scan(moving, "T2w"))
        folder = self.layout.prepared(f"key-{pair.id}")
        rng = np.random.default_rng(len(self.inputs))
        for name in ("fixed", "moving"):
            write_volume(folder / f"{name}.nii", rng.random(SHAPE).astype(np.float32), AFFINE)
        prepared = Prepared(
            key=f"key-{pair.id}",
            fixed=folder / "fixed.nii",
            moving=folder / "moving.nii",
            grid=make_grid(SHAPE, AFFINE),
            affine=matrix(np.eye(4)),
        )
        self.inputs[pair.id] = PairInput(pair, prepared)
        return pair.id

    def add_pairs(self, count: int) -> list[str]:
        return [self.add_pair(f"{i:02d}", f"{i + 50:02d}") for i in range(count)]

    def job(self, image: str, *, pairs: list[str] | None = None, limits: Limits = LIMITS, **parameters: object) -> Job:
        method = METHOD.model_copy(update={"parameters": parameters})
        timeout = {"pair_timeout_s": limits.pair_timeout_s * self._slowness}
        chosen = tuple(pairs if pairs is not None else self.inputs)
        return Job(
            id=uuid.uuid4().hex[:8],
            method=method,
            image=image,
            condition="reference",
            pairs=chosen,
            limits=limits.model_copy(update=timeout),
        )

    def execute(self, job: Job, runtime: Runtime) -> list[Run]:
        return execute_job(job, self.inputs, self.context, runtime)

    def files(self, pair: str, method: str = "tiny"):
        return self.layout.run_files(method, self.inputs[pair].pair, "reference")

    def forget(self) -> None:
        """As if nothing had been executed."""
        for pair in self.inputs:
            self.files(pair).record.unlink(missing_ok=True)


def write_field(folder: Path, name: str = "displacement.nii", value: float = 0.5) -> None:
    write_nifti(folder / name, np.full((*SHAPE, 3), value, np.float32), AFFINE)


def write_nifti(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    import nibabel as nib

    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)


USAGE = Usage(wall_s=2.0, exit_code=0)
Script = Callable[[Call, Watch], CallResult]


class FakeRuntime:
    """Plays one script per container; the last one again and again. No process is started."""

    name = "fake"
    isolated = True
    mounts_ours_only = False

    def __init__(self, *scripts: Script):
        self._scripts = list(scripts)
        self.calls: list[Call] = []

    def check(self) -> None:
        return

    def resolve(self, reference: str) -> Image:
        return Image(reference, "sha256:fake")

    def prepare(self, image: str) -> None:
        return

    def card(self, image: str) -> bytes:
        return b"name: tiny"

    def sees(self, mount: Mount) -> str:
        return str(mount.source)

    def isolation(self) -> dict[str, str]:
        return {"network": "held"}

    def features(self) -> tuple[Feature, ...]:
        return ()

    def run(self, call: Call, watch: Watch) -> CallResult:
        self.calls.append(call)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        return script(call, watch)

    def gpu_refusal(self) -> str:
        return ""

    def remove_stale(self, owner: str) -> int:
        return 0


class Actor:
    """A script that does `act` for each pair at a made-up time, one second a pair, the next one 0.2 s later."""

    def __init__(self, act: Callable[[Path, int], None], *, events: bool = True, dies_at: int | None = None, **usage):
        self._act, self._events, self._dies_at, self._usage = act, events, dies_at, usage

    def __call__(self, call: Call, watch: Watch) -> CallResult:
        began = time.monotonic()  # answers are stamped by the kernel, so the events must be of today
        watch.started(began)
        folders = sorted(call.output.iterdir(), key=lambda f: listed(call).index(f.name))
        for i, folder in enumerate(folders):
            if self._events:
                watch.output(
                    f'@lumirage {{"event": "begin", "pair": "{folder.name}"}}\n'.encode(), began + 1.2 * i + 0.5
                )
            if i == self._dies_at:
                watch.output(b"the last words", began + 1.2 * i + 0.7)
                break
            self._act(folder, i)
            if self._events:
                watch.output(f'@lumirage {{"event": "end", "pair": "{folder.name}"}}\n'.encode(), began + 1.2 * i + 1.5)
        fields = {"wall_s": 2.0 * len(folders), "exit_code": 0} | self._usage
        return CallResult(Usage.model_validate(fields), ((0.1, 1000), (1.0, 5000), (2.2, 7000)))


def listed(call: Call) -> list[str]:
    """Anonymous identities in the order of job.json."""
    import json

    return [pair["id"] for pair in json.loads(Path(call.arguments[1]).read_text())["pairs"]]


def outcomes(runs: list[Run]) -> list[Outcome]:
    return [run.outcome for run in runs]


def with_limits(**changes: object) -> Limits:
    return Limits.model_validate(LIMITS.model_dump() | changes)


def replaced(context: RunContext, **changes: object) -> RunContext:
    return dataclasses.replace(context, **changes)  # type: ignore[arg-type]


@contextmanager
def as_nobody(mine: Path) -> Iterator[None]:
    """What root does inside is done without root's rights, by a user who owns the folder `mine` and all that is in it."""
    if os.geteuid():
        yield
        return
    nobody = 65534
    for place in (mine, *mine.rglob("*")):
        os.chown(place, nobody, nobody, follow_symlinks=False)
    above = [place for place in mine.parents if not place.stat().st_mode & 0o001]
    modes = [place.stat().st_mode for place in above]
    for place in above:
        place.chmod(place.stat().st_mode | 0o011)
    os.setegid(nobody)
    os.seteuid(nobody)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        for place, mode in zip(above, modes, strict=True):
            place.chmod(mode)

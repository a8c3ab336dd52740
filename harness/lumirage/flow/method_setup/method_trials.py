"""Lets a method register the doctor's known pairs through a runtime: what `methods check` needs of `running`."""

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import docker
import requests
from docker.models.containers import Container
from docker.types import LogConfig

from lumirage.core.errors import EngineError
from lumirage.core.model import Job, Limits, Method, Pair, Prepared, Scan, Usage
from lumirage.core.screen import Screen
from lumirage.core.space import make_grid
from lumirage.methods.conformance import Attempt, Protection, Register
from lumirage.methods.known_warps import CheckPair, View
from lumirage.running.container_environment import CONTAINER_TMP, environment
from lumirage.running.container_user import hand_over
from lumirage.running.job_watch import JobWatch
from lumirage.running.method_contract import JobFolders, PairInput, WrittenInputs, pairs_per_container, write_inputs
from lumirage.running.method_events import EventReader
from lumirage.running.runtimes.docker import DockerRuntime
from lumirage.running.runtimes.docker_options import docker_options
from lumirage.running.runtimes.docker_state import create
from lumirage.running.runtimes.runtime_interface import Call, Mount, Runtime

FAILURES = (docker.errors.DockerException, requests.exceptions.RequestException)
POLL_S = 0.2


TRIALS = 3
"""How often a check starts a method that keeps its contract; more often where it has to find out what breaks it."""


def with_progress(register: Register, name: str, screen: Screen) -> Register:
    """The same, with a step of progress for each time that the method is started."""
    done = 0
    screen.progress(f"check {name}", 0, TRIALS)

    def tell(pairs: Sequence[CheckPair], lifted: Protection | None) -> Attempt | None:
        nonlocal done
        attempt = register(pairs, lifted)
        done += 1
        screen.progress(f"check {name}", done, max(TRIALS, done))
        return attempt

    return tell


@dataclass(frozen=True)
class MethodTrials:
    """A method, what starts it, and a scratch folder; calling it is one `lumirage.methods.conformance.Register`."""

    card: Method
    image: str
    runtime: Runtime
    scratch: Path
    weights: Path | None = None
    limits: Limits = field(default_factory=Limits)
    cpus: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()

    def __call__(self, pairs: Sequence[CheckPair], lifted: Protection | None) -> Attempt | None:
        """Register the pairs in order; None where this runtime cannot lift a protection. Raises EngineError."""
        if lifted and not isinstance(self.runtime, DockerRuntime):
            return None
        job = Job(
            id="check",
            method=self.card,
            image=self.image,
            condition="check",
            pairs=tuple(pair.view for pair in pairs),
            limits=self.limits,
        )
        most = pairs_per_container(job) or len(pairs)
        parts = [self._start(job, pairs[i : i + most], lifted) for i in range(0, len(pairs), most)]
        failed = next((part for part in parts if not part.ended_well), parts[-1])
        return Attempt(
            answers={view: path for part in parts for view, path in part.answers.items()},
            ended_well=failed.ended_well,
            ending=failed.ending,
            events=[event for part in parts for event in part.events],
            log="\n".join(part.log for part in parts),
        )

    def _start(self, job: Job, pairs: Sequence[CheckPair], lifted: Protection | None) -> Attempt:
        name = f"lumirage-{uuid.uuid4().hex}"
        folder = self.scratch / name
        folders = JobFolders(folder / "in", folder / "out", self.runtime.sees, self.runtime.isolated)
        written = write_inputs(job, {pair.view: _input(pair) for pair in pairs}, folders)
        call = self._call(name, job, written, folders)
        reader = EventReader(list(written.ids.values()), self.limits.log_bytes)
        watch = JobWatch(reader, [], self.limits, threading.Event())
        if lifted:
            assert isinstance(self.runtime, DockerRuntime)  # __call__ saw to it
            unmeasured = replace(self.runtime.engine, cgroup_parent=None)  # a group of its own would be left behind
            usage = _run_lifted(docker_options(call, unmeasured), lifted, watch, self.limits)
        else:
            usage = self.runtime.run(call, watch).usage
        logs = [reader.loading.log, *(pair.log for pair in reader.pairs.values())]
        return Attempt(
            answers=_answers(written),
            ended_well=usage.exit_code == 0 and not usage.out_of_memory and not usage.timed_out,
            ending=_ending(usage),
            events=_said(reader, written.ids),
            log="\n".join(log.text() for log in logs),
        )

    def _call(self, name: str, job: Job, written: WrittenInputs, folders: JobFolders) -> Call:
        weights = Mount(self.weights, "/weights") if self.weights else None
        tmp = CONTAINER_TMP if folders.private else str(folders.out.with_name("tmp"))
        return Call(
            name=name,
            owner="check",
            image=self.image,
            arguments=written.arguments,
            entrypoint=written.entrypoint,
            mounts=(*written.mounts, *([weights] if weights else [])),
            output=folders.out,
            environment=environment(job, tmp, folders.sees(weights) if weights else None),
            limits=self.limits,
            cpus=self.cpus,
            gpus=self.gpus,
            user=hand_over(folders.out, self.card),
        )


def _input(pair: CheckPair) -> PairInput:
    scan = Scan(name=pair.view, subject=pair.view, suffix="T1w", image=pair.fixed)
    grid = make_grid(pair.truth.shape, pair.truth.affine)
    unit = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    prepared = Prepared(key="check", fixed=pair.fixed, moving=pair.moving, grid=grid, affine=unit)
    return PairInput(Pair(fixed=scan, moving=scan), prepared, pair.field)


def _answers(written: WrittenInputs) -> dict[View, Path]:
    found: dict[View, Path] = {}
    for view in get_args(View):
        if expected := written.expected.get(view):
            paths = [expected.folder / name for name in expected.fields]
            there = [path for path in paths if path.is_file() and not path.is_symlink()]
            if there:
                found[view] = there[0]
    return found


def _ending(usage: Usage) -> str:
    if usage.timed_out:
        return "took longer than it may"
    if usage.out_of_memory:
        return "ran out of memory"
    return f"ended with exit code {usage.exit_code}"


def _said(reader: EventReader, ids: Mapping[str, str]) -> list[tuple[str, str]]:
    """The begin and end events in the order of arrival."""
    said = []
    for rank, (view, name) in enumerate(ids.items()):
        pair = reader.pairs[name]
        times = (("begin", pair.begin_s), ("end", pair.end_s))
        said += [(at, rank, event, view) for event, at in times if at is not None]
    return [(event, view) for _, _, event, view in sorted(said)]


def lift(options: Mapping[str, Any], protection: Protection) -> dict[str, Any]:
    """The options of a hardened container without one protection, or without all."""
    lifted: dict[Protection, dict[str, Any]] = {
        "read-only root": {"read_only": False},
        "no home": {
            "environment": {**options["environment"], "HOME": "/home/method"},
            "tmpfs": {**options["tmpfs"], "/home/method": "rw,mode=1777", "/root": "rw,mode=1777"},
        },
        "user that is not root": {"user": "0:0", "cap_drop": [], "cap_add": ["DAC_OVERRIDE"]},
        "no network": {"network_mode": "bridge"},
    }
    wanted = lifted if protection == "all" else {protection: lifted[protection]}
    changed = {**options, "log_config": LogConfig(type="json-file")}
    for change in wanted.values():
        changed |= change
    return changed


def _run_lifted(options: dict[str, Any], protection: Protection, watch: JobWatch, limits: Limits) -> Usage:
    """Start one container without a protection, and wait; what it used is not measured."""
    with _engine() as client:
        container = create(client, lift(options, protection))
        try:
            began = time.monotonic()
            container.start()
            watch.started(began)
            timed_out = not _ended_within(container, limits.pair_timeout_s)
            watch.output(container.logs(), time.monotonic())
            container.reload()
            state = container.attrs["State"]
            return Usage(
                wall_s=time.monotonic() - began,
                exit_code=state["ExitCode"],
                out_of_memory=bool(state.get("OOMKilled")),
                timed_out=timed_out,
            )
        finally:
            container.remove(force=True, v=True)


def _ended_within(container: Container, most_s: float) -> bool:
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        container.reload()
        if container.status == "exited":
            return True
        time.sleep(POLL_S)
    container.kill()
    return False


@contextlib.contextmanager
def _engine() -> Iterator[docker.DockerClient]:
    try:
        with contextlib.closing(docker.from_env(timeout=60, version="auto")) as client:
            yield client
    except FAILURES as error:
        raise EngineError(f"the container engine failed: {error}") from error

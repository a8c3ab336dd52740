"""Executes one job: writes its inputs, starts its container, judges the answers, writes the records.

If a container dies, one pair has failed; the remaining ones continue in a new container.
"""

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from lumirage.core.errors import DISK_FULL, BusyError, GpuFaultError, LumirageError, PausedError, UnavailableError
from lumirage.core.layout import Layout, RunFiles
from lumirage.core.model import Job, Run
from lumirage.running.container_environment import CONTAINER_TMP, environment
from lumirage.running.container_evidence import JobContainer, finished
from lumirage.running.container_user import hand_over
from lumirage.running.ended_pairs import NOT_ENDED, EndedPairs
from lumirage.running.file_systems import in_memory
from lumirage.running.folder_removal import remove_tree
from lumirage.running.gpu_devices import broken
from lumirage.running.job_watch import JobWatch
from lumirage.running.method_contract import JobFolders, PairInput, WrittenInputs, pairs_per_container, write_inputs
from lumirage.running.method_events import EventReader
from lumirage.running.outcomes import died
from lumirage.running.run_records import Kept, RecordContext, record_runs
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Image, Mount, Runtime, Stopped

TOLD_WITHIN_S = 0.25
"""A signal that was sent to both the method and the harness reaches the harness within this time."""
SCRATCH_IN_MEMORY = (
    "the scratch folder is in memory (tmpfs): what the method wrote is not in its peak, and counts against its limit"
)
FULL_DISK_BYTES = 64 * 2**20
"""When less than this is left on the disk, a failure is blamed on the full disk, not on the method."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Where jobs are executed: the output tree, the CPUs and GPUs of this slot, and the signal to stop.

    `shared`: those that another harness uses too. `gpu_faults`: earlier GPU failures of this job. `owner`: the same for all
    calls of one output tree. `scratch`: the folder of its calls' folders. `weights`: method -> folder of its weights;
    `weights_sha256`: the files in it.
    """

    layout: Layout
    track: str
    owner: str
    scratch: Path
    cpus: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    gpu_faults: tuple[str, ...] = ()
    weights: Mapping[str, Path] = field(default_factory=dict)
    weights_sha256: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    host: Mapping[str, str | int | float] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)


def execute_job(
    job: Job,
    inputs: Mapping[str, PairInput],
    context: RunContext,
    runtime: Runtime,
    recorded: Callable[[Run], None] = lambda _: None,
    containers_ended: Callable[[], None] = lambda: None,
) -> list[Run]:
    """Execute the pairs of a job that have no record yet, in order; their records are on disk when it returns.

    `recorded` is called for each record once it is on disk, also when an exception follows; `containers_ended` when no
    container of the job will run any more, while its last answers are still to be judged. Both from this thread.

    Raises EngineError (try again), UnavailableError, BusyError (the disk is full), UsageError for a card that
    contradicts itself, runtimes.runtime_interface.Stopped.
    """
    image = runtime.resolve(job.image)
    runtime.prepare(image.start)
    waiting = [pair for pair in job.pairs if not _files(context, job, inputs[pair]).record.exists()]
    runs: list[Run] = []
    while waiting:
        batch = waiting[: pairs_per_container(job)]
        given = {pair: inputs[pair] for pair in batch}
        last = containers_ended if len(batch) == len(waiting) else _nothing
        made, interrupted = _execute_container(job, given, context, (runtime, image), (recorded, last))
        done = {run.pair for run in made}
        waiting = [pair for pair in waiting if pair not in done]
        runs += made
        if interrupted:
            raise Stopped
    return runs


def _nothing() -> None:
    """There is a container to come."""


def _files(context: RunContext, job: Job, given: PairInput) -> RunFiles:
    return context.layout.run_files(job.method.name, given.pair, job.condition, job.repeat)


def _execute_container(
    job: Job,
    inputs: Mapping[str, PairInput],
    context: RunContext,
    machine: tuple[Runtime, Image],
    told: tuple[Callable[[Run], None], Callable[[], None]],
) -> tuple[list[Run], bool]:
    (runtime, image), (recorded, ended) = machine, told
    name = f"lumirage-{uuid.uuid4().hex}"
    folder = context.scratch / f"{context.owner}-{name}"
    notes = (*context.gpu_faults, *([SCRATCH_IN_MEMORY] if in_memory(context.scratch) else []))
    sums = context.weights_sha256.get(job.method.name, {})
    records = RecordContext(context.layout, context.track, context.host, context.shared, notes, sums)
    try:
        with _full_disk(folder.parent):
            folders = JobFolders(folder / "in", folder / "out", runtime.sees, runtime.isolated)
            written = write_inputs(job, inputs, folders)
            user = hand_over(folders.out, job.method)
        events = EventReader(list(written.ids.values()), job.limits.log_bytes)
        watch = JobWatch(events, _answers(written), job.limits, context.stop, ahead_s=_clock_ahead_s(folder))
        call = _call(name, job, written, context, (image, user, folders))
        container = JobContainer(job, inputs, written, watch, NOT_ENDED, datetime.now(UTC), runtime, image, call)
        container, kept = _run(container, records, folder / "ended", recorded)
        _refuse_full_disk(folder, container.ended)
        if fault := _gpu_fault(container, context):
            for pair in kept.values():
                recorded(pair.run)
            raise fault
        if _stopped_with_us(container, context.stop):
            container = replace(container, ended=replace(container.ended, interrupted=True))
        if len(inputs) == 1 or all(finished(container, pair) for pair in inputs):  # else the others go on in another
            ended()
        with _full_disk(context.layout.root):
            runs = record_runs(container, records, kept)
        for run in runs:
            recorded(run)
        return runs, container.ended.interrupted
    finally:
        remove_tree(folder)


def _run(
    container: JobContainer, context: RecordContext, folder: Path, recorded: Callable[[Run], None]
) -> tuple[JobContainer, Mapping[str, Kept]]:
    """The container when it has ended, and the pairs of it that were recorded before; context the engine fails these stay."""
    pairs = EndedPairs(container, context, folder)
    if len(container.inputs) > 1:  # the end of one that is alone is the end of its container
        container.watch.events.on_end = pairs.pair_ended
    try:
        ended = container.runtime.run(container.call, container.watch)
    except PausedError:
        pairs.close()
        pairs.discard()
        raise
    except LumirageError:
        pairs.close()
        for kept in pairs.kept.values():
            recorded(kept.run)
        raise
    pairs.close()
    return replace(container, ended=ended), pairs.kept


def _stopped_with_us(container: JobContainer, stop: threading.Event) -> bool:
    """Whether the method may have ended because it was told to stop as we were: a cluster's signal goes to every process
    of a task, and which hears it first is open."""
    usage = container.ended.usage
    if usage.timed_out or usage.over_quota or all(finished(container, pair) for pair in container.inputs):
        return False
    return stop.wait(TOLD_WITHIN_S) if died(usage) else stop.is_set()


def _call(
    name: str,
    job: Job,
    written: WrittenInputs,
    context: RunContext,
    place: tuple[Image, tuple[int, int] | None, JobFolders],
) -> Call:
    image, user, folders = place
    tmp = CONTAINER_TMP if folders.private else str(folders.out.with_name("tmp"))
    trained = context.weights.get(job.method.name)
    if trained and not trained.is_dir():
        raise UnavailableError(
            f"the weights of {job.method.name} are gone: {trained}; type the same command to fetch them"
        )
    weights = Mount(trained, "/weights") if trained else None
    return Call(
        name=name,
        owner=context.owner,
        image=image.start,
        arguments=written.arguments,
        entrypoint=written.entrypoint,
        mounts=(*written.mounts, *([weights] if weights else [])),
        output=folders.out,
        environment=environment(job, tmp, folders.sees(weights) if weights else None),
        limits=job.limits,
        cpus=context.cpus,
        gpus=context.gpus,
        user=user,
    )


def _answers(written: WrittenInputs) -> list[Path]:
    return [expected.folder / name for expected in written.expected.values() for name in expected.fields]


def _clock_ahead_s(folder: Path) -> float:
    """Seconds by which the clock of a folder's file system, which may be on another machine, is ahead of ours."""
    mark = folder / "clock"
    now = time.time()
    mark.touch()
    return mark.stat().st_ctime - now


@contextmanager
def _full_disk(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise BusyError(f"the disk of {place} is full; make room and type the command again") from error
        raise


def _refuse_full_disk(folder: Path, ended: CallResult) -> None:
    """A method that ran out of disk because the disk was full gets no record: it is not its fault."""
    usage = ended.usage
    if usage.exit_code and not usage.over_quota and shutil.disk_usage(folder).free < FULL_DISK_BYTES:
        raise BusyError(f"the disk of {folder.parent} is full; make room and type the command again")


def _gpu_fault(container: JobContainer, context: RunContext) -> GpuFaultError | None:
    """The reason why the current pair of a failed GPU gets no record: it is tried again on another GPU.

    A failure that the driver reports always counts. One in the log, which the method writes, counts once per job.
    """
    gpus = container.call.gpus
    if not gpus or not died(container.ended.usage) or container.ended.interrupted:
        return None
    lost, words = broken(gpus), container.gpu_fault
    if not lost and (not words or context.gpu_faults):
        return None
    what = "the driver does not show it any more" if lost else f"the method's log says: {words}"
    return GpuFaultError(f"GPU {', '.join(lost or gpus)} failed: {what}", lost or gpus, lost=bool(lost))


def remove_leftovers(context: RunContext, runtime: Runtime) -> int:
    """Remove what a killed harness left behind for this output tree: containers, processes, scratch folders.

    Gives the number of containers and processes. Call it only with the lock of the tree. Raises EngineError.
    """
    found = runtime.remove_stale(context.owner)
    for folder in context.scratch.glob(f"{context.owner}-*"):
        remove_tree(folder)
    return found

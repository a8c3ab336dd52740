"""Turns the end of a container into the records of its pairs."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import lumirage
from lumirage.core.checksums import checksum
from lumirage.core.layout import Layout, RunFiles, write_text
from lumirage.core.model import Outcome, Run
from lumirage.core.records import write_json
from lumirage.core.space import write_displacement
from lumirage.running.answer_judging import Answer
from lumirage.running.container_evidence import FileState, JobContainer, finished, state_of
from lumirage.running.container_user import OWN_USER, own_user
from lumirage.running.outcomes import Evidence, died, outcome_of
from lumirage.running.pair_timing import Times, memory_table
from lumirage.running.scratch import is_neutral


@dataclass(frozen=True)
class RecordContext:
    """Where records go, and what they say about the place of the run."""

    layout: Layout
    track: str
    host: Mapping[str, str | int | float]
    shared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)

    def files(self, container: JobContainer, pair: str) -> RunFiles:
        """The files of one run."""
        job = container.job
        return self.layout.run_files(job.method.name, container.inputs[pair].pair, job.condition, job.repeat)


@dataclass(frozen=True)
class Judged:
    """An answer and what becomes of it. `written`: the record of a field that is on disk already."""

    answer: Answer
    outcome: Outcome
    message: str = ""
    lost: bool = False
    written: Run | None = None


@dataclass(frozen=True)
class Kept:
    """A pair that was recorded when it ended: its answer (less the field), the state of its files then, its record."""

    answer: Answer
    state: FileState
    run: Run


def record_runs(
    container: JobContainer, context: RecordContext, kept: Mapping[str, Kept] = MappingProxyType({})
) -> list[Run]:
    """Judge and record every pair that has ended. Pairs that a dead container did not reach are left out, as is the
    current one if the harness was interrupted. Pairs that were `kept` are judged again if their files have changed;
    otherwise what is now known of the container is added to their records.

    Each record is written last, completely or not at all. Raises OSError if the disk is full.
    """
    lost, dead = _lost(container), died(container.ended.usage)
    over = [pair for pair in container.inputs if not dead or pair == lost or finished(container, pair)]
    if container.ended.interrupted:
        over = [pair for pair in over if finished(container, pair)]
    runs = []
    for pair in over:
        early = kept.get(pair)
        if early and state_of(container.written.expected[pair]) != early.state:
            early = None
        runs.append(record_pair(container, pair, _judged(container, pair, pair == lost, early), context))
    return runs


def _lost(container: JobContainer) -> str | None:
    """The pair that was under way when the container died: the one it had begun, else the first it had not finished;
    for a method that says nothing the one whose answer came last, where that is not whole."""
    if not died(container.ended.usage):
        return None
    current = container.watch.events.current
    begun = [pair for pair, name in container.written.ids.items() if name == current]
    latest = container.latest_without_events
    half = [latest] if latest and not finished(container, latest) else []
    waiting = [pair for pair in container.inputs if not finished(container, pair)]
    return next(iter([*begun, *half, *waiting]), None)


def _shared(context: RecordContext) -> tuple[str, ...]:
    return (f"{', '.join(context.shared)} also used by another harness: times are too long",) if context.shared else ()


def _judged(container: JobContainer, pair: str, lost: bool, early: Kept | None) -> Judged:
    events = container.events(pair)
    answer = early.answer if early else container.judge_answer(pair)
    outcome, message = outcome_of(
        Evidence(
            usage=container.ended.usage,
            limits=container.job.limits,
            died=lost and not (events.begin_s is None and answer.state == "valid"),
            answer=answer.state,
            answer_message=answer.message,
            late=container.times(pair).longer_than(container.job.limits.pair_timeout_s),
            gpu_memory_words=events.gpu_memory or container.watch.events.loading.gpu_memory,
            memory_words=events.memory or container.watch.events.loading.memory,
        )
    )
    return Judged(answer, outcome, message, lost, early.run if early else None)


def record_pair(container: JobContainer, pair: str, judged: Judged, context: RecordContext) -> Run:
    """Write the files of one run, its record last."""
    answer, times = judged.answer, container.times(pair)
    files, log = context.files(container, pair), _log(container, pair, judged.lost)
    memory = memory_table(container.ended.timeline, container.watch.began_s, times)
    sha256, sums = _write_field(judged, files)
    run = _record(container, pair, times).model_copy(
        update={
            "track": context.track,
            "isolation": _isolation(container, context.layout),
            "host": dict(context.host),
            "weights": dict(context.weights),
            "outcome": judged.outcome,
            "message": judged.message,
            "answer_bytes": answer.size_bytes,
            "answer_sha256": sha256,
            "checksums": {**sums, "log": checksum(log), "memory": checksum(memory)},
            "moved_correlation": answer.moved_correlation,
            "info": answer.info,
            "warnings": (
                *answer.warnings,
                *times.warnings,
                *_note(container.written.given[pair].note),
                *_late_failures(container, judged.outcome),
                *_shared(context),
                *context.notes,
            ),
            "log_tail": "\n".join(log.rstrip().splitlines()[-20:])[-2000:],
        }
    )
    write_text(files.log, log)
    write_text(files.memory, memory)
    write_json(files.record, run)
    return run


def _record(container: JobContainer, pair: str, times: Times) -> Run:
    """What the container says of a pair, before its answer was judged."""
    job, events = container.job, container.events(pair)
    first_begin = events.begin_s if events.after_s is None else None
    return Run(
        harness=lumirage.__version__,
        method=job.method.name,
        image=container.image.digest,
        runtime=container.runtime.name,
        isolated=container.runtime.isolated,
        isolation={},
        mounts={m.target: "ro" if m.readonly else "rw" for m in container.call.mounts if container.runtime.isolated},
        cpus=container.call.cpus,
        gpus=container.call.gpus,
        device="gpu" if container.call.gpus else "cpu",
        limits=container.call.limits,
        track="",
        condition=job.condition,
        repeat=job.repeat,
        pair=pair,
        job=job.id,
        prepared=container.inputs[pair].prepared.key,
        voxels=math.prod(container.inputs[pair].prepared.grid.shape),
        outcome=Outcome.FAILED,
        started=container.started.isoformat(timespec="milliseconds"),
        wall_s=times.wall_s,
        load_s=None if first_begin is None else max(0.0, first_begin - container.watch.began_s),
        phases_s=events.phases_s(),
        cold=pair == next(iter(container.inputs)),
        timed_by=times.by,
        usage=container.ended.usage,
        pairs_in_job=len(container.inputs),
        container_ended=container.over,
    )


def _isolation(container: JobContainer, layout: Layout) -> dict[str, str]:
    """What the runtime holds, less what this call was not given or asked not to have."""
    call, found = container.call, container.runtime.isolation()
    if own_user(container.job.method):
        found["user"] = OWN_USER
    if not call.cpus:
        found["cpus"] = "not held: it was given no CPUs of its own"
    if container.runtime.isolated and all(is_neutral(mount.source, layout) for mount in call.mounts):
        found["host_paths"] = "held: the sources of its mounts are under names that reveal nothing"
    return found


def _write_field(judged: Judged, files: RunFiles) -> tuple[str | None, dict[str, str]]:
    """Keep the answer of a good run; gives the SHA-256 and the checksum of the file. An older half of a run that was lost
    goes away."""
    if judged.outcome is not Outcome.OK:
        files.field.unlink(missing_ok=True)
        return None, {}
    if judged.written:
        return judged.written.answer_sha256, {"field": judged.written.checksums["field"]}
    assert judged.answer.displacement is not None  # as a good run has one
    files.field.parent.mkdir(parents=True, exist_ok=True)
    write_displacement(files.field, judged.answer.displacement)
    written = files.field.read_bytes()
    return hashlib.sha256(written).hexdigest(), {"field": checksum(written)}


def _note(note: str) -> tuple[str, ...]:
    return (note,) if note else ()


def _late_failures(container: JobContainer, outcome: Outcome) -> list[str]:
    usage, found = container.ended.usage, []
    if not container.over:
        return ["its container had not ended when this was written: its CPU time and memory are not known"]
    if outcome is Outcome.OK and usage.out_of_memory:
        found.append("a process of this container was killed for memory")
    if outcome is Outcome.OK and died(usage):
        found.append(f"the container ended with exit code {usage.exit_code} after this pair")
    return found


def _log(container: JobContainer, pair: str, lost: bool) -> str:
    """What was printed for this pair; what came before the first pair stands with the first and with the lost one."""
    events, loading = container.events(pair), container.watch.events.loading.log.text()
    own = events.log.text()
    with_loading = lost or events.begin_s is None or pair == next(iter(container.inputs))
    return loading + own if with_loading else own

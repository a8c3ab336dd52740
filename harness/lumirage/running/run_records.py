"""Turns the end of a container into the records of its pairs."""

import functools
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import lumirage
from lumirage.core.layout import Layout, RunFiles, write_text
from lumirage.core.model import Job, Outcome, Run
from lumirage.core.space import write_displacement
from lumirage.running.answer_judging import Answer, changed_s, exists, read_answer
from lumirage.running.container_user import OWN_USER, own_user
from lumirage.running.job_watch import JobWatch
from lumirage.running.method_contract import PairInput, WrittenInputs
from lumirage.running.method_events import PairEvents
from lumirage.running.outcomes import Evidence, died, outcome_of
from lumirage.running.pair_timing import Changes, Times, memory_table, times_of
from lumirage.running.runtimes.runtime_interface import Call, CallResult, Image, Runtime
from lumirage.running.scratch import is_neutral
from lumirage.running.training_frame import brought


@dataclass(frozen=True)
class EndedContainer:
    """One container that has ended, with what it was given. The pairs are in the order of `inputs`."""

    job: Job
    inputs: Mapping[str, PairInput]
    written: WrittenInputs
    watch: JobWatch
    ended: CallResult
    started: datetime
    runtime: Runtime
    image: Image
    call: Call

    def events(self, pair: str) -> PairEvents:
        """What was said about a pair."""
        return self.watch.events.pairs[self.written.ids[pair]]

    def judge_answer(self, pair: str) -> Answer:
        """What the method left for a pair, its field brought to the working grid."""
        given, working = self.written.given[pair].prepared, self.inputs[pair].prepared.grid
        answer = read_answer(self.written.expected[pair], self.job.method.output, given.grid, given.moving)
        if answer.displacement is None or given.grid == working:
            return answer
        return replace(answer, displacement=brought(answer.displacement, working))

    @functools.cached_property
    def latest_without_events(self) -> str | None:
        """Of the pairs of which the method said nothing, the one whose answer was changed last."""
        changes = [
            (at, i, pair)
            for i, (pair, expected) in enumerate(self.written.expected.items())
            if self.events(pair).begin_s is None and (at := changed_s(expected)) is not None
        ]
        return max(changes)[2] if changes else None

    @functools.cached_property
    def latest_is_whole(self) -> bool:
        """Whether that answer is valid; read once, as it may be large."""
        return self.latest_without_events is not None and self.judge_answer(self.latest_without_events).state == "valid"


@dataclass(frozen=True)
class RecordContext:
    """Where records go, and what they say of it."""

    layout: Layout
    track: str
    host: Mapping[str, str | int | float]
    shared: tuple[str, ...] = ()


def record_runs(container: EndedContainer, context: RecordContext) -> list[Run]:
    """Judge and record every pair that has ended; pairs that a dead container never came to are left out, and so is
    the one under way when the harness was told to stop.

    Each record is written last and whole. Raises OSError when the disk is full.
    """
    lost, dead = _lost(container), died(container.ended.usage)
    over = [pair for pair in container.inputs if not dead or pair == lost or finished(container, pair)]
    if container.ended.interrupted:
        over = [pair for pair in over if finished(container, pair)]
    return [_record_pair(container, pair, pair == lost, context) for pair in over]


def _lost(container: EndedContainer) -> str | None:
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


def finished(container: EndedContainer, pair: str) -> bool:
    """Whether the method was done with a pair: it said so, or it never said a word and left an answer.

    The last such answer may be half of one where the container did not end by itself: killed while we were told to stop
    it counts for nothing, of a container that died it must be valid.
    """
    events = container.events(pair)
    if events.begin_s is not None or not exists(container.written.expected[pair]):
        return events.end_s is not None
    if pair != container.latest_without_events or not (died(container.ended.usage) or container.ended.interrupted):
        return True
    return not container.ended.interrupted and container.latest_is_whole


def _shared(context: RecordContext) -> tuple[str, ...]:
    return (f"{', '.join(context.shared)} also used by another harness: times are too long",) if context.shared else ()


def _record_pair(container: EndedContainer, pair: str, lost: bool, context: RecordContext) -> Run:
    job, given, usage = container.job, container.inputs[pair], container.ended.usage
    events = container.events(pair)
    answer = container.judge_answer(pair)
    times = _times(container, pair)
    outcome, message = outcome_of(
        Evidence(
            usage=usage,
            limits=job.limits,
            died=lost and not (events.begin_s is None and answer.state == "valid"),
            answer=answer.state,
            answer_message=answer.message,
            late=times.longer_than(job.limits.pair_timeout_s),
            gpu_memory_words=events.gpu_memory or container.watch.events.loading.gpu_memory,
            memory_words=events.memory or container.watch.events.loading.memory,
        )
    )
    log = _log(container, pair, lost)
    files = context.layout.run_files(job.method.name, given.pair, job.condition, job.repeat)
    run = _record(container, pair, times).model_copy(
        update={
            "track": context.track,
            "isolation": _isolation(container, context.layout),
            "host": dict(context.host),
            "outcome": outcome,
            "message": message,
            "answer_bytes": answer.size_bytes,
            "answer_sha256": _write_field(answer, outcome, files),
            "moved_correlation": answer.moved_correlation,
            "info": answer.info,
            "warnings": (
                *answer.warnings,
                *times.warnings,
                *_note(container.written.given[pair].note),
                *_late_failures(container, outcome),
                *_shared(context),
            ),
            "log_tail": "\n".join(log.rstrip().splitlines()[-20:])[-2000:],
        }
    )
    write_text(files.log, log)
    write_text(files.memory, memory_table(container.ended.timeline, container.watch.began_s, times))
    write_text(files.record, run.model_dump_json(indent=1))
    return run


def _times(container: EndedContainer, pair: str) -> Times:
    changes = {name: changed_s(expected) for name, expected in container.written.expected.items()}
    own = changes.pop(pair)
    others = [at for at in changes.values() if at is not None]
    return times_of(container.watch, container.ended.usage, container.events(pair), Changes(own, others))


def _record(container: EndedContainer, pair: str, times: Times) -> Run:
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
    )


def _isolation(container: EndedContainer, layout: Layout) -> dict[str, str]:
    """What the runtime holds, less what this call was not given or asked not to have."""
    call, found = container.call, container.runtime.isolation()
    if own_user(container.job.method):
        found["user"] = OWN_USER
    if not call.cpus:
        found["cpus"] = "not held: it was given no CPUs of its own"
    if container.runtime.isolated and all(is_neutral(mount.source, layout) for mount in call.mounts):
        found["host_paths"] = "held: the sources of its mounts lie under names that tell nothing"
    return found


def _write_field(answer: Answer, outcome: Outcome, files: RunFiles) -> str | None:
    """Keep the answer of a good run; gives the SHA-256 of the file. An older half of a run that was lost goes away."""
    if outcome is not Outcome.OK or answer.displacement is None:
        files.field.unlink(missing_ok=True)
        return None
    files.field.parent.mkdir(parents=True, exist_ok=True)
    write_displacement(files.field, answer.displacement)
    with files.field.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _note(note: str) -> tuple[str, ...]:
    return (note,) if note else ()


def _late_failures(container: EndedContainer, outcome: Outcome) -> list[str]:
    usage, found = container.ended.usage, []
    if outcome is Outcome.OK and usage.out_of_memory:
        found.append("a process of this container was killed for memory")
    if outcome is Outcome.OK and died(usage):
        found.append(f"the container ended with exit code {usage.exit_code} after this pair")
    return found


def _log(container: EndedContainer, pair: str, lost: bool) -> str:
    """What was printed for this pair; what came before the first pair stands with the first and with the lost one."""
    events, loading = container.events(pair), container.watch.events.loading.log.text()
    own = events.log.text()
    with_loading = lost or events.begin_s is None or pair == next(iter(container.inputs))
    return loading + own if with_loading else own

"""Carries a study out: declares it, runs its tracks one after another, and writes its page."""

from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import Field

from lumirage.core.errors import DataError, LumirageError, UsageError
from lumirage.core.evaluation_answer import EvaluationAnswer
from lumirage.core.model import Record
from lumirage.core.screen import Screen
from lumirage.core.study import StudyRecord
from lumirage.core.study_changes import changes_told
from lumirage.flow.cluster.cluster_submit import submit
from lumirage.flow.evaluate import evaluate
from lumirage.flow.forecast.plan_overview import PlanOverview
from lumirage.flow.method_setup.install import method_installer
from lumirage.flow.request import EvaluationRequest
from lumirage.flow.study.study_datasets import given_folders
from lumirage.flow.study.study_declaration import declare, read_study_record
from lumirage.flow.study.study_parts import StudyParts, study_parts
from lumirage.flow.study.study_request import StudyRequest
from lumirage.flow.summary import summarize
from lumirage.running.tree_lock import lock_exclusively

STAGES = ("run", "score", "compare", "report")


@dataclass(frozen=True)
class StudyRun:
    """What came of it."""

    record: StudyRecord
    summaries: dict[str, EvaluationAnswer] = field(default_factory=dict)
    """Track -> its closing summary, of those that are complete."""
    waiting: tuple[str, ...] = ()
    """Tracks whose jobs wait or run on a cluster."""
    errors: tuple[LumirageError, ...] = ()

    @property
    def failed(self) -> int:
        """Runs that did not end well."""
        return sum(summary.failed for summary in self.summaries.values())


class StudyPlan(Record):
    """What would be done: `study run --dry-run --json`."""

    schema_version: Literal[1] = 1
    study: str
    tracks: dict[str, PlanOverview] = Field(description="track -> its plan")
    left_out: dict[str, str] = Field(description="dataset, track or method -> why it takes no part")


def plan_study(request: StudyRequest, screen: Screen) -> StudyPlan:
    """What would be done. Nothing is made or written."""
    parts = _parts(request, screen, makes=False)
    return StudyPlan(study=request.study.name, tracks=dict(parts.plans), left_out=parts.left_out)


def run_study(request: StudyRequest, screen: Screen) -> StudyRun:
    """Carry out what there is data for; completed work is not repeated. Raises UsageError where that is nothing."""
    with lock_exclusively(request.layout.lock):
        parts = _parts(request, screen, makes=True)
        if not parts.tracks:
            raise UsageError("nothing of this study can be run:\n" + "\n".join(left_out_lines(parts.left_out)))
        record = declare(request, parts.named, parts.left_out, parts.errors)
        for line in [*left_out_lines(parts.left_out), *changes_told(record)]:
            screen.say(line)
        summaries: dict[str, EvaluationAnswer] = {}
        waiting: list[str] = []
        for name, wanted in parts.tracks.items():
            screen.say(f"track {name} ({len(summaries) + len(waiting) + 1} of {len(parts.tracks)})")
            try:
                done = _carry_out(wanted, screen)
            except (DataError, UsageError) as error:
                parts.left_out[f"track {name}"] = request.layout.movable(str(error))
                parts.errors[name] = error
                continue
            if done is None:
                waiting.append(name)
            else:
                summaries[name] = done
        record = declare(request, parts.named, parts.left_out, parts.errors)
        return StudyRun(record, summaries, tuple(waiting), tuple(parts.errors.values()))


def _parts(request: StudyRequest, screen: Screen, *, makes: bool) -> StudyParts:
    recorded = read_study_record(request.layout) if request.layout.record.is_file() else None
    folders = given_folders(request, recorded.data if recorded else {})
    if recorded:
        request = replace(request, derivatives={**recorded.derivatives, **request.derivatives})
    installer = method_installer(request.options.runtime, screen, offline=request.options.offline)
    return study_parts(request, folders, installer, screen, makes=makes)


def _carry_out(request: EvaluationRequest, screen: Screen) -> EvaluationAnswer | None:
    """One track: here, or submitted to the cluster. None while there is something to wait for."""
    if request.executor != "slurm":
        return evaluate(request, STAGES, screen)
    complete = submit(request, STAGES, screen)
    return summarize(complete) if complete else None


def left_out_lines(left_out: dict[str, str]) -> list[str]:
    """A line for each part that does not take part."""
    return [f"left out: {what}: {why}" for what, why in left_out.items()]

"""What a plan amounts to, before anything is made of it: for `--dry-run`, and in five lines before an evaluation starts."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from lumirage.core.model import Record, Weights
from lumirage.datasets.dataset_check import Finding
from lumirage.flow.forecast.cost_forecast import MethodCosts, expected_costs
from lumirage.flow.forecast.grid_plan import GridPlan, GridSizes
from lumirage.flow.forecast.label_forecast import LabelSourcePlan, label_sources
from lumirage.flow.forecast.plan_notes import plan_notes
from lumirage.flow.forecast.scan_findings import look_at
from lumirage.flow.method_setup.at_hand import AtHand, State
from lumirage.planning.evaluation_plan import Plan, scans_of

N = TypeVar("N", int, float)
PICTURE_BYTES, FIELD_BYTES = 4, 12
"""A voxel of a prepared image, and of a displacement field: float32."""


class MethodPlan(Record):
    """One method: what is missing of it, and what its runs that are to do are expected to use. None: not known."""

    name: str
    version: str
    image: str
    state: State
    image_bytes: int | None = None
    weights_missing: tuple[Weights, ...] = ()
    runs_to_do: int
    expected: MethodCosts
    limit_cpu_s: float | None = None
    """What a pair can use at most before its time is up, on all of its CPUs."""


class JobPlan(Record):
    """One container start."""

    id: str
    method: str
    condition: str
    repeat: int
    pairs: tuple[str, ...]


class DiskPlan(Record):
    """What the work will take below OUT, uncompressed, and what is free there. None: not known."""

    prepared_bytes: int | None
    answers_bytes: int | None
    free_bytes: int


class PlanOverview(Record):
    """A plan in numbers. Scans and pairs are those of what was asked for now, `track_pairs` all of the track."""

    schema_version: Literal[1] = 1
    track: str
    dataset: Path
    dataset_name: str
    dataset_is_made_first: bool
    out: Path
    out_is_new: bool
    runtime: str
    scans: int
    scans_read: int
    subjects: int
    sessions: int
    contrasts: dict[str, int]
    pairs: tuple[str, ...]
    track_pairs: int
    conditions: tuple[str, ...]
    repeats: int
    runs_to_do: int
    runs_complete: int
    label_sources: tuple[LabelSourcePlan, ...]
    scans_with_landmarks: int
    pairs_with_landmarks: int
    scans_with_mask: int
    pairs_with_masks: int
    pairs_with_true_field: int
    grids: tuple[GridPlan, ...]
    methods: tuple[MethodPlan, ...]
    cpu_s: float | None
    wall_s: float | None
    peak_memory_bytes: int | None
    disk: DiskPlan
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    jobs: tuple[JobPlan, ...]


def overview(plan: Plan, at_hand: Mapping[str, AtHand]) -> PlanOverview:
    """The plan in numbers. Reads the headers of all its images, and the voxels of the first ones."""
    evaluation, scans = plan.evaluation, scans_of(plan)
    pairs = [evaluation.under(pair, cell.name) for pair in plan.pairs for cell in plan.conditions]
    looked, grids = look_at(evaluation, scans), GridSizes(plan)
    methods = tuple(_methods(plan, at_hand, grids))
    costs = [method.expected for method in methods]
    return PlanOverview(
        track=evaluation.track.name,
        dataset=evaluation.dataset,
        dataset_name=evaluation.dataset_name,
        dataset_is_made_first=not evaluation.dataset.is_dir(),
        out=plan.layout.root,
        out_is_new=not plan.layout.evaluation.is_file(),
        runtime=evaluation.runtime,
        scans=len(scans),
        scans_read=looked.read,
        subjects=len({scan.subject for scan in scans}),
        sessions=len({(scan.subject, scan.session) for scan in scans if scan.session}),
        contrasts=dict(sorted(Counter(scan.suffix for scan in scans).items())),
        pairs=tuple(pair.id for pair in plan.pairs),
        track_pairs=len(evaluation.pairs),
        conditions=tuple(cell.name for cell in plan.conditions),
        repeats=evaluation.repeats,
        runs_to_do=sum(len(job.pairs) for job in plan.jobs),
        runs_complete=plan.complete,
        label_sources=label_sources(plan, scans, pairs, looked),
        scans_with_landmarks=sum(scan.landmarks is not None for scan in scans),
        pairs_with_landmarks=sum(bool(p.fixed.landmarks and p.moving.landmarks) for p in plan.pairs),
        scans_with_mask=sum(scan.mask is not None for scan in scans),
        pairs_with_masks=sum(bool(p.fixed.mask and p.moving.mask) for p in plan.pairs),
        pairs_with_true_field=sum(pair.truth is not None for pair in plan.pairs),
        grids=grids.plans,
        methods=methods,
        cpu_s=_all_known([cost.cpu_s for cost in costs], sum),
        wall_s=_all_known([cost.wall_s for cost in costs], sum),
        peak_memory_bytes=_all_known([cost.peak_memory_bytes for cost in costs if cost.cpu_s != 0], max),
        disk=_disk(plan, grids),
        findings=looked.findings,
        notes=plan_notes(plan),
        jobs=tuple(
            JobPlan(id=job.id, method=job.method.name, condition=job.condition, repeat=job.repeat, pairs=job.pairs)
            for job in plan.jobs
        ),
    )


def _all_known(numbers: Sequence[N | None], of: Callable[[Iterable[N]], N]) -> N | None:
    known = [number for number in numbers if number is not None]
    return of(known) if known and len(known) == len(numbers) else None


def _methods(plan: Plan, at_hand: Mapping[str, AtHand], grids: GridSizes) -> Iterator[MethodPlan]:
    """The methods that were asked for now; OUT may hold others."""
    for name in dict.fromkeys([*at_hand, *(job.method.name for job in plan.jobs)]):
        use = plan.evaluation.methods[name]
        found = at_hand[name if name in at_hand else use.dose_of]
        jobs = [job for job in plan.jobs if job.method.name == name]
        yield MethodPlan(
            name=name,
            version=use.card.version,
            image=found.image,
            state=found.state,
            weights_missing=found.weights,
            runs_to_do=sum(len(job.pairs) for job in jobs),
            expected=expected_costs(use, plan.jobs, grids),
            limit_cpu_s=min((job.limits.pair_timeout_s * job.limits.cpus for job in jobs), default=None),
        )


def _disk(plan: Plan, grids: GridSizes) -> DiskPlan:
    """Prepared images of what is to do, and as many fields as there will be runs."""
    runs = [(pair, job.condition) for job in plan.jobs for pair in job.pairs]
    answers, pictures = grids.total(runs), grids.total(sorted(set(runs)))
    there = next(folder for folder in (plan.layout.root, *plan.layout.root.parents) if folder.is_dir())
    return DiskPlan(
        prepared_bytes=None if pictures is None else 2 * PICTURE_BYTES * pictures,
        answers_bytes=None if answers is None else FIELD_BYTES * answers,
        free_bytes=shutil.disk_usage(there).free,
    )

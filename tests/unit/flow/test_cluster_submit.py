"""What is missing of a plan, and the arrays that are made of it."""

import math
from pathlib import Path

import pytest

from lumirage.core.layout import Layout
from lumirage.core.model import Limits, Method, Pair, Scan
from lumirage.core.track import Conditions, Evaluation, MethodUse, Track
from lumirage.flow.cluster import cluster_arrays
from lumirage.flow.cluster.cluster_arrays import (
    AT_LEAST,
    AT_MOST_MINUTES,
    BLOCK,
    MINUTES_A_PAIR,
    SPREAD,
    MissingWork,
    arrays_of,
    for_stages,
    missing_work,
)
from lumirage.flow.cluster.cluster_task import _job
from lumirage.flow.status import QueueState
from lumirage.planning.evaluation_plan import Plan
from lumirage.planning.jobs import JobSettings, make_jobs
from lumirage.running.executors.cluster_tasks import Array, Kind, Task
from lumirage.running.executors.slurm_site import Site

LIMITS = Limits(pair_timeout_s=600, memory_bytes=2**30, cpus=2)
OTHER = "spacing_mm-2"


def pair(i: int) -> Pair:
    fixed, moving = (Scan(name=f"sub-{i}{s}_T1w", subject=f"{i}{s}", suffix="T1w", image=Path("/x")) for s in "fm")
    return Pair(fixed=fixed, moving=moving)


def use(name: str, device: str = "cpu") -> MethodUse:
    card = Method.model_validate({"name": name, "version": "1", "summary": "", "kind": "deep", "device": device})
    return MethodUse(card=card, image=f"image/{name}", digest=f"sha256:{name}")


def plan_of(pairs: int, *uses: MethodUse, batch: int = 1, repeats: int = 1, levels: tuple[int, ...] = ()) -> Plan:
    """Nothing of it is complete."""
    track = Track(name="t", limits=LIMITS, conditions=Conditions(axes={"spacing_mm": levels} if levels else {}))
    chosen = tuple(pair(i) for i in range(pairs))
    evaluation = Evaluation(
        harness="1",
        contract=1,
        created="2026-01-01T00:00:00+00:00",
        dataset=Path("/bids"),
        dataset_name="d",
        derivatives={},
        runtime="apptainer",
        track=track,
        methods={one.card.name: one for one in uses},
        pairs=chosen,
        repeats=repeats,
    )
    cells = track.cells()
    jobs = make_jobs(uses, cells, chosen, JobSettings(LIMITS, batch, repeats), lambda *_: False)
    return Plan(Layout(Path("/out")), evaluation, chosen, cells, jobs, 0)


STAGES = ("run", "score", "compare", "report")


def everything(plan: Plan) -> MissingWork:
    return for_stages(missing_work(plan, [], QueueState()), STAGES)


def of_kind(kind: Kind, found: list[tuple[Array, list[Task]]]) -> list[tuple[Array, list[Task]]]:
    return [(array, tasks) for array, tasks in found if array.kind == kind]


def arrays(
    plan: Plan, work: MissingWork | None = None, most: int = 1000, site: Site | None = None
) -> list[tuple[Array, list[Task]]]:
    return [(array, list(tasks)) for array, tasks in arrays_of(work or everything(plan), plan, site or Site(), most)]


def test_all_is_missing_at_first() -> None:
    plan = plan_of(3, use("a"), use("b"))
    assert everything(plan) == MissingWork(plan.jobs, tuple(one.id for one in plan.pairs), tables=True)


def test_what_waits_in_the_queue_is_not_missing() -> None:
    plan = plan_of(3, use("a"))
    first, second, third = (one.id for one in plan.pairs)
    queued = QueueState({("a", "reference", 0, first): "PENDING", ("a", "reference", 0, third): "RUNNING"})
    work = missing_work(plan, [], queued)
    assert [job.pairs for job in work.jobs] == [(second,)]
    assert work.pairs == (second,)


def test_a_job_of_which_a_part_is_queued_is_another_job() -> None:
    plan = plan_of(3, use("a"), batch=3)
    (whole,) = plan.jobs
    queued = QueueState({("a", "reference", 0, whole.pairs[1]): "RUNNING"})
    (left,) = missing_work(plan, [], queued).jobs
    assert left.pairs == (whole.pairs[0], whole.pairs[2])
    assert left.id != whole.id, "a task removes what an earlier one of its id left: that must not be the one that runs"


def test_pairs_without_scores_are_scored_unless_that_is_queued_or_their_runs_come_first() -> None:
    plan = plan_of(4, use("a"))
    ids = [one.id for one in plan.pairs]
    run = plan.jobs[3:]
    rest = Plan(plan.layout, plan.evaluation, plan.pairs, plan.conditions, run, complete=3)
    work = missing_work(rest, [ids[2], ids[0]], QueueState(scores=frozenset({ids[0]})))
    assert work == MissingWork(run, (ids[2], ids[3]))


def test_a_task_of_a_cluster_is_the_job_that_was_planned_its_seed_and_repeat_included() -> None:
    plan = plan_of(2, use("a"), repeats=3)
    tasks = [task for _, tasks in of_kind("run", arrays(plan)) for task in tasks]
    planned = {job.id: job for job in plan.jobs}
    assert {planned[task.id].seed for task in tasks} == {0, 1, 2}
    for task in tasks:
        assert _job(task, plan.evaluation) == planned[task.id]


def test_nothing_missing_is_no_array() -> None:
    assert arrays(plan_of(1, use("a")), MissingWork()) == []


def test_the_arrays_wait_for_one_another() -> None:
    found = arrays(plan_of(2, use("a"), use("g", "gpu")))
    assert {array.name: array.after for array, _ in found} == {
        "prepare-0": (),
        "run-0": ("prepare-0",),
        "run-1": ("prepare-0",),
        "score-0": ("run-0", "run-1"),
        "finish-0": ("score-0",),  # which wait for the runs
    }
    assert [array.needs.gpus for array, _ in of_kind("run", found)] == [0, 1]
    assert all(array.count == len(tasks) for array, tasks in found)


@pytest.mark.parametrize(
    ("stages", "kinds"),
    [
        (("run",), ["prepare", "run"]),
        (("run", "score"), ["prepare", "run", "score"]),
        (STAGES, ["prepare", "run", "score", "finish"]),
    ],
)
def test_only_the_stages_that_were_asked_for(stages: tuple[str, ...], kinds: list[Kind]) -> None:
    plan = plan_of(2, use("a"))
    assert [array.kind for array, _ in arrays(plan, for_stages(everything(plan), stages))] == kinds


def test_scores_alone_need_no_runs() -> None:
    plan = plan_of(2, use("a"))
    found = arrays(plan, MissingWork(pairs=tuple(one.id for one in plan.pairs), tables=True))
    assert {array.name: array.after for array, _ in found} == {"score-0": (), "finish-0": ("score-0",)}


def test_every_run_is_one_task_and_each_pair_is_prepared_and_scored_once() -> None:
    plan = plan_of(30, use("a"), use("b"), batch=4, repeats=2, levels=(2,))
    found = arrays(plan, most=7)
    assert max(array.count for array, _ in found) == 7
    assert len({array.name for array, _ in found}) == len(found)
    runs = [
        (task.method, task.condition, task.repeat, one)
        for _, tasks in of_kind("run", found)
        for task in tasks
        for one in task.pairs
    ]
    assert len(runs) == len(set(runs)) == 30 * 2 * 2 * 2
    prepared = [(task.condition, one) for _, tasks in of_kind("prepare", found) for task in tasks for one in task.pairs]
    assert len(prepared) == len(set(prepared)) == 30 * 2
    assert {condition for condition, _ in prepared} == {"reference", OTHER}
    scored = [one for _, tasks in of_kind("score", found) for task in tasks for one in task.pairs]
    assert sorted(scored) == sorted(one.id for one in plan.pairs)


@pytest.mark.parametrize(("pairs", "methods"), [(3, 1), (500, 1), (500, 12), (2000, 3)])
def test_tasks_of_the_harness_take_some_pairs_and_not_all_day(pairs: int, methods: int) -> None:
    found = arrays(plan_of(pairs, *(use(f"m{i}") for i in range(methods))), most=1000)
    for kind, minutes_a_pair in (("prepare", MINUTES_A_PAIR), ("score", MINUTES_A_PAIR * (methods + 2))):
        for array, tasks in of_kind(kind, found):
            most = max(len(task.pairs) for task in tasks)
            assert most * minutes_a_pair <= min(array.needs.minutes, AT_MOST_MINUTES)
            work = min(pairs, AT_LEAST, AT_MOST_MINUTES // minutes_a_pair)
            assert work <= most <= max(AT_LEAST, math.ceil(pairs / SPREAD))


def crowd_plan(people: int) -> Plan:
    """All ordered pairs of some people."""
    scans = [Scan(name=f"sub-{i}_T1w", subject=f"{i}", suffix="T1w", image=Path("/x")) for i in range(people)]
    plan = plan_of(1, use("a"), use("b"))
    pairs = tuple(Pair(fixed=one, moving=other) for one in scans for other in scans if one is not other)
    evaluation = plan.evaluation.model_copy(update={"pairs": pairs})
    uses = tuple(evaluation.methods.values())
    jobs = make_jobs(uses, plan.conditions, pairs, JobSettings(LIMITS), lambda *_: False)
    return Plan(plan.layout, evaluation, pairs, plan.conditions, jobs, 0)


def test_a_block_waits_for_its_own_tasks_alone_and_for_a_block_some_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_arrays, "BLOCK", 6)
    plan = crowd_plan(7)
    found = {array.name: array for array, _ in arrays(plan, site=Site(at_once=40))}
    assert len(found) == 7 * 3 + 1
    assert found["run-2"].after == ("prepare-2",)
    assert found["score-2"].after == ("run-2",)
    assert found["prepare-3"].after == ()
    assert found["prepare-4"].after == ("run-0",)
    assert {array.at_once for name, array in found.items() if name != "finish-0"} == {10}
    assert set(found["finish-0"].after) == {f"score-{i}" for i in range(7)}


def test_both_directions_of_a_pair_are_in_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_arrays, "BLOCK", 6)
    for kind in ("prepare", "run", "score"):
        block = {
            pair: array.name
            for array, tasks in of_kind(kind, arrays(crowd_plan(7)))
            for task in tasks
            for pair in task.pairs
        }  # type: ignore[arg-type]
        assert len(block) == 42
        assert all(block[f"{a}-{b}"] == block[f"{b}-{a}"] for a, b in (name.split("-") for name in block)), kind


def test_small_evaluations_are_one_block() -> None:
    assert {array.at_once for array, _ in arrays(plan_of(BLOCK, use("a")))} == {None}


def test_a_method_with_options_of_its_own_has_arrays_of_its_own() -> None:
    site = Site.of_words(["b.partition=big"], 5)
    runs = of_kind("run", arrays(plan_of(2, use("a"), use("b")), site=site))
    assert [(array.method, {task.method for task in tasks}) for array, tasks in runs] == [("", {"a"}), ("b", {"b"})]


def test_tables_alone_are_one_task() -> None:
    """The task that was to make them has died."""
    plan = plan_of(2, use("a"))
    work = for_stages(MissingWork(), STAGES, tables=True)
    assert {array.name: array.after for array, _ in arrays(plan, work)} == {"finish-0": ()}
    assert arrays(plan, for_stages(MissingWork(), STAGES)) == []

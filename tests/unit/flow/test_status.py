"""What is done and what lacks scores, from the files."""

import dataclasses
import fcntl
import json
from pathlib import Path

from tests.unit.flow.test_cluster_submit import plan_of, use

from lumirage.core.evaluation_file import read_evaluation, write_evaluation
from lumirage.core.layout import Layout
from lumirage.core.model import Outcome, Run, Usage
from lumirage.core.records import write_json
from lumirage.core.track import Evaluation
from lumirage.flow.requested_pairs import with_requested
from lumirage.flow.status import QueueState, evaluation_status
from lumirage.planning.evaluation_plan import Plan
from lumirage.running.under_way import journal


def test_a_method_cannot_say_how_its_run_ended(tmp_path: Path):
    """Its own notes stand in the record too, whatever they say."""
    evaluation = plan_of(2, use("liar")).evaluation
    layout = Layout(tmp_path)
    for pair, outcome in zip(evaluation.pairs, (Outcome.TIMEOUT, Outcome.OK), strict=True):
        run = Run(
            harness="1", method="liar", image="sha256:0", runtime="docker", isolated=True, track="t",
            condition="reference", pair=pair.id, job="j", prepared="k", voxels=1, outcome=outcome, started="2026",
            cold=True, usage=Usage(wall_s=1.0), info={"outcome": "ok", "x": '\n "outcome": "ok"'},
            log_tail='\n "outcome": "ok"',
        )  # fmt: skip
        write_json(layout.run_files("liar", pair, "reference").record, run)
    counts = evaluation_status(layout, evaluation, QueueState()).counts["liar"]
    assert (counts["done"], counts["failed"]) == (1, 1)


def states(layout: Layout, evaluation: Evaluation) -> dict[str, int]:
    counts = evaluation_status(layout, evaluation, QueueState()).counts["tiny"]
    return {state: count for state, count in counts.items() if count}


def test_a_harness_under_way_is_not_missing_runs(tmp_path: Path) -> None:
    plan = plan_of(3, use("tiny"))
    layout, evaluation, (first, *_) = Layout(tmp_path), plan.evaluation, plan.jobs
    assert states(layout, evaluation) == {"missing": 3}
    with journal(layout.under_way, plan.jobs) as lines:
        assert states(layout, evaluation) == {"pending": 3}
        lines.add("started", first)
        assert states(layout, evaluation) == {"running": 1, "pending": 2}
        lines.add("ended", first)  # left out: no record, and nobody will make one
        assert states(layout, evaluation) == {"pending": 2, "missing": 1}
    assert states(layout, evaluation) == {"missing": 3}


def test_a_killed_harness_is_not_under_way(tmp_path: Path) -> None:
    plan, layout = plan_of(2, use("tiny")), Layout(tmp_path)
    layout.under_way.mkdir(parents=True)
    line = json.dumps(["planned", "tiny", "reference", 0, [pair.id for pair in plan.pairs]])
    (layout.under_way / "left.jsonl").write_text(f"{line}\nnot wh")
    assert states(layout, plan.evaluation) == {"missing": 2}
    with (layout.under_way / "left.jsonl").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert states(layout, plan.evaluation) == {"pending": 2}, "half a line is not read"
        with journal(layout.under_way, plan.jobs):
            assert len(list(layout.under_way.iterdir())) == 2, "another harness, with participants of its own"
    with journal(layout.under_way, plan.jobs):
        assert "left.jsonl" not in {path.name for path in layout.under_way.iterdir()}


def test_what_a_limit_left_out_was_not_asked_for(tmp_path: Path) -> None:
    plan = plan_of(3, use("tiny"))
    plan = dataclasses.replace(plan, layout=Layout(tmp_path))
    few = dataclasses.replace(plan, pairs=plan.pairs[:1], jobs=plan.jobs[:1])
    assert [len(job.pairs) for job in plan.jobs] == [1, 1, 1]
    written = noted(few)
    assert states(plan.layout, written) == {"missing": 1, "not_asked": 2}
    written = noted(dataclasses.replace(few, pairs=plan.pairs[1:2], jobs=plan.jobs[1:2]))
    assert states(plan.layout, written) == {"missing": 2, "not_asked": 1}
    assert states(plan.layout, noted(plan)) == {"missing": 3}
    assert states(plan.layout, noted(few)) == {"missing": 3}, "what was asked for once stays so"


def noted(plan: Plan) -> Evaluation:
    """As a command does under the lock, and what the next one reads."""
    write_evaluation(plan.layout, with_requested(plan).evaluation)
    return read_evaluation(plan.layout)

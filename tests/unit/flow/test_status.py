"""What is done and what lacks scores, from the files."""

from pathlib import Path

from tests.unit.flow.test_cluster_submit import plan_of, use

from lumirage.core.layout import Layout
from lumirage.core.model import Outcome, Run, Usage
from lumirage.core.records import write_json
from lumirage.flow.status import QueueState, evaluation_status


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

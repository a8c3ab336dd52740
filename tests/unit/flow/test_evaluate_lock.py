"""What another harness did to OUT while this one planned."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.flow.test_cluster_submit import plan_of, use

from lumirage.core.layout import Layout
from lumirage.core.records import read_json
from lumirage.core.screen import Silent
from lumirage.core.track import Evaluation
from lumirage.flow import evaluate as flow
from lumirage.flow.request import EvaluationRequest
from lumirage.planning.output_description import write_output_description


def test_a_method_that_another_harness_adds_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    layout = Layout(tmp_path / "out")
    base = plan_of(2).evaluation
    planned: list[EvaluationRequest] = []

    def slowly(order: EvaluationRequest, *_):
        """As the planner does: what OUT holds, with the wanted method added."""
        there = read_json(layout.evaluation, Evaluation).methods if layout.evaluation.exists() else {}
        mine = base.model_copy(update={"methods": {**there, "mine": use("mine")}})
        if not planned:
            write_output_description(layout, base.model_copy(update={"methods": {"theirs": use("theirs")}}))
        planned.append(order)
        return replace(plan_of(2), layout=layout, evaluation=mine)

    monkeypatch.setattr(flow, "plan_evaluation", slowly)
    monkeypatch.setattr(flow, "method_installer", lambda *_, **__: None)
    monkeypatch.setattr(flow, "methods_at_hand", lambda *_: None)
    monkeypatch.setattr(flow, "announce", lambda *_: None)
    monkeypatch.setattr(flow, "summarize", lambda *_: None)
    flow.evaluate(EvaluationRequest(methods=("mine",)), (), Silent())
    assert read_json(layout.evaluation, Evaluation).methods.keys() == {"mine", "theirs"}
    flow.evaluate(EvaluationRequest(methods=("mine",)), (), Silent())
    assert len(planned) == 3, "where nothing changed it is not planned again"

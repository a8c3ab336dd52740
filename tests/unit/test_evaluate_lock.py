"""What another harness did to OUT while this one planned."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.test_cluster import plan_of, use

from lumirage import evaluate as flow
from lumirage.layout import Layout
from lumirage.order import Order
from lumirage.planning.outputs import begin_tree
from lumirage.records import read_json
from lumirage.screen import Silent
from lumirage.track import Evaluation


def test_a_method_that_another_harness_adds_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    layout = Layout(tmp_path / "out")
    base = plan_of(2).evaluation
    planned: list[Order] = []

    def slowly(order: Order, *_):
        """As the planner does: what OUT holds, with the wanted method added."""
        there = read_json(layout.evaluation, Evaluation).methods if layout.evaluation.exists() else {}
        mine = base.model_copy(update={"methods": {**there, "mine": use("mine")}})
        if not planned:
            begin_tree(layout, base.model_copy(update={"methods": {"theirs": use("theirs")}}))
        planned.append(order)
        return replace(plan_of(2), layout=layout, evaluation=mine)

    monkeypatch.setattr(flow, "plan_order", slowly)
    monkeypatch.setattr(flow, "choose_machine", lambda *_: None)
    monkeypatch.setattr(flow, "summarize", lambda *_: None)
    flow.evaluate(Order(methods=("mine",)), (), Silent())
    assert read_json(layout.evaluation, Evaluation).methods.keys() == {"mine", "theirs"}
    flow.evaluate(Order(methods=("mine",)), (), Silent())
    assert len(planned) == 3, "where nothing changed it is not planned again"

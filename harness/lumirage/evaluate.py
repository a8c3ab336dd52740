"""The whole flow: plan, run, score, compare, report. Each stage reads what the stage before left on disk."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

from lumirage.execution import execute
from lumirage.layout import Layout
from lumirage.machine import choose_machine
from lumirage.meanwhile import Meanwhile
from lumirage.order import Order, plan_order
from lumirage.planning.outputs import begin_tree, place_work
from lumirage.planning.plan import Plan
from lumirage.planning.validation import check_names
from lumirage.records import read_json
from lumirage.running.lock import alone
from lumirage.running.shared_lock import changing, held_in_part
from lumirage.screen import Screen
from lumirage.stages import Scorers, compare, report, score, score_pairs
from lumirage.summary import Summary, summarize
from lumirage.track import Evaluation


def evaluate(order: Order, stages: Sequence[str], screen: Screen) -> Summary:
    """Carry out the stages that were asked for, in their order; what is complete already is not done again."""
    machine = choose_machine(order.runtime, screen)
    plan = plan_order(order, machine, screen)
    with alone(plan.layout):
        if _changed(plan):
            plan = plan_order(replace(order, out=plan.layout.root), machine, screen)
        place_work(plan.layout, order.work)
        begin_tree(plan.layout, plan.evaluation)
        if "run" in stages:
            with Meanwhile(plan.layout, plan.evaluation) if "score" in stages else nullcontext() as scorer:
                execute(plan, machine, order.jobs, order.gpus, screen, scorer)
        if "score" in stages:
            score(plan.layout, plan.evaluation.track.presets, Scorers(order.jobs), screen)
        if "compare" in stages:
            compare(plan.layout, screen)
        if "report" in stages:
            report(plan.layout, screen)
    return summarize(plan.layout)


def _changed(plan: Plan) -> bool:
    """Whether another harness changed the tree since it was planned: building images may take minutes, in which one can
    add a method and finish."""
    if not plan.layout.evaluation.exists():
        return False
    there, planned = read_json(plan.layout.evaluation, Evaluation), plan.evaluation
    return planned != there.model_copy(update={"methods": {**there.methods, **planned.methods}})


def evaluate_participants(order: Order, screen: Screen) -> Summary:
    """Execute and score the pairs of some participants, beside others who do the same for theirs in the same OUT.

    Without participants it is the whole OUT, alone. The tables are made by the group level.
    """
    if order.bids and not order.skip_validation:
        check_names(order.bids)
    machine = choose_machine(order.runtime, screen)
    begun = order.out is not None and order.out.exists()
    # whatever is wrong with the order is said before OUT is made
    layout = Layout(order.out) if order.out and begun else plan_order(order, machine, screen).layout
    parts = [layout.part_lock(label.removeprefix("sub-")) for label in sorted(set(order.participants))]
    with held_in_part(layout.lock, parts) if parts else alone(layout):
        with changing(layout.change_lock):
            plan = plan_order(order, machine, screen)  # again: another participant may have begun the tree meanwhile
            place_work(layout, order.work)
            begin_tree(layout, plan.evaluation)
        execute(plan, machine, order.jobs, order.gpus, screen)
        score_pairs(layout, [pair.id for pair in plan.pairs], Scorers(order.jobs), screen)
    return summarize(layout)


def finish(layout: Layout, screen: Screen) -> Summary:
    """The tables and the report of what is complete."""
    with alone(layout):
        score(layout, (), Scorers(), screen)
        compare(layout, screen)
        report(layout, screen)
    return summarize(layout)

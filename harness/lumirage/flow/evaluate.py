"""The evaluation: plan, run, score, compare, report. Each stage reads the files of the stage before."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from lumirage.core.errors import DamagedFileError
from lumirage.core.evaluation_answer import EvaluationAnswer
from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout
from lumirage.core.screen import Screen
from lumirage.flow.compare import compare
from lumirage.flow.forecast.plan_overview import overview
from lumirage.flow.forecast.plan_words import five_lines
from lumirage.flow.method_setup.at_hand import AtHand, methods_at_hand
from lumirage.flow.method_setup.install import MethodInstaller, method_installer
from lumirage.flow.plan import plan_evaluation
from lumirage.flow.report import report
from lumirage.flow.request import EvaluationRequest
from lumirage.flow.requested_pairs import with_requested
from lumirage.flow.run import run
from lumirage.flow.score import ScoringSettings, score, score_pairs
from lumirage.flow.score_during_run import ScoreDuringRun
from lumirage.flow.summary import summarize
from lumirage.flow.upkeep.mending import Mender
from lumirage.planning.bids_names import check_names
from lumirage.planning.evaluation_plan import Plan
from lumirage.planning.output_description import place_work_folder, write_output_description
from lumirage.running.participant_locks import lock_evaluation, lock_participants
from lumirage.running.tree_lock import lock_tree


def evaluate(request: EvaluationRequest, stages: Sequence[str], screen: Screen) -> EvaluationAnswer:
    """Carry out the requested stages in order; completed work is not repeated."""
    installer = method_installer(request.runtime, screen, offline=request.offline)
    at_hand = methods_at_hand(installer, request.methods)  # before what is missing is got
    plan = _planned(request, installer, screen)
    announce(plan, at_hand, screen)
    with lock_tree(plan.layout):
        request = replace(request, out=plan.layout.root)
        known = plan.layout.evaluation.exists()  # else nobody knows yet what belongs there
        mender = Mender(plan.layout, screen, executes="run" in stages)
        if mender.look() or _changed(plan):
            plan = plan_evaluation(request, installer, screen)
        place_work_folder(plan.layout, request.work)
        plan = with_requested(plan)
        write_output_description(plan.layout, plan.evaluation)
        if not known and mender.look():
            plan = plan_evaluation(request, installer, screen)
        while True:
            try:
                _carry_out(plan, installer, request, stages, screen)
                break
            except DamagedFileError as error:  # met where it was used: what it was needed for is done again
                mender.mend(error)
                plan = plan_evaluation(request, installer, screen)
    return summarize(plan.layout)


def _planned(request: EvaluationRequest, installer: MethodInstaller, screen: Screen) -> Plan:
    try:
        return plan_evaluation(request, installer, screen)
    except DamagedFileError as error:  # that of the evaluation itself
        Mender(Layout(error.path.parent), screen, executes=True).mend(error)
    return plan_evaluation(request, installer, screen)


def _carry_out(
    plan: Plan, installer: MethodInstaller, request: EvaluationRequest, stages: Sequence[str], screen: Screen
) -> None:
    if "run" in stages:
        with ScoreDuringRun(plan.layout, plan.evaluation) if "score" in stages else nullcontext() as scorer:
            run(plan, installer, request.jobs, request.gpus, screen, scorer)
    if "score" in stages:
        score(plan.layout, plan.evaluation.track.presets, ScoringSettings(request.jobs), screen)
    if "compare" in stages:
        compare(plan.layout, screen)
    if "report" in stages:
        report(plan.layout, screen, workers=request.jobs)


def announce(plan: Plan, at_hand: Mapping[str, AtHand], screen: Screen) -> None:
    """Say in five lines what is about to be done, if anything is."""
    if plan.jobs:
        for line in five_lines(overview(plan, at_hand)):
            screen.say(line)


def _changed(plan: Plan) -> bool:
    """Whether another harness changed the tree since it was planned: building images may take minutes, in which one can
    add a method and finish."""
    if not plan.layout.evaluation.exists():
        return False
    there, planned = read_evaluation(plan.layout), plan.evaluation
    methods, contents = {**there.methods, **planned.methods}, there.contents | planned.contents
    same = {"methods": methods, "contents": contents, "requested": planned.requested}
    return planned != there.model_copy(update=same)


def evaluate_participants(request: EvaluationRequest, screen: Screen) -> EvaluationAnswer:
    """Execute and score the pairs of some participants; other processes may do the same for others in the same OUT.

    Without participants it locks all of OUT. The tables are made at the group level.
    """
    if request.bids and not request.skip_validation:
        check_names(request.bids)
    installer = method_installer(request.runtime, screen, offline=request.offline)
    begun = request.out is not None and request.out.exists()
    # whatever is wrong with the request is said before OUT is made
    layout = Layout(request.out) if request.out and begun else plan_evaluation(request, installer, screen).layout
    parts = [layout.part_lock(label.removeprefix("sub-")) for label in sorted(set(request.participants))]
    with lock_participants(layout.lock, parts) if parts else lock_tree(layout):
        mender = Mender(layout, screen, executes=True)
        mender.look()

        def carry_out() -> None:
            with lock_evaluation(layout.change_lock):
                # again: another participant may have begun the tree meanwhile
                plan = plan_evaluation(request, installer, screen)
                place_work_folder(layout, request.work)
                plan = with_requested(plan)
                write_output_description(layout, plan.evaluation)
            run(plan, installer, request.jobs, request.gpus, screen)
            score_pairs(layout, [pair.id for pair in plan.pairs], ScoringSettings(request.jobs), screen)

        mender.over(carry_out)
    return summarize(layout)


def finish(layout: Layout, screen: Screen) -> EvaluationAnswer:
    """Score, compare and report all complete runs."""

    def make() -> None:
        score(layout, (), ScoringSettings(), screen)
        compare(layout, screen)
        report(layout, screen)

    with lock_tree(layout):
        mender = Mender(layout, screen, executes=False)
        mender.look()
        mender.over(make)
    return summarize(layout)

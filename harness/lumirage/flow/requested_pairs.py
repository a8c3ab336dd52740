"""Remembers which pairs were asked for, so that `--limit` does not leave the rest of the track looking unfinished."""

from dataclasses import replace

from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.set_aside import exists
from lumirage.planning.evaluation_plan import Plan


def with_requested(plan: Plan) -> Plan:
    """The plan, its evaluation with what is asked for now beside what was asked for before. For who holds the tree's lock."""
    before = read_evaluation(plan.layout) if exists(plan.layout.evaluation) else None
    methods, requested = (before.methods, dict(before.requested)) if before else ({}, {})
    every = {pair.id for pair in plan.evaluation.pairs}
    for method in {job.method.name for job in plan.jobs}:
        if method in methods and method not in requested:
            continue  # all of the track was asked for before
        asked = {pair.id for pair in plan.pairs} | set(requested.get(method, ()))
        requested[method] = tuple(sorted(asked))
        if asked >= every:
            del requested[method]
    return replace(plan, evaluation=plan.evaluation.model_copy(update={"requested": requested}))

"""What a person should know of a plan besides its numbers."""

from collections.abc import Iterator

from lumirage.planning.evaluation_plan import Plan
from lumirage.planning.session_order import session_order
from lumirage.planning.working_grid import unmet_needs


def plan_notes(plan: Plan) -> tuple[str, ...]:
    """What the dataset's numbers cannot say, what was found of labels, how sessions were ordered, and which methods may not
    manage the working grids."""
    return (*filter(None, (plan.evaluation.caution,)), *plan.notes, *_sessions(plan), *_needs(plan))


def _sessions(plan: Plan) -> tuple[str, ...]:
    if plan.evaluation.track.pairing.sessions != "between":
        return ()
    scans = [scan for pair in plan.evaluation.pairs for scan in (pair.fixed, pair.moving)]
    return session_order(scans, plan.evaluation.dataset)[1]


def _needs(plan: Plan) -> Iterator[str]:
    for card in {job.method.name: job.method for job in plan.jobs}.values():
        if names := unmet_needs(card.needs, plan.conditions):
            wanted = card.needs.model_dump(exclude_defaults=True)
            yield f"{card.name} needs a working grid of {wanted}; it may fail under {', '.join(names)}"

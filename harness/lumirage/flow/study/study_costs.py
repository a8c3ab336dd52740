"""What the methods cost on each track: medians over the runs that ended well. Costs differ from run to run, so they are
apart from the results, which do not."""

import statistics
from collections.abc import Sequence

from lumirage.core.model import Outcome, Run
from lumirage.core.study_layout import StudyLayout
from lumirage.core.study_results import CostOnTrack, StudyResults
from lumirage.core.track import REFERENCE
from lumirage.flow.stored_evaluation import load_evaluation, load_runs


def study_costs(layout: StudyLayout, results: StudyResults) -> tuple[CostOnTrack, ...]:
    """A row for each track and method, under the track's reference condition."""
    found = []
    for facts in results.tracks:
        track = layout.track(facts.name)
        evaluation = load_evaluation(track)
        well: dict[str, list[Run]] = {method: [] for method in evaluation.methods}
        for (method, condition, _, _), run in load_runs(track, evaluation).items():
            if condition == REFERENCE and run.outcome is Outcome.OK:
                well[method].append(run)
        found += [_cost(facts.name, method, runs) for method, runs in well.items()]
    return tuple(found)


def _cost(track: str, method: str, runs: Sequence[Run]) -> CostOnTrack:
    return CostOnTrack(
        track=track,
        method=method,
        n=len(runs),
        wall_s=_median([run.wall_s for run in runs]),
        cpu_s=_median([run.cpu_s_per_pair for run in runs]),
        peak_memory_bytes=_median([run.usage.peak_memory_bytes for run in runs]),
        device=", ".join(sorted({run.device for run in runs} - {""})),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(statistics.median(known)) if known else None

"""Means under the track's failure policy, so that no figure rewards a method for failing on the hard pairs.

The rule is that of the analysis (`lumirage.core.failure_policy`), whose tables carry the same means with intervals.
These serve the figures that need them for every condition, and the time before the analysis has been made.
"""

import numpy as np

from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.report_inputs import Inputs


def filled_values(inputs: Inputs, measure: Measure, condition: str, pairs: np.ndarray | None = None) -> np.ndarray:
    """Values (methods, pairs), failures filled as the track's policy says, repeats averaged; NaN where there is none.

    `pairs` is a mask of the pairs that count; all where it is not given.
    """
    values = inputs.raw(measure, condition).under(inputs.evaluation.track.on_failure, measure.metric)
    return values if pairs is None else values[:, pairs]


def filled_means(inputs: Inputs, measure: Measure, condition: str, pairs: np.ndarray | None = None) -> dict[str, float]:
    """Mean of each method over all pairs, or those of a mask; NaN for a method that has no value of its own."""
    measured = inputs.matrix(measure, condition)
    own = np.isfinite(measured if pairs is None else measured[:, pairs]).any(axis=1)
    filled = filled_values(inputs, measure, condition, pairs)
    return {
        method: float(np.nanmean(row)) if has else float("nan")
        for method, row, has in zip(inputs.methods, filled, own, strict=True)
    }

"""Means under the track's failure policy, so that no figure rewards a method for failing on the hard pairs.

The analysis' tables carry the same means with intervals; these serve the figures that need them for every condition,
and the time before the analysis has been made.
"""

import numpy as np

from lumirage.reporting.inputs import Inputs
from lumirage.reporting.measures import Measure


def filled_values(inputs: Inputs, measure: Measure, condition: str, pairs: np.ndarray | None = None) -> np.ndarray:
    """Values (methods, pairs) with what is missing filled as the track's policy says; pairs nobody has are left out.

    `pairs` is a mask of the pairs that count; all where it is not given.

    identity: the value of doing nothing on that pair (where it was scored); worst: the worst of that pair;
    drop: stays NaN. In measures of regularity, where doing nothing is perfect, identity is the worst too.
    """
    values = _chosen(inputs.matrix(measure, condition), pairs)
    values = values[:, np.isfinite(values).any(axis=0)]
    policy = inputs.evaluation.track.on_failure
    if policy == "drop" or not values.size:
        return values
    worst = np.nanmin(values, axis=0) if measure.higher_is_better else np.nanmax(values, axis=0)
    if policy == "identity" and "identity" in inputs.methods and not measure.is_regularity:
        nothing = values[inputs.methods.index("identity")]
        worst = np.where(np.isfinite(nothing), nothing, worst)
    return np.where(np.isfinite(values), values, worst)


def _chosen(values: np.ndarray, pairs: np.ndarray | None) -> np.ndarray:
    return values if pairs is None else values[:, pairs]


def filled_means(inputs: Inputs, measure: Measure, condition: str, pairs: np.ndarray | None = None) -> dict[str, float]:
    """Mean of each method over all pairs, or those of a mask; NaN for a method that has no value of its own."""
    own = np.isfinite(_chosen(inputs.matrix(measure, condition), pairs)).any(axis=1)
    filled = filled_values(inputs, measure, condition, pairs)
    return {
        method: float(np.nanmean(row)) if has else float("nan")
        for method, row, has in zip(inputs.methods, filled, own, strict=True)
    }

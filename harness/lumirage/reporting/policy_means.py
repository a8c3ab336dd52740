"""Means under the track's failure policy, so that no figure rewards a method for failing on the hard pairs.

The rule is that of the analysis and of the console (`lumirage.core.failure_policy`), whose tables carry the same means.
"""

import numpy as np

from lumirage.core.failure_policy import PolicyMean
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.report_inputs import Inputs


def filled_values(inputs: Inputs, measure: Measure, condition: str, pairs: np.ndarray | None = None) -> np.ndarray:
    """Values (methods, pairs), failures filled as the track's policy says, repeats averaged; NaN where there is none.

    `pairs` is a mask of the pairs that count; all where it is not given.
    """
    values = inputs.raw(measure, condition).under(inputs.evaluation.track.on_failure, measure.metric)
    return values if pairs is None else values[:, pairs]


def policy_means(
    inputs: Inputs, measure: Measure, condition: str, pairs: np.ndarray | None = None
) -> dict[str, PolicyMean]:
    """Mean of each method over all pairs, or those of a mask, with how many of them the policy filled."""
    return inputs.raw(measure, condition).means(inputs.evaluation.track.on_failure, measure.metric, pairs)


def filled_means(inputs: Inputs, measure: Measure, condition: str, pairs: np.ndarray | None = None) -> dict[str, float]:
    """The same as bare numbers; NaN for a method without any value."""
    return {method: mean.value for method, mean in policy_means(inputs, measure, condition, pairs).items()}


def filled_words(mean: PolicyMean) -> str:
    """How much of a mean the policy filled, for a reader: "3 of 12 filled"; empty where nothing was."""
    return f"{mean.filled} of {mean.n_pairs} filled" if mean.filled else ""

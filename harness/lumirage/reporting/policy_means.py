"""Computes means under the track's failure policy, so that no figure rewards a method for failing on hard pairs.

The analysis and the console use the same rule (`lumirage.core.failure_policy`), so their tables have the same means.
"""

import numpy as np

from lumirage.core.failure_policy import PolicyMean
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.report_inputs import Inputs


def filled_values(inputs: Inputs, measure: Measure, condition: str, pairs: np.ndarray | None = None) -> np.ndarray:
    """Values (methods, pairs), failures filled by the track's policy, repeats averaged; NaN if there is none.

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
    """The same as plain numbers; NaN for a method without any value."""
    return {method: mean.value for method, mean in policy_means(inputs, measure, condition, pairs).items()}


def filled_words(mean: PolicyMean) -> str:
    """How much of a mean the policy filled, as text: "3 of 12 filled"; empty if nothing was."""
    return f"{mean.filled} of {mean.n_pairs} filled" if mean.filled else ""

"""Counts significant losses by the unpaired rank-sum test, as Learn2Reg does, in the list itself and in draws of subjects.

A draw gives each pair a weight; a value counts as often as its pair was drawn. The weighted test is scipy's
`ranksums` of the repeated values (normal approximation, no correction for ties), without repeating them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from lumirage.analysis.ranking_schemes import LOWEST_RANK_SCORE, LUMIR_ALPHA
from lumirage.analysis.resampling import FloatArray


@dataclass(frozen=True)
class Factor:
    """One factor of a challenge's score: the values of one metric, one for each pair, or for each label of each pair."""

    name: str
    merits: FloatArray
    """(methods, units), higher is better; NaN if there is no value."""
    pair_of_unit: npt.NDArray[np.int64]
    """(units,): index of the pair that a value belongs to."""
    n_pairs: int
    weight: float = 1.0


def losses_in_draws(factor: Factor, weights: FloatArray, alpha: float = LUMIR_ALPHA) -> FloatArray:
    """How many others are significantly better than each method, (draws, methods), for `weights` (draws, pairs).

    A method without any value in a draw has lost to all, itself included: it shares the lowest rank score.
    """
    n_methods = len(factor.merits)
    losses = np.zeros((len(weights), n_methods))
    critical = stats.norm.isf(alpha / 2)
    there = np.isfinite(factor.merits)
    counts = np.stack([np.bincount(factor.pair_of_unit[row], minlength=factor.n_pairs) for row in there])
    sizes = weights @ counts.T.astype(np.float64)
    for i in range(n_methods):
        for j in range(i + 1, n_methods):
            z = _statistic(_wins(factor, i, j), weights, sizes[:, i], sizes[:, j])
            losses[:, j] += z > critical
            losses[:, i] += z < -critical
    return np.where(sizes > 0, losses, float(n_methods))


def rank_scores_in_draws(losses: FloatArray) -> FloatArray:
    """Losses (draws, methods) to rank scores, equally spaced from .1 (the most) to 1 (the fewest); ties share the middle."""
    places = stats.rankdata(-losses, method="average", axis=-1)
    span = max(losses.shape[-1] - 1, 1)
    return np.asarray(LOWEST_RANK_SCORE + (1 - LOWEST_RANK_SCORE) * (places - 1) / span)


def _wins(factor: Factor, i: int, j: int) -> FloatArray:
    """(pairs, pairs): how often a value of method i in a pair is above one of method j in another; equals count half."""
    a, b, pair = factor.merits[i], factor.merits[j], factor.pair_of_unit
    found = np.zeros((factor.n_pairs, factor.n_pairs))
    of_a = np.isfinite(a)
    values, rows = a[of_a], pair[of_a]
    for q in range(factor.n_pairs):
        others = np.sort(b[(pair == q) & np.isfinite(b)])
        below = np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")
        found[:, q] = np.bincount(rows, weights=below / 2, minlength=factor.n_pairs)
    return found


def _statistic(wins: FloatArray, weights: FloatArray, n_a: FloatArray, n_b: FloatArray) -> FloatArray:
    """z of the rank-sum test in every draw, above 0 if the first is better; 0 where one has no value."""
    won = ((weights @ wins) * weights).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (won - n_a * n_b / 2) / np.sqrt(n_a * n_b * (n_a + n_b + 1) / 12)
    return np.where(np.isfinite(z), z, 0.0)

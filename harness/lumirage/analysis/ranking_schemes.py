"""Computes four ranking schemes from a matrix of values: arrays in, arrays out.

The LUMIR score follows Learn2Reg's public ranking code (github.com/MDL-UzL/L2R, ranking/ranking_utils.py): for
each metric it counts how many others are significantly better than a method; the fewest get rank score 1, the most .1,
with ties averaged, and the metrics' rank scores are combined by a geometric mean. (Its text says wins by the
signed-rank test; its code counts losses by the unpaired rank-sum test at p < .05; we follow the code.)
LUMIR's page gives its scores without the formula. Five factors with TRE taken twice, as Learn2Reg's notebook for
landmarks has it, are inferred: they give the published .157 of doing nothing if it is last in TRE, Dice and HD95 and
one of three that share the top of 21 in folding; four factors give no .157 with it last in three. Not confirmed.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

from lumirage.analysis.designs import Design
from lumirage.analysis.paired_effects import paired_effects
from lumirage.analysis.resampling import FloatArray, Resampling
from lumirage.analysis.significance import holm

LUMIR_FACTORS = ("tre", "tre", "dice", "hd95", "ndv_percent")
"""Prefixes of the metrics whose rank scores are multiplied."""

BoolArray = npt.NDArray[np.bool_]

SAME = 1e-9
"""Relative differences below this are rounding errors."""

LUMIR_ALPHA = 0.05
LOWEST_RANK_SCORE = 0.1


def ranks_of(merits: FloatArray) -> FloatArray:
    """Ranks from 1 (the highest merit) along the last axis; equals share the better rank, NaN has none."""
    # Rounded, so that equal merits stay equal whatever the order of their sums.
    filled = np.where(np.isfinite(merits), -np.round(merits, 12), np.inf)
    ranks = stats.rankdata(filled, method="min", axis=-1).astype(np.float64)
    return np.where(np.isfinite(merits), ranks, np.nan)


def mean_merits(merits: FloatArray) -> FloatArray:
    """Aggregate-then-rank: mean merit of (methods, pairs) over each method's own pairs; NaN without any."""
    there = np.isfinite(merits)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, merits, 0.0).sum(axis=1) / there.sum(axis=1))


def ranks_in_pairs(merits: FloatArray) -> FloatArray:
    """Rank-then-aggregate, first step: ranks of the methods in every pair, (methods, pairs); ties get the middle rank.

    A method without a value in a pair has no rank there (policy drop), and does not count among the others.
    """
    filled = np.where(np.isfinite(merits), -merits, np.inf)
    ranks = stats.rankdata(filled, method="average", axis=0)
    return np.where(np.isfinite(merits), ranks, np.nan)


def told_better(merits: FloatArray, design: Design, resampling: Resampling, alpha: float = 0.05) -> BoolArray:
    """Whether method i is better than j at p < alpha after Holm over all couples, (methods, methods).

    The test is the default one of effects, of subjects, with its small-sample correction. A difference that is the same
    on every pair has no p, and its sign decides. Without an interval, no method is better.
    """
    n_methods = len(merits)
    better = np.zeros((n_methods, n_methods), dtype=np.bool_)
    first, second = np.triu_indices(n_methods, 1)
    if not design.bootstrap_defined or n_methods < 2:
        return better
    effects = paired_effects(merits[first].T, merits[second].T, design, resampling)
    size = np.maximum(np.abs(effects.mean_a), np.abs(effects.mean_b))
    with np.errstate(invalid="ignore"):
        without_spread = np.isnan(effects.p) & (effects.se <= SAME * size)
        p = np.where(without_spread, np.where(np.abs(effects.difference) > SAME * size, 0.0, 1.0), effects.p)
        told = holm(p) < alpha
        better[first, second] = told & (effects.difference > 0)
        better[second, first] = told & (effects.difference < 0)
    return better


def significant_wins(merits: FloatArray, better: BoolArray, design: Design) -> FloatArray:
    """Test-then-rank: the number of others that each method is significantly better than, (methods,).

    NaN for a method without values; all NaN where no interval exists.
    """
    if not design.bootstrap_defined or len(merits) < 2:
        return np.full(len(merits), np.nan)
    return np.where(np.isfinite(merits).any(axis=1), better.sum(axis=1, dtype=np.float64), np.nan)


def rank_sum_losses(merits: FloatArray, alpha: float = LUMIR_ALPHA) -> npt.NDArray[np.int64]:
    """How many others are better by the unpaired two-sided rank-sum test over pairs, as Learn2Reg counts, (methods,)."""
    losses = np.zeros(len(merits), dtype=np.int64)
    for i in range(len(merits)):
        for j in range(i + 1, len(merits)):
            a, b = (row[np.isfinite(row)] for row in (merits[i], merits[j]))
            if a.size and b.size:
                test = stats.ranksums(a, b)
                if test.pvalue < alpha:
                    losses[j if test.statistic > 0 else i] += 1
    # A method without any value shares the lowest rank score.
    return np.where(np.isfinite(merits).any(axis=1), losses, len(merits))


def rank_scores(losses: npt.ArrayLike) -> FloatArray:
    """Losses to rank scores, equally spaced from .1 (the most) to 1 (the fewest); ties get the middle score."""
    counted = np.asarray(losses)
    steps = np.linspace(LOWEST_RANK_SCORE, 1.0, len(counted))
    return np.interp(stats.rankdata(-counted, method="average") - 1, np.arange(len(counted)), steps)


def lumir_score(factors: FloatArray) -> FloatArray:
    """Geometric mean over the factors' rank scores, (factors, methods) -> (methods,)."""
    return np.asarray(stats.gmean(factors, axis=0))

"""Assigns places to methods: ranks by merit, and ties for methods that cannot be distinguished."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lumirage.analysis import ranking_schemes as schemes
from lumirage.analysis.resampling import FloatArray
from lumirage.analysis.score_matrices import Cell
from lumirage.core.rank_groups import groups_of, place_words, rank_intervals


@dataclass(frozen=True)
class RankedBy:
    """One ranking: the merits, which method is significantly better than which, and the merits in every draw of subjects."""

    scheme: str
    merits: FloatArray
    competing: schemes.BoolArray
    """(methods,): the others have a merit, and no rank."""
    better: schemes.BoolArray | None
    drawn: FloatArray | None
    """(draws, methods)"""


@dataclass(frozen=True)
class Places:
    """The resulting list, one array over the methods each; NaN and '' for undefined entries."""

    ranks: FloatArray
    words: Sequence[str]
    low: FloatArray
    high: FloatArray
    first: FloatArray
    agreement: float


def places_of(cell: Cell, by: RankedBy) -> Places:
    """Ranks by merit, with methods without any own value last; and places with ties for undistinguished methods."""
    nothing = np.full(len(by.merits), np.nan)
    own = np.where(cell.without_own | ~by.competing, np.nan, by.merits)
    ranks = schemes.ranks_of(own)
    last = cell.without_own & by.competing & np.isfinite(by.merits)
    ranks[last] = np.isfinite(own).sum() + 1
    first, agreement = _in_draws(cell, by.drawn, ranks)
    if by.better is None:
        return Places(ranks, place_words(ranks), nothing, nothing, first, agreement)
    # an answer is better than none, whatever the policy puts in its place
    better = (by.better & ~last[:, None] & ~last[None, :]) | (~last[:, None] & last[None, :])
    words = place_words(groups_of(ranks, better))
    if not cell.design.bootstrap_defined:
        return Places(ranks, words, nothing, nothing, first, agreement)
    return Places(ranks, words, *rank_intervals(ranks, better), first, agreement)


def _in_draws(cell: Cell, drawn: FloatArray | None, ranks: FloatArray) -> tuple[FloatArray, float]:
    """Share of draws in which a method is first, and mean Spearman agreement of a draw's list with the list."""
    first = np.full(len(ranks), np.nan)
    ranked = np.isfinite(ranks)
    if drawn is None or not cell.design.bootstrap_defined or ranked.sum() < 2:
        return first, float("nan")
    again = schemes.ranks_of(drawn[:, ranked])
    again = again[np.isfinite(again).all(axis=1)]
    if not len(again):
        return first, float("nan")
    first[ranked] = (again == 1).mean(axis=0)
    return first, mean_correlation(again, ranks[ranked])


def mean_correlation(drawn: FloatArray, ranks: FloatArray) -> float:
    """Mean Spearman correlation of the draws' ranks (draws, methods) with a list's; NaN if all are tied."""
    a = drawn - drawn.mean(axis=1, keepdims=True)
    b = ranks - ranks.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (a @ b) / np.sqrt((a**2).sum(axis=1) * (b**2).sum())
    there = np.isfinite(r)
    return float(r[there].mean()) if there.any() else float("nan")

"""Which places of a ranking can be distinguished, given which methods are significantly better than which others.

The ranking is divided only where every method above is significantly better than every method below. All methods between
two divisions share a place ("2="). The interval of a method's rank goes from 1 + the number of significantly better
methods to n - the number of significantly worse ones. If the tests hold simultaneously at 95 %, as after Holm's
correction, so do all intervals (Al Mohamad, Goeman and van Zwet, arXiv:1708.02428).
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Ranks = npt.NDArray[np.float64]


def groups_of(ranks: Ranks, better: Bools) -> Ranks:
    """The place of each method, 1 is best, (methods,); NaN for a method without a rank.

    `ranks` are by means, NaN if there is none; `better[i, j]`: method i is significantly better than j.
    """
    groups = np.full(len(ranks), np.nan)
    order = [int(i) for i in np.argsort(ranks, kind="stable") if np.isfinite(ranks[i])]
    start = 0
    for k in range(1, len(order) + 1):
        if k == len(order) or better[np.ix_(order[:k], order[k:])].all():
            groups[order[start:k]] = start + 1
            start = k
    return groups


def rank_intervals(ranks: Ranks, better: Bools) -> tuple[Ranks, Ranks]:
    """Lowest and highest rank of each method that the tests allow, (methods,) each; NaN for a method without a rank."""
    ranked = np.isfinite(ranks)
    among = better & ranked[:, None] & ranked[None, :]
    low = np.minimum(1.0 + among.sum(axis=0), ranks)
    high = np.maximum(float(ranked.sum()) - among.sum(axis=1), ranks)
    return np.where(ranked, low, np.nan), np.where(ranked, high, np.nan)


def place_words(groups: Iterable[float]) -> list[str]:
    """The places as text: "1", or "2=" if several methods share it; empty if there is none."""
    groups = [float(group) for group in groups]
    known = [group for group in groups if np.isfinite(group)]
    return [f"{group:.0f}{'=' if known.count(group) > 1 else ''}" if np.isfinite(group) else "" for group in groups]

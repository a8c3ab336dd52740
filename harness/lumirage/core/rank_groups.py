"""Ties are ties: which places of a list of methods can be told apart, given who is told better than whom.

A list is cut only where everybody above is told better than everybody below, so that no order is claimed that cannot be
told; whoever stands between two cuts shares a place ("2="). A method's interval of ranks goes from one more than the
number of those told better than it to the place that those told worse leave it: where the tests hold together at 95 %,
as Holm's do, so do all intervals (Al Mohamad, Goeman and van Zwet, arXiv:1708.02428).
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Ranks = npt.NDArray[np.float64]


def groups_of(ranks: Ranks, better: Bools) -> Ranks:
    """The place that each method shares, 1 the best, (methods,); NaN for who has no rank.

    `ranks` are by means, NaN where there is none; `better[i, j]` says that i is told better than j.
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
    """Lowest and highest rank that the tests leave each method, (methods,) each; NaN for who has no rank."""
    ranked = np.isfinite(ranks)
    among = better & ranked[:, None] & ranked[None, :]
    low = np.minimum(1.0 + among.sum(axis=0), ranks)
    high = np.maximum(float(ranked.sum()) - among.sum(axis=1), ranks)
    return np.where(ranked, low, np.nan), np.where(ranked, high, np.nan)


def place_words(groups: Iterable[float]) -> list[str]:
    """The places for a reader: "1", "2=" where several share it, empty where there is none."""
    groups = [float(group) for group in groups]
    known = [group for group in groups if np.isfinite(group)]
    return [f"{group:.0f}{'=' if known.count(group) > 1 else ''}" if np.isfinite(group) else "" for group in groups]

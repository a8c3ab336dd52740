"""Turns scores of teams, as a scheme has computed them, into a list: ranks, shared places, and the ranks of every draw."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.analysis import ranking_schemes as schemes
from lumirage.analysis.rank_places import mean_correlation
from lumirage.analysis.ranking import NOT_RANKED
from lumirage.analysis.resampling import FloatArray
from lumirage.core.model import SENTINELS
from lumirage.core.rank_groups import groups_of, place_words

LIST_COLUMNS = (
    "scheme", "team", "kind", "rank", "place", "score", "value", "n_pairs", "failed", "rank_low", "rank_high",
    "first_share", "note",
)  # fmt: skip
"""Columns of a list. `score` is what the scheme ranks by, higher is better; `value` the mean of the main metric;
`rank_low` to `rank_high` the ranks in 95 % of the draws. `kind` is team, baseline or sentinel."""

INCOMPLETE = "lacks answers: ranked after the complete submissions"
ALONE = "lacks answers: shares no place"


@dataclass(frozen=True)
class Scored:
    """What a scheme has computed, one entry for each method; all are listed, teams are ranked."""

    scheme: str
    methods: tuple[str, ...]
    scores: FloatArray
    """NaN: no rank."""
    drawn: FloatArray
    """(draws, methods) scores when subjects are resampled; no row where that is undefined."""
    values: FloatArray
    n_pairs: npt.NDArray[np.int64]
    better: npt.NDArray[np.bool_] | None = None
    """Whether one is told better than another; None: only equal scores share a place."""
    last: frozenset[str] = frozenset()
    """Ranked after all others."""
    said: dict[str, str] = field(default_factory=dict)
    """Method -> why it has no rank."""
    factors: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TeamList:
    """One list."""

    scheme: str
    table: pd.DataFrame
    """LIST_COLUMNS, teams by rank, then baselines and sentinels by score."""
    teams: tuple[str, ...]
    """Those with a rank, in the order of `draws`."""
    draws: FloatArray
    """(draws, teams) ranks of the teams when subjects are resampled; no row where that is undefined."""
    stability: float
    """Mean Spearman correlation of a draw's list with the list; NaN where undefined."""
    factors: pd.DataFrame
    """For the schemes of challenges: columns team, factor, mean, rank_score."""
    notes: tuple[str, ...]

    @property
    def ranks(self) -> "pd.Series[float]":
        """Team -> its rank; NaN where it has none."""
        return self.table[self.table["kind"] == "team"].set_index("team")["rank"]


def kind_of(method: str, baselines: Collection[str]) -> str:
    """team, baseline or sentinel."""
    return "sentinel" if method in SENTINELS else "baseline" if method in baselines else "team"


def listed(scored: Scored, failed: dict[str, int], baselines: Collection[str]) -> TeamList:
    """The list. `failed`: method -> its number of pairs without a valid answer."""
    names = [m for m in scored.methods if kind_of(m, baselines) == "team"]
    at = [scored.methods.index(m) for m in names]
    last = np.array([m in scored.last for m in names], dtype=np.bool_)
    ranks = _ranks(scored.scores[at], last)
    there = np.isfinite(ranks)
    drawn = _ranks(scored.drawn[:, at], last)[:, there] if len(scored.drawn) else np.empty((0, int(there.sum())))
    drawn = drawn[np.isfinite(drawn).all(axis=1)]  # a draw can leave no pair
    kept = tuple(name for name, known in zip(names, there, strict=True) if known)
    places = _places(scored, at, ranks, np.array([failed[m] > 0 for m in names], dtype=np.bool_))
    rows = []
    for k, method in enumerate(scored.methods):
        of = names.index(method) if method in names else -1
        mine = drawn[:, kept.index(method)] if method in kept and len(drawn) else np.empty(0)
        low, high = np.percentile(mine, [2.5, 97.5], method="closest_observation") if mine.size else (np.nan, np.nan)
        rows.append(
            {
                "scheme": scored.scheme, "team": method, "kind": kind_of(method, baselines),
                "rank": ranks[of] if of >= 0 else np.nan, "place": places[of] if of >= 0 else "",
                "score": scored.scores[k], "value": scored.values[k], "n_pairs": int(scored.n_pairs[k]),
                "failed": failed[method], "rank_low": low, "rank_high": high,
                "first_share": (mine == 1).mean() if mine.size else np.nan,
                "note": NOT_RANKED if of < 0 else _note(scored, method, failed[method]),
            }
        )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(LIST_COLUMNS))
    order = table.assign(x=table["kind"].map({"team": 0, "baseline": 1, "sentinel": 2})).sort_values(
        ["x", "rank", "score", "team"], ascending=[True, True, False, True]
    )
    return TeamList(
        scored.scheme,
        order[list(LIST_COLUMNS)].reset_index(drop=True),
        kept,
        drawn,
        mean_correlation(drawn, ranks[there]) if len(drawn) else float("nan"),
        scored.factors,
        scored.notes,
    )


def _note(scored: Scored, method: str, failed: int) -> str:
    if method in scored.said:
        return scored.said[method]
    return INCOMPLETE if method in scored.last else ALONE * (failed > 0 and scored.better is not None)


def _ranks(scores: FloatArray, last: npt.NDArray[np.bool_]) -> FloatArray:
    """Ranks by score along the last axis, those in `last` after all others."""
    first, then = schemes.ranks_of(np.where(last, np.nan, scores)), schemes.ranks_of(np.where(last, scores, np.nan))
    return np.where(np.isfinite(first), first, then + np.isfinite(first).sum(axis=-1, keepdims=True))


def _places(scored: Scored, at: Sequence[int], ranks: FloatArray, lacks: npt.NDArray[np.bool_]) -> list[str]:
    """Shared where the tests do not tell two apart; who lacks answers shares none, and has its rank."""
    if scored.better is None:
        return place_words(ranks)
    groups = groups_of(np.where(lacks, np.nan, ranks), scored.better[np.ix_(at, at)])
    first = {group: ranks[groups == group].min() for group in set(groups[np.isfinite(groups)].tolist())}
    return place_words(
        [float(ranks[k]) if lacks[k] else first.get(group, np.nan) for k, group in enumerate(groups.tolist())]
    )

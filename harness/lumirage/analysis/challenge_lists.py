"""Makes the lists of a challenge: teams ranked under a declared scheme and failure policy, with the ranks of every draw.

Baselines and sentinels are in every list, marked and without a rank. Under the schemes of the challenges they count as
competitors of the teams, as they did there (the affine did not, and has no score); under ours they change nobody's rank.
A submission that lacks answers never ranks above a complete one under the schemes of the challenges, whose evaluations stop
at a missing file, nor where failures are left out; under ours it shares no place with a complete one above it.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from lumirage.analysis import ranking_schemes as schemes
from lumirage.analysis.challenge_schemes import NOTHING, SCHEMES, ScoreTable, factors_of, missing_factors
from lumirage.analysis.designs import Design, detect_design
from lumirage.analysis.rank_places import mean_correlation
from lumirage.analysis.rank_sums import Factor, losses_in_draws, rank_scores_in_draws
from lumirage.analysis.ranking import AGGREGATE, NOT_RANKED, RankSettings, rank
from lumirage.analysis.resampling import FloatArray, Resampling, bootstrap_means, pair_weights
from lumirage.analysis.score_matrices import Cell, cells_of
from lumirage.core.errors import DataError, UsageError
from lumirage.core.failure_policy import Policy
from lumirage.core.metrics import is_accuracy, is_regularity
from lumirage.core.model import SENTINELS
from lumirage.core.rank_groups import groups_of, place_words

OURS = "lumirage"
SCHEME_NAMES = (OURS, *SCHEMES)

LIST_COLUMNS = (
    "scheme", "team", "kind", "rank", "place", "score", "value", "n_pairs", "failed", "rank_low", "rank_high",
    "first_share", "note",
)  # fmt: skip
"""Columns of a list. `score` is what the scheme ranks by, higher is better; `value` the mean of the main metric;
`rank_low` to `rank_high` the ranks in 95 % of the draws. `kind` is team, baseline or sentinel."""

INCOMPLETE = "lacks answers: ranked after the complete submissions"


@dataclass(frozen=True)
class RankingRules:
    """What was declared before the first submission."""

    scheme: str = OURS
    policy: Policy = "identity"
    metric: str = ""
    """The metric of our scheme; empty: the first measure of accuracy, Dice before others."""
    preset: str = ""
    source: str = ""
    """The label source; empty: the first."""
    baselines: frozenset[str] = frozenset()
    resampling: Resampling = field(default_factory=lambda: Resampling(draws=1000))
    in_draws: bool = True
    """Also rank in every draw of subjects."""


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


@dataclass(frozen=True)
class _Scored:
    """What a scheme has computed: scores, in draws too, who competes, and what is known of ties."""

    methods: tuple[str, ...]
    scores: FloatArray
    drawn: FloatArray
    values: FloatArray
    n_pairs: npt.NDArray[np.int64]
    better: npt.NDArray[np.bool_] | None = None
    last: frozenset[str] = frozenset()
    """Ranked after all others."""
    own_notes: dict[str, str] = field(default_factory=dict)


def team_list(table: ScoreTable, rules: RankingRules) -> TeamList:
    """The list of a challenge's scores (`method` is the team) under the declared rules.

    Raises UsageError for an unknown scheme, DataError if nothing that it ranks by was measured.
    """
    if rules.scheme not in SCHEME_NAMES:
        raise UsageError(f"unknown ranking scheme '{rules.scheme}'; choose one of {', '.join(SCHEME_NAMES)}")
    cell = main_cell(table, rules)
    if rules.scheme == OURS:
        return _listed(_ours(table, cell, rules), table, rules, (pd.DataFrame(), (cell.design.note,)))
    scheme = SCHEMES[rules.scheme]
    in_list = [m for m in table.methods if m not in SENTINELS or m == NOTHING]
    factors = factors_of(scheme, table.among(in_list), rules.policy, rules.source)
    if not factors:
        raise DataError(
            f"the scheme {scheme.name} ranks by nothing that was measured; measure its preset {scheme.preset}"
        )
    missing = missing_factors(scheme, factors)
    notes = [scheme.source, cell.design.note] + [f"without {', '.join(missing)}: not measured"] * bool(missing)
    scored, shown = _published(factors, table, cell, in_list, rules)
    return _listed(scored, table, rules, (shown, tuple(notes)))


def main_cell(table: ScoreTable, rules: RankingRules) -> Cell:
    """All methods in the main metric, failures filled by the policy. Raises DataError if it was not measured."""
    rows = _means(table.rows)
    found = [raw for raw in cells_of(rows) if is_accuracy(raw.cell.metric) and raw.cell.metric.startswith(rules.metric)]
    found = [raw for raw in found if raw.cell.key["preset"] == rules.preset] or found
    found = [raw for raw in found if raw.cell.key["source"] == rules.source] or found
    if not found:
        raise DataError(f"no score of {rules.metric or 'accuracy'} in this challenge: nothing to rank by")
    return min(found, key=lambda raw: not raw.cell.metric.startswith("dice")).under(rules.policy)


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """The pairs' means, all tracks as one. A value that a run lacks, though it ended well and another has one, is infinite:
    it counts as a failure."""
    means = rows[rows["label"].isna()].assign(track="", condition="")
    key = ["pair", "metric", "preset", "settings", "source"]
    known = means.groupby(key, observed=True)["value"].transform("count") > 0
    lacking = means["value"].isna() & (means["outcome"].astype(str) == "ok") & known
    means["value"] = means["value"].mask(lacking, np.inf)
    return means


def _ours(table: ScoreTable, cell: Cell, rules: RankingRules) -> _Scored:
    """Means under the failure policy; places are shared where subjects do not tell two teams apart (Holm)."""
    rows = _means(table.rows[table.rows["preset"] == cell.key["preset"]])
    rows = rows[(rows["metric"] == cell.metric) | rows["metric"].map(is_regularity)]  # ranked by, and the gate's
    settings = RankSettings(resampling=rules.resampling, policies=(rules.policy,))
    ranked = rank(rows, settings, rules.baselines)
    same = (
        (ranked["scheme"] == AGGREGATE) & (ranked["metric"] == cell.metric) & (ranked["source"] == cell.key["source"])
    )
    found = ranked[same & (ranked["settings"] == cell.key["settings"])].set_index("method").loc[list(cell.methods)]
    merits = cell.direction * cell.values
    closed = found["beyond_gate"].to_numpy(dtype=bool)
    teams = np.array([m not in SENTINELS and m not in rules.baselines for m in cell.methods]) & ~closed
    competing = np.where(teams[:, None], merits, np.nan)
    drawn = _draws(
        cell.design, rules, lambda: bootstrap_means(merits.T, cell.design, rules.resampling), len(cell.methods)
    )
    nothing = frozenset(m for m, none in zip(cell.methods, cell.without_own, strict=True) if none)
    incomplete = _incomplete(cell) if rules.policy == "drop" else frozenset()
    return _Scored(
        cell.methods,
        np.where(closed, np.nan, found["merit"].to_numpy(dtype=np.float64)),
        drawn,
        schemes.mean_merits(cell.values),
        np.isfinite(cell.values).sum(axis=1),
        schemes.told_better(competing, cell.design, rules.resampling),
        nothing | incomplete,
        {str(m): str(n) for m, n in found["note"][closed].items()},
    )


def _published(
    factors: Sequence[Factor], table: ScoreTable, cell: Cell, in_list: Sequence[str], rules: RankingRules
) -> tuple[_Scored, pd.DataFrame]:
    """The geometric mean of the factors' rank scores; and these, for the reader."""
    once = np.ones((1, len(table.pairs)))
    own = np.stack([rank_scores_in_draws(losses_in_draws(f, once))[0] for f in factors])
    design = _design(table)
    weights = _draws(
        design, rules, lambda: np.concatenate(list(pair_weights(design, rules.resampling))), len(table.pairs)
    )
    drawn = np.stack([rank_scores_in_draws(losses_in_draws(f, weights)) for f in factors])
    where = [cell.methods.index(m) if m in cell.methods else -1 for m in in_list]
    means, known = schemes.mean_merits(cell.values), np.isfinite(cell.values).sum(axis=1)
    shown = [
        {"team": m, "factor": f.name, "mean": abs(schemes.mean_merits(f.merits)[k]), "rank_score": own[n, k]}
        for k, m in enumerate(in_list)
        for n, f in enumerate(factors)
    ]
    scored = _Scored(
        tuple(in_list),
        np.asarray(stats.gmean(own, axis=0)),
        np.asarray(stats.gmean(drawn, axis=0)) if len(weights) else np.empty((0, len(in_list))),
        np.array([means[w] if w >= 0 else np.nan for w in where]),
        np.array([known[w] if w >= 0 else 0 for w in where]),
        last=frozenset(m for m, n in table.failed().items() if n),
    )
    return scored, pd.DataFrame(shown)


def _listed(
    scored: _Scored, table: ScoreTable, rules: RankingRules, said: tuple[pd.DataFrame, tuple[str, ...]]
) -> TeamList:
    """Ranks among teams; the others listed below."""
    factors, notes = said
    names = [m for m in scored.methods if m not in SENTINELS and m not in rules.baselines]
    at = [scored.methods.index(m) for m in names]
    last = np.array([m in scored.last for m in names])
    ranks = _ranks(scored.scores[at], last)
    drawn = (
        np.stack([_ranks(row, last) for row in scored.drawn[:, at]]) if len(scored.drawn) else np.empty((0, len(at)))
    )
    failed = table.failed()
    places = _places(scored, at, ranks, np.array([failed[m] > 0 for m in names]))
    rows = []
    for k, method in enumerate(scored.methods):
        of = names.index(method) if method in names else -1
        mine = drawn[:, of] if of >= 0 and len(drawn) and np.isfinite(ranks[of]) else np.empty(0)
        low, high = np.percentile(mine, [2.5, 97.5], method="closest_observation") if mine.size else (np.nan, np.nan)
        rows.append(
            {
                "scheme": rules.scheme, "team": method, "kind": kind_of(method, rules.baselines),
                "rank": ranks[of] if of >= 0 else np.nan, "place": places[of] if of >= 0 else "",
                "score": scored.scores[k], "value": scored.values[k], "n_pairs": int(scored.n_pairs[k]),
                "failed": failed[method], "rank_low": low, "rank_high": high,
                "first_share": (mine == 1).mean() if mine.size else np.nan,
                "note": NOT_RANKED if of < 0 else _note(method, scored),
            }
        )  # fmt: skip
    listed = pd.DataFrame(rows, columns=list(LIST_COLUMNS))
    order = listed.assign(x=listed["kind"].map({"team": 0, "baseline": 1, "sentinel": 2})).sort_values(
        ["x", "rank", "score", "team"], ascending=[True, True, False, True]
    )
    ranked = np.isfinite(ranks)
    kept = tuple(n for n, there in zip(names, ranked, strict=True) if there)
    drawn = drawn[:, ranked]
    stability = mean_correlation(drawn, ranks[ranked]) if len(drawn) else float("nan")
    known = tuple(note for note in notes if note)
    return TeamList(
        rules.scheme, order[list(LIST_COLUMNS)].reset_index(drop=True), kept, drawn, stability, factors, known
    )


def kind_of(method: str, baselines: Collection[str]) -> str:
    """team, baseline or sentinel."""
    return "sentinel" if method in SENTINELS else "baseline" if method in baselines else "team"


def _note(method: str, scored: _Scored) -> str:
    return scored.own_notes.get(method) or (INCOMPLETE if method in scored.last else "")


def _ranks(scores: FloatArray, last: npt.NDArray[np.bool_]) -> FloatArray:
    """Ranks by score, those in `last` after all others."""
    first, then = schemes.ranks_of(np.where(last, np.nan, scores)), schemes.ranks_of(np.where(last, scores, np.nan))
    return np.where(np.isfinite(first), first, then + np.isfinite(first).sum())


def _places(scored: _Scored, at: Sequence[int], ranks: FloatArray, lacks: npt.NDArray[np.bool_]) -> list[str]:
    if scored.better is None:
        return place_words(ranks)
    better = scored.better[np.ix_(at, at)]
    above = ranks[:, None] < ranks[None, :]
    return place_words(groups_of(ranks, better | (above & ~lacks[:, None] & lacks[None, :])))


def _incomplete(cell: Cell) -> frozenset[str]:
    return frozenset(m for m, row in zip(cell.methods, cell.failed, strict=True) if row.any())


def _design(table: ScoreTable) -> Design:
    people = (
        table.rows[["pair", "fixed_subject", "moving_subject"]].astype(str).drop_duplicates("pair").sort_values("pair")
    )
    return detect_design(list(people["fixed_subject"]), list(people["moving_subject"]))


def _draws(design: Design, rules: RankingRules, draw: Callable[[], FloatArray], width: int) -> FloatArray:
    return draw() if rules.in_draws and design.bootstrap_defined else np.empty((0, width))

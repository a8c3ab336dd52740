"""What a challenge's list depends on: the scheme, the metric, the label source, how failures count, and chance."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.analysis import ranking_schemes as schemes
from lumirage.analysis.challenge_lists import OURS, SCHEME_NAMES, RankingRules, main_cell, team_list
from lumirage.analysis.challenge_schemes import RankBy, ScoreTable
from lumirage.analysis.resampling import FloatArray, Resampling
from lumirage.analysis.score_matrices import Cell
from lumirage.analysis.team_lists import TeamList, kind_of
from lumirage.core.errors import DataError
from lumirage.core.failure_policy import POLICIES
from lumirage.core.metrics import METRICS, is_accuracy, title

QUICK = Resampling(draws=400)
"""Draws for the tests of lists that are shown only beside the declared one."""

FAILURE_COLUMNS = ("team", "failed", "of", "mean", "mean_of_answered", "rank", "rank_without_failures")


@dataclass(frozen=True)
class Significance:
    """Which of two entries is better in the main metric: subjects resampled, Holm over all couples."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    better: npt.NDArray[np.bool_]
    """[i, j]: i is better than j."""
    difference: FloatArray
    """[i, j]: mean of i less that of j, in the metric's unit."""


@dataclass(frozen=True)
class ChallengeRanking:
    """All that a challenge's site shows of its ranking."""

    rules: RankingRules
    metric: str
    source: str
    n_pairs: int
    n_subjects: int
    declared: TeamList
    other_lists: tuple[TeamList, ...]
    """The other schemes."""
    sensitivity: pd.DataFrame
    """Columns varies, name, team, rank, place: a list beside the declared one."""
    agreement: pd.DataFrame
    """Columns varies, name, kendall_tau, first: how each of these lists agrees with the declared one."""
    failures: pd.DataFrame
    """FAILURE_COLUMNS, for the teams with failures: what these cost in the main metric."""
    significance: Significance
    methods: tuple[str, ...]
    pairs: tuple[str, ...]
    """TRACK/PAIR"""
    values: FloatArray
    """(methods, pairs): the main metric, failures filled."""
    pair_ranks: FloatArray
    """(teams with a rank, pairs): ranks in single pairs; ties share the middle."""
    means: pd.DataFrame
    """Columns team, metric, source, mean, n_pairs: every measured metric of the preset, failures filled."""


def challenge_ranking(scores: pd.DataFrame, rules: RankingRules) -> ChallengeRanking:
    """The declared list and everything beside it. Raises as `team_list`."""
    table = ScoreTable.of(scores)
    declared = team_list(table, rules)
    cell = main_cell(table, rules)
    others = tuple(_schemes(table, rules))
    lists = [("scheme", made.scheme, made) for made in others] + list(_variations(table, rules))
    rows = [
        {"varies": varies, "name": name, "team": row.team, "rank": row.rank, "place": row.place}
        for varies, name, made in [("declared", rules.scheme, declared), *lists]
        for row in made.table.itertuples()
        if row.kind == "team"
    ]
    places = [cell.methods.index(team) for team in declared.teams]
    return ChallengeRanking(
        rules=rules,
        metric=cell.metric,
        source=cell.key["source"],
        n_pairs=len(cell.pairs),
        n_subjects=cell.design.n_subjects,
        declared=declared,
        other_lists=others,
        sensitivity=pd.DataFrame(rows, columns=["varies", "name", "team", "rank", "place"]),
        agreement=pd.DataFrame(
            [{"varies": v, "name": n, **_agreement(made, declared)} for v, n, made in lists],
            columns=["varies", "name", "kendall_tau", "first"],
        ),
        failures=_failures(table, rules, declared),
        significance=_significance(cell, rules),
        methods=cell.methods,
        pairs=cell.pairs,
        values=cell.values,
        pair_ranks=schemes.ranks_in_pairs((cell.direction * cell.values)[places]),
        means=_means(table, rules, cell.key["preset"]),
    )


def _schemes(table: ScoreTable, rules: RankingRules) -> Iterator[TeamList]:
    """The other schemes, as far as their metrics were measured."""
    for name in SCHEME_NAMES:
        if name != rules.scheme:
            try:
                yield team_list(table, replace(rules, scheme=name, metrics=(), preset="", resampling=QUICK))
            except DataError:
                continue


def _variations(table: ScoreTable, rules: RankingRules) -> Iterator[tuple[str, str, TeamList]]:
    """Lists by single metrics and label sources (by means, whatever the scheme), and under the other failure policies."""
    quick = replace(rules, resampling=QUICK, in_draws=False)
    ours = replace(quick, scheme=OURS)
    main = main_cell(table, rules).key
    for key in table.cells:
        if not is_accuracy(key.metric):
            continue
        by = replace(ours, metrics=(RankBy(key.metric, source=key.source),), preset=key.preset)
        if key.metric != main["metric"]:
            if key.source in (main["source"], "", "landmarks"):
                yield "metric", title(key.metric), team_list(table, by)
        elif key.source != main["source"] and key.preset == main["preset"]:
            yield "label source", key.source, team_list(table, by)
    if any(table.failed().values()):
        for policy in POLICIES:
            if policy != rules.policy:
                yield "failures", policy, team_list(table, replace(quick, policy=policy))


def _means(table: ScoreTable, rules: RankingRules, preset: str) -> pd.DataFrame:
    """Means of all metrics of a preset under the failure policy; of accuracy first, as the table of metrics has them."""
    found = []
    for key, raw in table.cells.items():
        if key.preset == preset and key.metric in METRICS:
            cell = raw.under(rules.policy)
            means, n = schemes.mean_merits(cell.values), np.isfinite(cell.values).sum(axis=1)
            found += [
                {"team": m, "metric": key.metric, "source": key.source, "mean": means[k], "n_pairs": int(n[k])}
                for k, m in enumerate(cell.methods)
            ]
    return pd.DataFrame(found, columns=["team", "metric", "source", "mean", "n_pairs"])


def _agreement(made: TeamList, declared: TeamList) -> dict[str, object]:
    both = pd.concat([made.ranks, declared.ranks], axis=1, join="inner").dropna()
    first = ", ".join(made.table.loc[made.table["rank"] == 1, "team"])
    if len(both) < 3 or (both.nunique() == 1).any():
        return {"kendall_tau": float("nan"), "first": first}
    return {"kendall_tau": float(both.iloc[:, 0].corr(both.iloc[:, 1], method="kendall")), "first": first}


def _failures(table: ScoreTable, rules: RankingRules, declared: TeamList) -> pd.DataFrame:
    """Means of the teams with failures, with and without these, and where the latter would stand among the others' means."""
    cell = main_cell(table, rules)
    teams = [m for m in cell.methods if kind_of(m, rules.baselines) == "team"]
    at = [cell.methods.index(m) for m in teams]
    values = cell.values[at]
    means = schemes.mean_merits(values)
    answered = schemes.mean_merits(np.where(cell.failed[at], np.nan, values))
    rows = []
    for k, team in enumerate(teams):
        if not cell.failed[at[k]].any():
            continue
        alone = np.where(np.arange(len(teams)) == k, answered, means)
        rows.append(
            {
                "team": team, "failed": int(cell.failed[at[k]].sum()), "of": len(cell.pairs), "mean": means[k],
                "mean_of_answered": answered[k], "rank": schemes.ranks_of(cell.direction * means)[k],
                "rank_without_failures": schemes.ranks_of(cell.direction * alone)[k],
            }
        )  # fmt: skip
    order = {team: i for i, team in enumerate(declared.table["team"])}
    costs = pd.DataFrame(rows, columns=list(FAILURE_COLUMNS))
    return costs.sort_values("team", key=lambda teams: teams.map(order), ignore_index=True)


def _significance(cell: Cell, rules: RankingRules) -> Significance:
    means = schemes.mean_merits(cell.direction * cell.values)
    order = [int(i) for i in np.argsort(-np.where(np.isfinite(means), means, -np.inf), kind="stable")]
    names = tuple(cell.methods[i] for i in order)
    merits = (cell.direction * cell.values)[order]
    mean = cell.direction * means[order]
    return Significance(
        names,
        tuple(kind_of(name, rules.baselines) for name in names),
        schemes.told_better(merits, cell.design, rules.resampling),
        mean[:, None] - mean[None, :],
    )

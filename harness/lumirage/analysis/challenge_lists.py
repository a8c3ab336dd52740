"""Ranks the teams of a challenge under a declared scheme and failure policy.

Baselines and sentinels are in every list, marked and without a rank. Under the schemes of the challenges they count as
competitors of the teams, as they did there (the affine did not, and has no score); under ours they change nobody's rank.
A submission that lacks answers never ranks above a complete one under the schemes of the challenges, whose evaluations stop
at a missing file, nor where failures are left out; under ours it shares no place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.analysis import ranking_schemes as schemes
from lumirage.analysis.challenge_schemes import NOTHING, SCHEMES, RankBy, ScoreTable, factors_of, missing_factors
from lumirage.analysis.designs import Design, detect_design
from lumirage.analysis.rank_sums import losses_in_draws, rank_scores_in_draws
from lumirage.analysis.ranking import Gate
from lumirage.analysis.resampling import FloatArray, Resampling, bootstrap_means, pair_weights
from lumirage.analysis.score_matrices import Cell
from lumirage.analysis.team_lists import Scored, TeamList, kind_of, listed
from lumirage.core.errors import DataError, UsageError
from lumirage.core.failure_policy import Policy
from lumirage.core.metrics import is_accuracy, title
from lumirage.core.model import SENTINELS

OURS = "subject-ranks"
SCHEME_NAMES = (OURS, *SCHEMES)


@dataclass(frozen=True)
class RankingRules:
    """What was declared before the first submission."""

    scheme: str = OURS
    policy: Policy = "identity"
    metrics: tuple[RankBy, ...] = ()
    """None: those of the scheme; for ours Dice, or the first measure of accuracy."""
    preset: str = ""
    """Empty: that of the scheme if it was measured, else the first."""
    baselines: frozenset[str] = frozenset()
    resampling: Resampling = field(default_factory=lambda: Resampling(draws=1000))
    in_draws: bool = True
    """Also rank in every draw of subjects."""


def team_list(table: ScoreTable, rules: RankingRules) -> TeamList:
    """The list of a challenge's scores (`method` is the team) under the declared rules.

    Raises UsageError for an unknown scheme, DataError if nothing that it ranks by was measured.
    """
    if rules.scheme not in SCHEME_NAMES:
        raise UsageError(f"unknown ranking scheme '{rules.scheme}'; choose one of {', '.join(SCHEME_NAMES)}")
    scored = _ours(table, rules) if rules.scheme == OURS else _published(table, rules)
    return listed(scored, table.failed(), rules.baselines)


def main_cell(table: ScoreTable, rules: RankingRules) -> Cell:
    """All methods in the first metric that is ranked by, failures filled by the policy. Raises DataError without one."""
    return _cell(table, rules, rules.metrics[0] if rules.metrics else RankBy(""))


def _cell(table: ScoreTable, rules: RankingRules, by: RankBy) -> Cell:
    found = [key for key in table.cells if is_accuracy(key.metric) and key.metric.startswith(by.metric)]
    if not found:
        raise DataError(f"no score of {title(by.metric) or 'accuracy'} in this challenge: nothing to rank by")
    found = [key for key in found if key.preset == rules.preset] or found
    found = [key for key in found if key.source == by.source] or found
    return table.cells[found[0]].under(rules.policy)


def _ours(table: ScoreTable, rules: RankingRules) -> Scored:
    """One metric: means under the failure policy. Several: the weighted mean of the ranks by each mean.

    One team is told better than another if it is so in one metric, and worse in none; subjects resampled, Holm.
    """
    wanted = rules.metrics or (RankBy(""),)
    cells = [_cell(table, rules, by) for by in wanted]
    main, weights = cells[0], np.array([by.weight for by in wanted])
    closed = _beyond_gate(table, main)
    competing = np.array([kind_of(m, rules.baselines) == "team" and m not in closed for m in main.methods])
    merits = [np.where(competing[:, None], cell.direction * cell.values, np.nan) for cell in cells]
    told = np.stack([schemes.told_better(m, c.design, rules.resampling) for m, c in zip(merits, cells, strict=True)])
    drawn = [
        _draws(c.design, rules, lambda m=m, c=c: bootstrap_means(m.T, c.design, rules.resampling), len(c.methods))  # type: ignore[misc]
        for m, c in zip(merits, cells, strict=True)
    ]
    everyone = _together([schemes.mean_merits(c.direction * c.values) for c in cells], competing, weights)
    last = {m for m, none in zip(main.methods, main.without_own, strict=True) if none}
    if rules.policy == "drop":
        last |= {m for m, n in table.failed().items() if n}
    names = ", ".join(title(cell.metric) for cell in cells)
    return Scored(
        OURS,
        main.methods,
        np.where([m in closed for m in main.methods], np.nan, everyone),
        _together(drawn, competing, weights),
        schemes.mean_merits(main.values),
        np.isfinite(main.values).sum(axis=1),
        np.asarray(told.any(axis=0) & ~told.any(axis=0).T),
        frozenset(last),
        closed,
        notes=tuple(filter(None, [f"by {names}; failed runs: {rules.policy}", _note(main.design)])),
    )


def _together(merits: Sequence[FloatArray], competing: npt.NDArray[np.bool_], weights: FloatArray) -> FloatArray:
    """One metric: its merits. Several: less the weighted mean of the ranks among the competing, along the last axis."""
    if len(merits) == 1:
        return merits[0]
    return np.asarray(-np.average(np.stack([_among(m, competing) for m in merits]), axis=0, weights=weights))


def _among(merits: FloatArray, competing: npt.NDArray[np.bool_]) -> FloatArray:
    """The rank that each method has, or would have, among the competing; NaN without a merit."""
    exact = np.round(merits, 12)
    above = (exact[..., None, competing] > exact[..., :, None]).sum(axis=-1)
    return np.where(np.isfinite(merits), 1.0 + above, np.nan)


def _beyond_gate(table: ScoreTable, cell: Cell) -> dict[str, str]:
    """Method -> how far its fields are beyond the gate of regularity."""
    gate = Gate()
    same_preset = [key for key in table.cells if key.preset == cell.key["preset"]]
    for start in gate.metrics:
        for key in same_preset:
            if key.metric.startswith(start):
                of = table.cells[key].under("drop")
                means = dict(zip(of.methods, schemes.mean_merits(of.values), strict=True))
                text = f"beyond the gate of regularity (mean {title(key.metric)} at most {gate.limit:g})"
                return {m: f"{text}: {v:.3g}" for m, v in means.items() if v > gate.limit}
    return {}


def _published(table: ScoreTable, rules: RankingRules) -> Scored:
    """The weighted geometric mean of the factors' rank scores."""
    scheme = SCHEMES[rules.scheme]
    in_list = tuple(m for m in table.methods if m not in SENTINELS or m == NOTHING)
    factors = factors_of(scheme, table.among(in_list), rules.policy, (rules.preset, rules.metrics))
    if not factors:
        raise DataError(
            f"the scheme {scheme.name} ranks by nothing that was measured; measure its preset {scheme.preset}"
        )
    weights = np.array([factor.weight for factor in factors])
    design = _design(table)
    of_pairs = _draws(
        design, rules, lambda: np.concatenate(list(pair_weights(design, rules.resampling))), len(table.pairs)
    )
    of_pairs = np.concatenate([np.ones((1, len(table.pairs))), of_pairs])  # the list itself, then the draws
    scores = np.stack([rank_scores_in_draws(losses_in_draws(factor, of_pairs)) for factor in factors])
    together = np.exp(np.average(np.log(scores), axis=0, weights=weights))
    together[of_pairs.sum(axis=1) == 0] = np.nan
    cell = main_cell(table, rules).among(in_list)
    shown = [
        {"team": m, "factor": f.name, "mean": abs(schemes.mean_merits(f.merits)[k]), "rank_score": scores[n, 0, k]}
        for k, m in enumerate(in_list)
        for n, f in enumerate(factors)
    ]
    missing = [] if rules.metrics else missing_factors(scheme, factors)
    notes = [scheme.source, *[f"without {', '.join(missing)}: not measured"] * bool(missing), _note(design)]
    return Scored(
        scheme.name,
        in_list,
        together[0],
        together[1:],
        schemes.mean_merits(cell.values),
        np.isfinite(cell.values).sum(axis=1),
        last=frozenset(m for m, n in table.failed().items() if n),
        factors=pd.DataFrame(shown),
        notes=tuple(filter(None, notes)),
    )


def _design(table: ScoreTable) -> Design:
    people = (
        table.rows[["pair", "fixed_subject", "moving_subject"]].astype(str).drop_duplicates("pair").sort_values("pair")
    )
    return detect_design(list(people["fixed_subject"]), list(people["moving_subject"]))


def _note(design: Design) -> str:
    """What the reader must know of the intervals, without the name of a subject."""
    return design.note.replace(design.centre, "one subject") if design.centre else design.note


def _draws(design: Design, rules: RankingRules, draw: Callable[[], FloatArray], width: int) -> FloatArray:
    return draw() if rules.in_draws and design.bootstrap_defined else np.empty((0, width))

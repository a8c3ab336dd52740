"""Ranks a desk's phase as declared, and says what of it may be published."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, TypeVar

import lumirage
from lumirage.core.challenge import Challenge, Phase
from lumirage.core.challenge_results import (
    ChallengeResults,
    FactorScore,
    FailureCost,
    HandedIn,
    JitterChange,
    ListBeside,
    ListedTeam,
    MetricMean,
    RankedList,
    Told,
)
from lumirage.core.errors import DataError, UsageError
from lumirage.core.metrics import METRICS, direction, title
from lumirage.core.model import SENTINELS, Record
from lumirage.flow.challenge.desk import (
    Desk,
    counted,
    declaration_of,
    rules_changed,
    scores_of,
    submissions_of,
    unscored,
)

Row = TypeVar("Row", bound=Record)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from lumirage.analysis.challenge_lists import RankingRules
    from lumirage.analysis.challenge_sensitivity import ChallengeRanking
    from lumirage.analysis.team_lists import TeamList


@dataclass(frozen=True)
class RankedPhase:
    """A phase with its scores, which stay at the desk, and its results, which may be published."""

    desk: Desk
    phase: Phase
    scores: "pd.DataFrame"
    results: ChallengeResults
    values: "pd.DataFrame"
    """The main metric, a row for each entry, a column TRACK/PAIR for each pair; failures filled by the policy."""
    pair_ranks: "npt.NDArray[np.float64]"
    """(ranked teams, pairs)"""
    teams: tuple[str, ...]
    """The ranked teams, in the order of `pair_ranks`."""
    waiting: tuple[str, ...]
    """Teams whose submission is not scored yet."""


def rank_desk(desk: Desk, phase: str = "", scheme: str = "") -> RankedPhase:
    """Rank a phase (the last with scores, if none is named) as declared, or by another scheme.

    Raises UsageError for an unknown phase or scheme, or a declaration that contradicts the metrics; DataError without scores.
    """
    import pandas as pd  # late: half a second

    from lumirage.analysis.challenge_sensitivity import challenge_ranking

    name = phase or _last_phase(desk)
    waiting = tuple(dict.fromkeys(s.team for s in unscored(desk, name)))
    scores = scores_of(desk, name)
    if not (scores["team"].astype(str) != "").any():
        raise DataError(f"phase '{name}' has no scored submission; score them with 'lumirage-harness challenge run'")
    ranking = challenge_ranking(scores, ranking_rules(desk.challenge, scores, scheme))
    of = desk.challenge.phase(name)
    if of is None:
        raise UsageError(f"no phase '{name}'")
    results = _results(desk, of, ranking)
    values = pd.DataFrame(ranking.values, index=list(ranking.methods), columns=list(ranking.pairs))
    return RankedPhase(desk, of, scores, results, values, ranking.pair_ranks, ranking.declared.teams, waiting)


def _last_phase(desk: Desk) -> str:
    """The last phase of the declaration that has a scored submission, else the last."""
    for phase in reversed(desk.challenge.phases):
        if len(counted(desk, phase.name)) > len(unscored(desk, phase.name)):
            return phase.name
    return desk.challenge.phases[-1].name


def ranking_rules(challenge: Challenge, scores: "pd.DataFrame", scheme: str = "") -> "RankingRules":
    """The declared rules for the analysis. Another scheme than the declared one has its own metrics."""
    from lumirage.analysis.challenge_lists import RankingRules
    from lumirage.analysis.challenge_schemes import RankBy

    declared = challenge.ranking
    for by in declared.metrics:
        if by.metric not in METRICS:
            raise UsageError(f"challenge.yaml: ranking.metrics: no metric '{by.metric}'; 'specs/metrics.md' has all")
        if (by.better == "higher") != (direction(by.metric) == 1):
            raise UsageError(f"challenge.yaml: ranking.metrics: of {by.metric} {METRICS[by.metric].better} is better")
    own = scheme in ("", declared.scheme)
    nobody = scores["team"].astype(str) == ""
    baselines = frozenset(scores.loc[nobody, "method"].astype(str)) - set(SENTINELS)
    return RankingRules(
        scheme=scheme or declared.scheme,
        policy=challenge.failures.policy,
        metrics=tuple(RankBy(by.metric, by.weight, by.source) for by in declared.metrics) if own else (),
        preset=declared.preset or next(iter(challenge.scored_by), "") if own else "",
        baselines=baselines,
    )


def rule_words(challenge: Challenge, phase: Phase, rules: "RankingRules") -> tuple[str, ...]:
    """The rules as sentences for the public."""
    failed = {
        "identity": "counts as doing nothing, or as the affine where that is worse",
        "worst": "counts as the worst that any entry got on that pair",
        "drop": "is left out, and its team comes after all complete ones",
    }
    by = ", ".join(
        title(m.metric) + (f" (weight {m.weight:g})" if m.weight != 1 else "") for m in challenge.ranking.metrics
    )
    words = [f"Teams are ranked by the scheme {rules.scheme}" + (f", by {by}." if by and rules.metrics else ".")]
    words += [f"A pair without a valid answer {failed[rules.policy]}."]
    words += [
        "Of every team the last submission of a phase counts."
        if challenge.counts == "last"
        else "Every submission of a team is ranked."
    ]
    words += ["A submission with some valid answers is taken in part."] * (challenge.failures.incomplete == "partial")
    words += ["A submission that lacks a valid answer is refused."] * (challenge.failures.incomplete == "refuse")
    words += [f"Numbers are those of the preset {rules.preset}."] * bool(rules.preset)
    shown = "means alone" if phase.shows == "aggregates" else "means, and each team its own pairs"
    words += [f"In this phase teams see {shown}.", "Baselines and sentinels are in every list, marked, without a rank."]
    return tuple(words)


def _phase_text(phase: Phase) -> str:
    ends = [f"{word} {when:%Y-%m-%d %H:%M} UTC" for word, when in (("from", phase.starts), ("to", phase.ends)) if when]
    return " ".join([f"Phase {phase.name}", *ends])


def _results(desk: Desk, phase: Phase, ranking: "ChallengeRanking") -> ChallengeResults:
    challenge, declared = desk.challenge, declaration_of(desk)
    now = desk.rules()
    ranked = {s.id for s in counted(desk, phase.name)} - {s.id for s in unscored(desk, phase.name)}
    late = _late(desk, phase)
    told = ranking.significance
    return ChallengeResults(
        harness=lumirage.__version__,
        name=challenge.name,
        title=challenge.title or challenge.name,
        summary=challenge.summary,
        contact=challenge.contact,
        phase=phase.name,
        phase_text=_phase_text(phase),
        rules=declared.rules if declared else now,
        rules_now=now,
        declared_when=declared.when if declared else "",
        rule_words=rule_words(challenge, phase, ranking.rules),
        changes=tuple(rules_changed(desk)),
        metric=ranking.metric,
        source=ranking.source,
        n_pairs=ranking.n_pairs,
        n_subjects=ranking.n_subjects,
        draws=len(ranking.declared.draws),
        declared=_list(ranking.declared, late),
        others=tuple(_list(made, late) for made in ranking.other_lists),
        beside=tuple(_beside(ranking)),
        failures=_read(FailureCost, ranking.failures),
        means=_read(MetricMean, ranking.means),
        told=Told(
            names=told.names,
            better=tuple(tuple(map(bool, row)) for row in told.better),
            difference=tuple(tuple(None if isnan(v) else float(v) for v in row) for row in told.difference),
        ),
        jitter=_jitter(desk, ranking),
        submissions=tuple(
            HandedIn(
                team=s.team, id=s.id, kind=s.kind, received=s.received, harness=s.harness, rules=s.rules, late=s.late,
                verdict=s.verdict, ranked=s.id in ranked,
            )
            for s in submissions_of(desk, phase.name)
            if s.verdict != "refused"
        ),
    )  # fmt: skip


def _late(desk: Desk, phase: Phase) -> set[str]:
    """The entries that were handed in late; as `scores_of` names them."""
    every = desk.challenge.counts == "every"
    return {f"{s.team}-{s.id[:6]}" if every else s.team for s in counted(desk, phase.name) if s.late}


def _list(made: "TeamList", late: set[str]) -> RankedList:
    n = len(made.teams)
    shares = {
        team: tuple(float((made.draws[:, k] == rank).mean()) for rank in range(1, n + 1))
        for k, team in enumerate(made.teams)
        if len(made.draws)
    }
    return RankedList(
        scheme=made.scheme,
        entries=_read(ListedTeam, made.table.drop(columns="scheme").assign(late=made.table["team"].isin(late))),
        stability=None if isnan(made.stability) else made.stability,
        notes=made.notes,
        factors=_read(FactorScore, made.factors),
        rank_shares=shares,
    )


def _jitter(desk: Desk, ranking: "ChallengeRanking") -> tuple[JitterChange, ...]:
    """The rows of jitter.tsv in the main metric, of entries of this list; none if it was not run."""
    import pandas as pd  # late: half a second

    if not desk.layout.jitter_table.is_file():
        return ()
    table = pd.read_csv(desk.layout.jitter_table, sep="\t", keep_default_na=False, na_values=["n/a"])
    found = table[(table["metric"] == ranking.metric) & table["method"].isin(ranking.methods)]
    found = found[~found["method"].isin(SENTINELS)].rename(columns={"method": "team"})
    return _read(JitterChange, found[list(JitterChange.model_fields)])


def _beside(ranking: "ChallengeRanking") -> "list[ListBeside]":
    found = []
    for row in _records(ranking.agreement):
        same = (ranking.sensitivity["varies"] == row["varies"]) & (ranking.sensitivity["name"] == row["name"])
        mine = ranking.sensitivity[same & ranking.sensitivity["rank"].notna()]
        places = dict(zip(mine["team"], mine["place"], strict=True))
        ranks = dict(zip(mine["team"], mine["rank"].astype(float), strict=True))
        kept = {name: row[name] for name in ("varies", "name", "kendall_tau")}
        found.append(ListBeside.model_validate(kept | {"places": places, "ranks": ranks}))
    return found


def _read(record: type[Row], table: "pd.DataFrame") -> tuple[Row, ...]:
    return tuple(record.model_validate(row) for row in _records(table))


def _records(table: "pd.DataFrame") -> "list[Mapping[str, object]]":
    """The rows of a table, null for NaN."""
    return [
        {str(k): None if isinstance(v, float) and isnan(v) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]

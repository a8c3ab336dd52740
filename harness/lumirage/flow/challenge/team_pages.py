"""What every team is shown of itself: its places, failures and pairs, under names that tell nothing of the images."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lumirage.analysis.challenge_schemes import pair_keys
from lumirage.core.challenge import Submission
from lumirage.core.layout import digest
from lumirage.flow.challenge.desk import counted, submissions_of, unscored
from lumirage.flow.challenge.ranked_desk import RankedPhase
from lumirage.reporting.challenge_page import mean_columns
from lumirage.reporting.team_page import OwnPair, OwnSubmission, TeamPage

if TYPE_CHECKING:
    import pandas as pd

FEWEST_TEAMS = 4
"""With fewer, the median of all teams on a pair would tell what another team got there."""


def team_pages(ranked: RankedPhase) -> Iterator[TeamPage]:
    """The page of every team that handed in anything in the phase, by name."""
    desk, phase = ranked.desk, ranked.phase
    on_list = {s.id for s in counted(desk, phase.name)} - {s.id for s in unscored(desk, phase.name)}
    by_team: dict[str, list[Submission]] = {}
    for submission in submissions_of(desk, phase.name):
        by_team.setdefault(submission.team, []).append(submission)
    means = _means(ranked)
    for team, own in sorted(by_team.items()):
        names = set(means.loc[means["team"].astype(str) == team, "method"].astype(str))
        entries = tuple(e for e in ranked.results.declared.entries if e.team in names)
        yield TeamPage(
            team=team,
            entries=entries,
            submissions=tuple(_own(s, ranked=s.id in on_list) for s in own),
            failures=_failures(means[means["team"].astype(str) == team]),
            pairs=tuple(_pairs(ranked, means, entries[-1].team)) if entries and phase.shows == "own_pairs" else (),
        )


def pair_names(ranked: RankedPhase) -> dict[str, str]:
    """Key of a pair -> a name in an order that tells nothing, the same for all teams."""
    shuffled = sorted(map(str, ranked.values.columns), key=lambda pair: digest(ranked.results.rules, pair))
    return {pair: f"pair {k}" for k, pair in enumerate(shuffled, start=1)}


def _means(ranked: RankedPhase) -> "pd.DataFrame":
    means = ranked.scores[ranked.scores["label"].isna()]
    return means.assign(key=pair_keys(means), source=means["source"].astype(object).where(means["source"].notna(), ""))


def _own(submission: Submission, *, ranked: bool) -> OwnSubmission:
    found = Counter(problem.kind for problem in submission.problems)
    return OwnSubmission(
        submission.id, submission.kind, submission.received, submission.late, submission.verdict, ranked,
        tuple(sorted(found.items())),
    )  # fmt: skip


def _failures(rows: "pd.DataFrame") -> tuple[tuple[str, int], ...]:
    runs = rows.drop_duplicates(["method", "pair"])
    outcomes = Counter(str(outcome).replace("_", " ") for outcome in runs["outcome"] if str(outcome) != "ok")
    return tuple(sorted(outcomes.items()))


def _pairs(ranked: RankedPhase, means: "pd.DataFrame", method: str) -> "list[OwnPair]":
    """The pairs of one entry, the worst first; those without a valid answer before all others."""
    results, names = ranked.results, pair_names(ranked)
    columns = mean_columns(results)
    mine = means[means["method"].astype(str) == method]
    teams = [e.team for e in results.declared.entries if e.kind == "team" and e.team in ranked.values.index]
    medians = ranked.values.loc[teams].median()
    counts = dict(zip(map(str, ranked.values.columns), ranked.values.loc[method].to_numpy(dtype=float), strict=True))
    outcomes = {str(k): str(o).replace("_", " ") for k, o in zip(mine["key"], mine["outcome"], strict=True)}
    words = mine[["key", "pair", "metric", "source"]].astype(str)
    of_key: dict[str, dict[tuple[str, str], float]] = {}
    of_pair: dict[str, dict[tuple[str, str], float]] = {}  # landmarks belong to no track
    for (key, pair, metric, source), value in zip(
        words.itertuples(index=False), mine["value"].astype(float), strict=True
    ):
        of_key.setdefault(key, {})[metric, source] = value
        of_pair.setdefault(pair, {})[metric, source] = value
    found = [
        OwnPair(
            name=name,
            outcome=outcomes[key],
            value=counts[key],
            of_all=float(medians[key]) if len(teams) >= FEWEST_TEAMS else float("nan"),
            means={c.head: (of_pair[key.split("/", 1)[1]] | of_key[key]).get((c.metric, c.source)) for c in columns},
        )
        for key, name in names.items()
        if key in of_key
    ]
    better = 1 if columns[0].head.endswith("↑") else -1
    return sorted(found, key=lambda p: (not p.failed, better * p.value, p.name))

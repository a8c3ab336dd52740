"""Makes the page of one team, apart from the public one: its places, its failures and, where the phase allows it, its pairs."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from lumirage.core.challenge_results import ChallengeResults, ListedTeam
from lumirage.core.metrics import title
from lumirage.reporting.axes import short
from lumirage.reporting.challenge_figures import own_pairs_plot
from lumirage.reporting.challenge_page import Files, assets, interval_words, looks_in, mean_columns
from lumirage.reporting.figure_rows import NARROW, WIDE
from lumirage.reporting.page_templates import render
from lumirage.reporting.report_tables import to_tsv
from lumirage.reporting.scene import to_svg

WORST = 5
"""Number of worst pairs that are named first."""


@dataclass(frozen=True)
class OwnSubmission:
    """One submission of the team."""

    id: str
    kind: str
    received: str
    late: bool
    verdict: str
    ranked: bool
    problems: tuple[tuple[str, int], ...]
    """Kind of a problem, and how often it was found."""


@dataclass(frozen=True)
class OwnPair:
    """One pair of the team, under a name that tells nothing of the images."""

    name: str
    outcome: str
    value: float
    """The main metric; of a failed pair the value that the failure policy put in."""
    of_all: float
    """Median of all teams on this pair; NaN with fewer than four."""
    means: dict[str, float | None]
    """Head of a column of means -> the pair's value."""

    @property
    def failed(self) -> bool:
        """Whether it has no valid answer."""
        return self.outcome != "ok"


@dataclass(frozen=True)
class TeamPage:
    """What a team is shown."""

    team: str
    entries: tuple[ListedTeam, ...]
    """Its entries in the declared list: one, or one for each submission."""
    submissions: tuple[OwnSubmission, ...]
    failures: tuple[tuple[str, int], ...]
    """Outcome and its number of pairs."""
    pairs: tuple[OwnPair, ...]
    """The worst first; empty where the phase shows means alone."""


def team_files(results: ChallengeResults, page: TeamPage) -> Files:
    """The files of one team's folder."""
    columns = mean_columns(results)
    looks = looks_in(results)
    figure: dict[str, Any] = {}
    files: Files = {}
    if page.pairs and page.entries:
        look = looks[page.entries[0].team]
        values = [(p.name, p.value, p.failed) for p in page.pairs]
        figure = {
            k: to_svg(own_pairs_plot(values, results.metric, look, w)) for k, w in (("wide", WIDE), ("narrow", NARROW))
        }
        rows = [
            {"pair": p.name, "outcome": p.outcome, "as_it_counts": p.value, "median_of_teams": p.of_all} | p.means
            for p in page.pairs
        ]
        files["pairs.tsv"] = to_tsv(pd.DataFrame(rows)).encode()
    text = render(
        "team.html.j2", results=results, page=page, columns=columns, looks=looks, figure=figure, short=short,
        interval=interval_words, main_title=title(results.metric), worst=WORST, medians=_medians(results),
        n_ranked=len(results.declared.ranked), assets="assets/", inline=None,
    )  # fmt: skip
    return {"index.html": text.encode(), **files, **assets("assets")}


def _medians(results: ChallengeResults) -> dict[str, float]:
    """Head of a column of means -> the median of all teams."""
    teams = [e.team for e in results.declared.entries if e.kind == "team"]
    found = {}
    for column in mean_columns(results):
        known = [v for team in teams if (v := column.means.get(team)) is not None]
        found[column.head] = float(pd.Series(known, dtype=float).median())
    return found

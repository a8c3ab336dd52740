"""Makes the public page of a challenge's phase: leaderboard, chance, significance, what it depends on, failures, rules.

Everything is held in memory, path -> content, so that it can be listed and looked through before anything is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.core.challenge_results import ChallengeResults, ListedTeam, RankedList
from lumirage.core.metrics import direction, is_accuracy, title
from lumirage.reporting.axes import short
from lumirage.reporting.challenge_figures import DrawnTeams, blob_plot, podium_plot, significance_matrix
from lumirage.reporting.figure_rows import NARROW, WIDE
from lumirage.reporting.figures import file_name
from lumirage.reporting.method_looks import Look, looks_of
from lumirage.reporting.page_templates import STATIC, render
from lumirage.reporting.raster import to_png
from lumirage.reporting.report_tables import to_tsv
from lumirage.reporting.scene import Scene, numbers_of, to_svg

Files = dict[str, bytes]
"""Path below the published folder -> content."""

MOST_MEANS = 5
"""Columns of means in the leaderboard; the table of means has all."""

ASSETS = ("style.css", "report.js", "tables.js")


@dataclass(frozen=True)
class PairRanks:
    """Values and ranks of the ranked teams in single pairs, which have no name here; (teams, pairs) each."""

    values: npt.NDArray[np.float64]
    ranks: npt.NDArray[np.float64]
    each_pair: bool
    """Whether single pairs may be shown, and not only how often a team has a rank."""
    teams: tuple[str, ...]


@dataclass(frozen=True)
class MeanColumn:
    """A column of means."""

    metric: str
    source: str
    head: str
    means: dict[str, float | None]


def looks_in(results: ChallengeResults) -> dict[str, Look]:
    """Entry -> its look; baselines and sentinels as references."""
    names = {entry.team: entry.kind for of in (results.declared, *results.others) for entry in of.entries}
    return looks_of(list(names), {name for name, kind in names.items() if kind != "team"})


def assets(folder: str) -> Files:
    """Style and scripts of the pages."""
    return {f"{folder}/{name}": (STATIC / name).read_bytes() for name in ASSETS}


def public_files(results: ChallengeResults, pairs: PairRanks) -> Files:
    """The public site: index.html, figures, tables, results.json."""
    shown = list(_figures(results, pairs))
    files: Files = {}
    for wide, _ in shown:
        files[f"figures/{file_name(wide)}.svg"] = to_svg(wide, inline=False).encode()
        files[f"figures/{file_name(wide)}.png"] = to_png(wide)
    tables = public_tables(results)
    tables = {name: table for name, table in tables.items() if len(table)}
    files |= {f"tables/{name}.tsv": to_tsv(table).encode() for name, table in tables.items()}
    page = render("challenge.html.j2", **_context(results, shown, list(tables)))
    return {
        "index.html": page.encode(), "results.json": results.model_dump_json(indent=1).encode(), **files, **assets("assets"),
    }  # fmt: skip


def _figures(results: ChallengeResults, pairs: PairRanks) -> Iterator[tuple[Scene, Scene]]:
    """Each figure for the text column and for a phone."""
    looks, ranked = looks_in(results), results.declared.ranked
    drawn = DrawnTeams(tuple(e.team for e in ranked), tuple(float(e.rank or 0) for e in ranked), looks)
    shares = results.declared.rank_shares
    if len(ranked) > 1 and all(team in shares for team in drawn.teams):
        rows = [shares[team] for team in drawn.teams]
        yield blob_plot(drawn, rows, WIDE), blob_plot(drawn, rows, NARROW)
    if len(ranked) > 1 and pairs.values.size:
        order = [pairs.teams.index(team) for team in drawn.teams]
        both = (pairs.values[order], pairs.ranks[order])
        wide, narrow = (podium_plot(drawn, both, results.metric, w, each_pair=pairs.each_pair) for w in (WIDE, NARROW))
        yield wide, narrow
    if len(results.told.names) > 1:
        what = title(results.metric)
        yield (
            significance_matrix(results.told, looks, what, WIDE),
            significance_matrix(results.told, looks, what, NARROW),
        )


def mean_columns(results: ChallengeResults) -> list[MeanColumn]:
    """The measured metrics, the main one first; the label source is named where there are several."""
    keys = list(dict.fromkeys((row.metric, row.source) for row in results.means))
    main = (results.metric, results.source)
    keys.sort(key=lambda key: (key != main, not is_accuracy(key[0])))
    several = len({source for metric, source in keys if metric == results.metric}) > 1
    found = []
    for metric, source in keys:
        arrow = {1: " ↑", -1: " ↓"}.get(direction(metric), "")
        of = f", {source}" if several and source and is_accuracy(metric) else ""
        means = {row.team: row.mean for row in results.means if (row.metric, row.source) == (metric, source)}
        found.append(MeanColumn(metric, source, f"{title(metric)}{of}{arrow}", means))
    return found


def interval_words(entry: ListedTeam) -> str:
    """The ranks in 95 % of the draws."""
    if entry.rank_low is None or entry.rank_high is None:
        return ""
    return f"{entry.rank_low:g}" if entry.rank_low == entry.rank_high else f"{entry.rank_low:g} to {entry.rank_high:g}"


def public_tables(results: ChallengeResults) -> dict[str, pd.DataFrame]:
    """All numbers of the page, as tables."""
    columns = [name for name in ListedTeam.model_fields if name != "note"] + ["note"]
    lists = [(of.scheme, entry) for of in (results.declared, *results.others) for entry in of.entries]
    beside = [
        (b.varies, b.name, team, b.ranks[team], place, b.kendall_tau)
        for b in results.beside
        for team, place in b.places.items()
    ]
    told = [
        (a, b, results.told.difference[i][j], results.told.better[i][j])
        for i, a in enumerate(results.told.names)
        for j, b in enumerate(results.told.names)
        if i != j
    ]
    factors = [(of.scheme, *f.model_dump().values()) for of in (results.declared, *results.others) for f in of.factors]
    return {
        "leaderboard": pd.DataFrame(
            [{"scheme": scheme} | {name: getattr(entry, name) for name in columns} for scheme, entry in lists]
        ),
        "means": pd.DataFrame([row.model_dump() for row in results.means]),
        "factors": pd.DataFrame(factors, columns=["scheme", "team", "factor", "mean", "rank_score"]),
        "beside": pd.DataFrame(beside, columns=["varies", "name", "team", "rank", "place", "kendall_tau"]),
        "significance": pd.DataFrame(told, columns=["entry", "other", "difference", "better"]),
        "failures": pd.DataFrame([row.model_dump() for row in results.failures]),
        "jitter": pd.DataFrame([row.model_dump() for row in results.jitter]),
        "submissions": pd.DataFrame([row.model_dump() for row in results.submissions]),
    }


def headline(results: ChallengeResults) -> str:
    """Who is first, and how sure that is."""
    ranked = results.declared.ranked
    if not ranked:
        return "No team has a rank."
    first = [entry for entry in ranked if entry.place.rstrip("=") == "1"]
    names = ", ".join(e.team for e in first[:-1]) + (" and " if len(first) > 1 else "") + first[-1].team
    text = f"{names} share the first place" if len(first) > 1 else f"{names} is first of {len(ranked)} teams"
    if len(first) == 1 and first[0].first_share is not None:
        drawn = f"only {results.n_subjects} people" if results.of_few_people else "subjects"
        text += f", and in {100 * first[0].first_share:.0f} % of the draws of {drawn}"
    lists = [b for b in results.beside if b.ranks]
    same = sum(1 for b in lists if min(b.ranks, key=lambda team: b.ranks[team]) == first[0].team)
    if lists and len(first) == 1:
        text += f"; {same} of {len(lists)} other ways to rank have the same winner"
    return text + "."


def _context(results: ChallengeResults, shown: Sequence[tuple[Scene, Scene]], tables: list[str]) -> dict[str, Any]:
    columns = mean_columns(results)
    notes: dict[str, list[str]] = {}
    for entry in results.declared.entries:
        if entry.kind == "team" and entry.note:
            notes.setdefault(entry.note, []).append(entry.team)
    return {
        "results": results,
        "looks": looks_in(results),
        "headline": headline(results),
        "notes": notes,
        "columns": columns[:MOST_MEANS],
        "score_head": _score_head(results.declared, results.metric),
        "interval": interval_words,
        "figures": {wide.name: _shown(wide, narrow) for wide, narrow in shown},
        "main_title": title(results.metric),
        "tables": tables,
        "short": short,
        "assets": "assets/",
        "inline": None,
    }


def _score_head(declared: RankedList, metric: str) -> str:
    """The head of the score's column; empty where the score is the mean of the main metric, which has its own."""
    same = all(e.score is None or e.value is None or abs(abs(e.score) - abs(e.value)) < 1e-12 for e in declared.entries)
    return "" if same or not metric else "Score ↑"


def _shown(wide: Scene, narrow: Scene) -> dict[str, Any]:
    return {
        "wide": to_svg(wide),
        "narrow": to_svg(narrow),
        "pick": "",
        "file": file_name(wide),
        "title": wide.title,
        "numbers": numbers_of(wide),
    }

"""Draws a challenge's ranking: ranks in draws of subjects (blob plot), ranks in single pairs (podium plot), significance.

The first two as in Wiesenfarth et al., Scientific Reports 11, 2369, 2021 (challengeR).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lumirage.core.challenge_results import Told
from lumirage.core.metrics import title
from lumirage.reporting.axes import Scale, fit, short, x_axis, y_axis
from lumirage.reporting.figure_rows import clip, make_rows
from lumirage.reporting.method_looks import Look
from lumirage.reporting.scene import Box, Dot, Label, Line, Mark, Scene, text_width

Floats = npt.NDArray[np.float64]

MOST_ON_PODIUM = 10
"""More teams than this would be columns of a few pixels: the first of the list are shown."""
LARGEST_BLOB = 15.0
"""Radius in pixels of a rank that a team has in all draws; areas are proportional to shares."""


@dataclass(frozen=True)
class DrawnTeams:
    """Teams in the order of the list, with what is drawn of them."""

    teams: tuple[str, ...]
    ranks: tuple[float, ...]
    looks: Mapping[str, Look]

    @property
    def colors(self) -> dict[str, str]:
        """Team -> its colour role."""
        return {team: self.looks[team].color for team in self.teams}


def blob_plot(shown: DrawnTeams, shares: Sequence[Sequence[float]], width: float) -> Scene:
    """Each team's ranks when subjects are resampled: `shares` of the draws with rank 1, 2, ... are areas; a cross at the
    rank of the list, a line over the ranks of 95 % of the draws."""
    rows = make_rows(shown.teams, width, pitch=34)
    n = len(shown.teams)
    scale = Scale(0.5, n + 0.5, rows.left + 8, rows.right - 8, whole=True)
    marks = x_axis(scale, rows.top, rows.bottom, "rank, 1 is best") + rows.marks(shown.colors)
    largest = min(LARGEST_BLOB, 0.48 * (scale(2) - scale(1)))
    told = []
    for i, team in enumerate(shown.teams):
        color, y, mine = shown.looks[team].color, rows.middle(i), np.asarray(shares[i])
        low, high = (1 + int(np.argmax(np.cumsum(of) >= 0.025)) for of in (mine, mine[::-1]))
        high = len(mine) + 1 - high
        marks.append(Line([(scale(low), y), (scale(high), y)], color=color, width=1.5))
        for rank in (int(at) + 1 for at in np.flatnonzero(mine)):
            text = f"{team}: rank {rank} in {100 * mine[rank - 1]:.0f} % of draws"
            marks.append(Dot((scale(rank), y), max(largest * mine[rank - 1] ** 0.5, 1.0), color, color, text))
        marks += _cross(scale(shown.ranks[i]), y)
        told.append(f"{team}: rank {shown.ranks[i]:g}, {low} to {high} in 95 % of draws")
    return Scene("ranks-in-draws", "Ranks when subjects are resampled", "; ".join(told), width, rows.bottom + 42, marks)


def _cross(x: float, y: float) -> list[Mark]:
    return [
        Line([(x - 4, y - 4), (x + 4, y + 4)], color="paper", width=3.2),
        Line([(x - 4, y + 4), (x + 4, y - 4)], color="paper", width=3.2),
        Line([(x - 4, y - 4), (x + 4, y + 4)], color="ink", width=1.4),
        Line([(x - 4, y + 4), (x + 4, y - 4)], color="ink", width=1.4),
    ]


def podium_plot(
    shown: DrawnTeams, pairs: tuple[Floats, Floats], metric: str, width: float, *, each_pair: bool
) -> Scene:
    """How often each team has each rank in a pair (bars); above it, with `each_pair`, every value, a line for each pair.

    `pairs`: values and ranks, (teams, pairs) each. Pairs are not named.
    """
    values, ranks = (array[:MOST_ON_PODIUM] for array in pairs)
    teams = shown.teams[:MOST_ON_PODIUM]
    n, left, right = len(teams), 46.0, width - 10
    wide = (right - left) / max(n, 1)
    column = wide * 0.8 / max(n, 1)
    places = np.argsort(np.argsort(ranks, axis=0, kind="stable"), axis=0)  # ties: in the order of the list

    def middle(place: int, team: int) -> float:
        return left + wide * (place + 0.1) + column * (team + 0.5)

    marks: list[Mark] = []
    top, bottom = 26.0, 26.0
    if each_pair:
        bottom = 250.0
        scale = fit(values[np.isfinite(values)].tolist(), bottom, top)
        marks += y_axis(scale, left, right, title(metric))
        for k in range(values.shape[1]):
            at = [(middle(int(places[i, k]), i), scale(values[i, k])) for i in np.argsort(places[:, k])]
            marks.append(Line(at, color="muted", width=0.5, opacity=0.35))
        for i, team in enumerate(teams):
            color = shown.looks[team].color
            for k in range(values.shape[1]):
                at_pair = (middle(int(places[i, k]), i), scale(values[i, k]))
                marks.append(Dot(at_pair, 2.2, color, color, marker=shown.looks[team].marker))
    counts = np.stack([np.bincount(row, minlength=n) for row in places])
    most, base = max(int(counts.max(initial=1)), 1), bottom + 90
    for place in range(n):
        marks.append(Label((left + wide * (place + 0.5), base + 16), str(place + 1), "muted", 11, "middle"))
        for i, team in enumerate(teams):
            tall = 64.0 * counts[i, place] / most
            text = f"{team}: rank {place + 1} in {counts[i, place]} of {values.shape[1]} pairs"
            x = middle(place, i) - column / 2
            marks.append(Box((x, base - tall), (max(column - 0.6, 0.6), tall), shown.looks[team].color, text))
    marks.append(Line([(left, base), (right, base)], color="rule"))
    marks.append(Label((left, base + 32), "rank in a pair", "muted", 11))
    keys, tall = _keys(shown, teams, (left, base + 52), right)
    alt = "; ".join(f"{team}: first in {counts[i, 0]} of {values.shape[1]} pairs" for i, team in enumerate(teams))
    return Scene("podium", "Ranks in single pairs", alt, width, tall + 12, [*marks, *keys])


def _keys(shown: DrawnTeams, teams: Sequence[str], at: tuple[float, float], right: float) -> tuple[list[Mark], float]:
    """The teams' colours in rows, and where they end."""
    marks: list[Mark] = []
    (left, y), x = at, at[0]
    for team in teams:
        name = clip(team, 22)
        size = text_width(name, 11) + 28
        if x > left and x + size > right:
            x, y = left, y + 17
        color = shown.looks[team].color
        marker = shown.looks[team].marker
        marks += [Dot((x + 4.5, y - 4), 4, color, color, marker=marker), Label((x + 13, y), name, color, 11)]
        x += size
    return marks, y


def significance_matrix(tests: Told, looks: Mapping[str, Look], what: str, width: float) -> Scene:
    """Filled: the row's entry is better than the column's."""
    names, better, difference = tests.names, tests.better, tests.difference
    n = len(names)
    most = 26 if width > 500 else 12
    room = max((text_width(clip(name, most), 11, bold=True) for name in names), default=0) + 34
    size = min((width - room - 10) / max(n, 1), 30.0)
    top = 24.0
    marks: list[Mark] = []
    told = []
    for i, name in enumerate(names):
        y = top + size * i
        color = looks[name].color
        marks.append(Label((room - 8, y + size / 2 + 4), f"{clip(name, most)}  {i + 1}", color, 11, "end", bold=True))
        marks.append(Label((room + size * (i + 0.5), top - 8), str(i + 1), "muted", 10, "middle"))
        for j, other in enumerate(names):
            if i == j:
                continue
            words = "is better than" if better[i][j] else "is worse than" if better[j][i] else "does not differ from"
            text = f"{name} {words} {other}: difference of {short(difference[i][j])} {what}"
            fill = color if better[i][j] else "wash"
            marks.append(Box((room + size * j + 1, y + 1), (size - 2, size - 2), fill, text))
        told.append(f"{name} is better than {sum(better[i])} of {n - 1}")
    return Scene("significance", f"Significance by {what}", "; ".join(told), width, top + size * n + 10, marks)


def own_pairs_plot(values: Sequence[tuple[str, float, bool]], metric: str, look: Look, width: float) -> Scene:
    """A team's own pairs from the worst to the best: name, value, whether the failure policy put it in."""
    left, right, top, bottom = 50.0, width - 12, 16.0, 190.0
    scale = fit([v for _, v, _ in values], bottom, top)
    marks = y_axis(scale, left, right, title(metric))
    step = (right - left) / max(len(values), 1)
    for k, (name, value, filled) in enumerate(values):
        text = f"{name}: {short(value, 4)}" + (", no valid answer: the failure policy's value" if filled else "")
        color = "bad" if filled else look.color
        marks.append(Dot((left + step * (k + 0.5), scale(value)), 3.5, color, "" if filled else color, text))
    marks.append(Label((left, bottom + 20), "pairs, the worst first", "muted", 11))
    alt = f"{len(values)} pairs from {short(values[0][1], 4)} to {short(values[-1][1], 4)}" if values else "no pair"
    return Scene("own-pairs", f"{title(metric)} of your pairs", alt, width, bottom + 32, marks)

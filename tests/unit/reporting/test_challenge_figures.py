"""The figures of a challenge's page."""

import numpy as np

from lumirage.reporting.challenge_figures import MOST_ON_PODIUM, DrawnTeams, podium_plot
from lumirage.reporting.method_looks import Look
from lumirage.reporting.scene import Box


def test_a_podium_of_more_than_ten_teams_ranks_the_first_ten_among_themselves() -> None:
    teams = tuple(f"team{k:02}" for k in range(13))
    looks = {team: Look(f"series-{k % 8}", "circle") for k, team in enumerate(teams)}
    pairs = 6
    values = np.linspace(0.9, 0.5, 13)[:, None] + np.zeros(pairs)
    values[12] = 1.0  # the last of the list is the best in every pair, and is not drawn
    ranks = 1.0 + np.argsort(np.argsort(-values, axis=0), axis=0)
    scene = podium_plot(
        DrawnTeams(teams, tuple(range(1, 14)), looks), (values, ranks), "dice_lumir", 900, each_pair=False
    )
    tall = {mark.title: mark.size[1] for mark in scene.marks if isinstance(mark, Box)}
    assert len(tall) == MOST_ON_PODIUM**2
    for place, team in enumerate(teams[:MOST_ON_PODIUM], start=1):
        assert tall[f"{team}: rank {place} in 6 of 6 pairs"] > 0
    assert sum(size > 0 for size in tall.values()) == MOST_ON_PODIUM
    assert "team12" not in scene.alt

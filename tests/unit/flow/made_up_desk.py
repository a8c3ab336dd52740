"""A desk that lies on disk with scores, made without images: teams with values, submissions, a declaration."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

sys.path.append(str(Path(__file__).parents[1] / "analysis"))
from score_tables import pairs_of, scores

from lumirage.core.challenge import Declaration, Submission
from lumirage.core.desk_layout import DeskLayout
from lumirage.core.records import write_json
from lumirage.flow.challenge.desk import SENTINELS_ID, Desk, open_desk

TRUTH = {"name": "LUMIR", "expected_shape": [4, 4, 4, 3], "evaluation_methods": [], "eval_pairs": []}


def values_of_teams(n_subjects: int = 6) -> tuple[list[tuple[str, str]], dict[str, np.ndarray]]:
    """Dice of the sentinels and five teams; `leaver` is `good` without its hard pairs."""
    pairs = [(f"KX{a[3:]}91", f"KX{b[3:]}91") for a, b in pairs_of("all", n_subjects)]
    rng = np.random.default_rng(7)
    base = rng.normal(0.5, 0.05, len(pairs))
    dice = {"identity": base - 0.1}
    for team, gain in {"good": 0.2, "twin": 0.2, "smooth": 0.17, "rough": 0.12, "poor": 0.03}.items():
        dice[team] = base + gain + rng.normal(0, 0.008, len(pairs))
    dice["twin"] = dice["good"].copy()
    dice["leaver"] = np.where(np.argsort(np.argsort(base)) < 4, np.nan, dice["good"] + 0.001)
    return pairs, dice


def make_desk(folder: Path, teams: dict[str, np.ndarray], pairs: list[tuple[str, str]], **declared: object) -> Desk:
    """A desk with a scored submission of each team."""
    layout = DeskLayout(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "truth.json").write_text(yaml.safe_dump(TRUTH))
    content = {"name": "made-up", "configuration": "truth.json", "title": "A made-up challenge"} | declared
    layout.challenge.write_text(yaml.safe_dump(content))
    desk = open_desk(folder)
    phase = desk.challenge.phases[-1].name
    for k, (team, values) in enumerate(teams.items()):
        identity = SENTINELS_ID if team == "identity" else f"{k:016x}"
        path = desk.layout.scores(identity).score_table
        path.parent.mkdir(parents=True)
        _table(pairs, team, values).to_parquet(path)
        if team != "identity":
            found = Submission(
                harness="0.1", team=team, id=identity, kind="folder", phase=phase, received=f"2026-05-0{k + 1}T10:00:00Z",
                rules=desk.rules(), verdict="partial" if np.isnan(values).any() else "accepted",
            )  # fmt: skip
            write_json(desk.layout.submission(team, phase, identity).record, found)
    write_json(
        layout.declared,
        Declaration(
            harness="0.1",
            when="2026-05-01T10:00:00Z",
            rules=desk.rules(),
            contents=desk.contents(),
            challenge=desk.challenge,
        ),
    )
    return desk


def _table(pairs: list[tuple[str, str]], team: str, dice: np.ndarray) -> pd.DataFrame:
    folds = np.where(np.isnan(dice), np.nan, 0.0 if team == "identity" else 0.05)
    return pd.concat(
        [
            scores(pairs, {team: dice}, metric="dice_lumir", preset="lumir25"),
            scores(pairs, {team: 10 * (1 - dice)}, metric="hd95_vox_lumir", preset="lumir25"),
            scores(pairs, {team: folds}, metric="ndv_percent_lumir25", preset="lumir25", source=""),
        ]
    )

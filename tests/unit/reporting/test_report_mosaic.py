"""Small pictures of every pair: the worst first, as many as the time allows, kept as long as the answer is the same."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.image import imread
from synthetic_out import FAILING, NONE_EXPECTED

from lumirage.core.layout import Layout
from lumirage.reporting.mosaic import FIXED_COLOR, INDEX, MOVED_COLOR, PIXELS, Effort, make_mosaic
from lumirage.reporting.report_inputs import read_inputs
from lumirage.reporting.report_problems import ReportProblems


def test_every_answer_has_a_picture_with_outlines_and_failures_have_none(layout: Layout, tmp_path: Path) -> None:
    inputs = read_inputs(layout)
    tiles = make_mosaic(inputs, tmp_path, Effort(600), NONE_EXPECTED)
    well = inputs.well(inputs.conditions[0])
    assert len(tiles) == len(well) == len(list(tmp_path.glob("*.png")))
    failing = inputs.methods.index(FAILING)
    assert sum(tile.method == failing for tile in tiles) == (well["method"] == FAILING).sum() < len(inputs.pairs)
    picture = imread(tmp_path / tiles[0].file)[..., :3]
    assert PIXELS / 2 < max(picture.shape[:2]) <= PIXELS
    for color in (FIXED_COLOR, MOVED_COLOR):
        drawn = (np.abs(picture - np.array(color)) < 0.01).all(axis=-1).mean()
        assert 0.001 < drawn < 0.15


def test_time_limits_them_the_worst_first_and_what_is_there_is_kept(layout: Layout, tmp_path: Path) -> None:
    inputs = read_inputs(layout)
    assert make_mosaic(inputs, tmp_path, Effort(-1), NONE_EXPECTED) == []
    (tmp_path / "alpha_of-an-answer-that-changed.png").write_bytes(b"old")
    tiles = make_mosaic(inputs, tmp_path, Effort(600), NONE_EXPECTED)
    values = inputs.matrix(inputs.measures[0], inputs.conditions[0])
    competing = [i for i, m in enumerate(inputs.methods) if m not in inputs.references]
    worst = np.nanmin(values[competing], axis=0)
    order = list(dict.fromkeys(tile.pair for tile in tiles))
    assert [worst[k] for k in order] == sorted(worst[k] for k in order)
    assert not (tmp_path / "alpha_of-an-answer-that-changed.png").exists()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    assert make_mosaic(inputs, tmp_path, Effort(-1), NONE_EXPECTED) == tiles
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")} == before


def test_all_are_made_by_processes_and_listed_in_a_script(layout: Layout, tmp_path: Path) -> None:
    inputs = read_inputs(layout)
    alone, together = tmp_path / "alone", tmp_path / "together"
    tiles = make_mosaic(inputs, alone, Effort(math.inf), NONE_EXPECTED)
    steps: list[int] = []
    assert (
        make_mosaic(inputs, together, Effort(math.inf, 2), NONE_EXPECTED, lambda done, _: steps.append(done)) == tiles
    )
    assert steps == list(range(1, len({tile.pair for tile in tiles}) + 1))
    for tile in tiles:
        assert (alone / tile.file).read_bytes() == (together / tile.file).read_bytes()
    text = (together / INDEX).read_text(encoding="utf-8")
    held = json.loads(text.removeprefix("window.LUMIRAGE_MOSAIC = ").removesuffix(";\n"))
    pairs = list(inputs.pairs)
    named = {f"{inputs.methods[int(m)]}_{pairs[k]}_{end}.png" for m, of in held.items() for k, end in of}
    assert named == {tile.file for tile in tiles}


def test_an_answer_that_cannot_be_read_is_told_and_the_others_have_pictures(layout: Layout, tmp_path: Path) -> None:
    inputs = read_inputs(layout)
    runs = inputs.runs.copy()
    lost = runs.index[(runs["outcome"] == "ok") & (runs["method"] == "alpha")][0]
    runs.loc[lost, "record"] = str(tmp_path / "gone_run.json")
    problems = ReportProblems()
    tiles = make_mosaic(replace(inputs, runs=runs), tmp_path / "m", Effort(600), problems)
    assert len(tiles) == len(inputs.well(inputs.conditions[0])) - 1
    assert len(problems.told) == 1
    assert runs.loc[lost, "pair"] in problems.told[0]

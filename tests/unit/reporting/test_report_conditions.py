"""What preparation changes: which axes are curves, the forest of the others, and the table of all."""

import re

import numpy as np
import pytest
from synthetic_out import NONE_EXPECTED, true_dice

from lumirage.core.condition_words import axis_words
from lumirage.reporting.dose_figures import axes_of, dose, end_labels, is_curve
from lumirage.reporting.figure_rows import NARROW, WIDE
from lumirage.reporting.figures import draw_figures
from lumirage.reporting.preparation_effects import ChangeTable, change_tables, forest
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Dot, Label, Line, Scene


@pytest.fixture(scope="module")
def dice(factors: Inputs) -> ChangeTable:
    return next(
        t for t in change_tables(factors) if t.measure.metric == "dice_nearest_fg" and t.measure.source == "manual"
    )


def test_numbers_are_curves_and_names_are_not(factors: Inputs) -> None:
    axes = axes_of(factors)
    assert {axis: is_curve(levels) for axis, levels in axes.items()} == {
        "noise": True, "inverted": False, "spacing_mm": True,
    }  # fmt: skip
    assert [level.text for level in axes["spacing_mm"]] == ["1", "2", "3"]
    assert axis_words("spacing_mm") == "voxel size (mm)"
    assert axis_words("bias_field") == "bias field (share)"


def test_changes_are_those_of_the_pairs(dice: ChangeTable) -> None:
    rows = {row.condition: row for row in dice.rows}
    assert set(rows) == {"noise-0.05", "noise-0.1", "inverted-True", "spacing_mm-3", "spacing_mm-1"}
    assert rows["inverted-True"].level == "yes"
    assert rows["inverted-True"].reference == "no"
    alpha = rows["inverted-True"].changes["alpha"]
    assert alpha.change == pytest.approx(-0.2)
    assert alpha.certain
    assert alpha.failures == ""
    beta = rows["noise-0.1"].changes["beta"]
    assert beta.failures == "none failed, 4 in the reference"
    filled = [true_dice("identity" if k % 3 == 1 else "beta", "reference", k) for k in range(12)]
    now = [true_dice("beta", "noise-0.1", k) for k in range(12)]
    assert beta.change == pytest.approx(np.mean(now) - np.mean(filled))
    assert rows["spacing_mm-1"].changes["gamma-untrained"].failures == "12 pairs failed, 1 in the reference"


def test_doing_nothing_has_no_column_where_nothing_moves_it(dice: ChangeTable) -> None:
    assert dice.methods == ("affine", "alpha", "beta", "gamma-untrained")
    assert [axis for axis, _ in dice.by_axis] == ["noise (share)", "inverted contrast", "voxel size (mm)"]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_forest_has_a_dot_for_each_change_within_its_width(factors: Inputs, dice: ChangeTable, width: float) -> None:
    scene = forest(factors, dice, width)
    dots = [mark for mark in scene.marks if isinstance(mark, Dot)]
    assert len(dots) == len(dice.methods)
    assert all(re.search("inverted contrast: ", dot.title) for dot in dots)
    hollow = {dot.title.split(",")[0] for dot in dots if dot.fill == "paper"}
    assert hollow == {"affine", "beta"}, "what nothing moves, and whose failures in the reference hide its change"
    assert_inside(scene)


def assert_inside(scene: Scene) -> None:
    for mark in scene.marks:
        places = mark.points if isinstance(mark, Line) else [mark.at] if isinstance(mark, Dot | Label) else []
        for x, y in places:
            assert 0 <= x <= scene.width
            assert 0 <= y <= scene.height


def test_a_full_grid_shows_the_conditions_that_change_most(factors: Inputs, dice: ChangeTable) -> None:
    row = next(r for r in dice.rows if r.condition == "inverted-True")
    many = [row.__class__(**{**vars(row), "level": str(i), "condition": str(i)}) for i in range(60)]
    scene = forest(factors, ChangeTable(dice.measure, dice.methods, tuple(many)), WIDE)
    assert len([m for m in scene.marks if isinstance(m, Dot)]) == 40 * len(dice.methods)


def test_curves_are_hollow_where_runs_failed(factors: Inputs) -> None:
    scene = dose(factors, factors.measures[0], "noise", WIDE)
    dots = {mark.title.rsplit(":", 1)[0]: mark for mark in scene.marks if isinstance(mark, Dot)}
    beta = next(mark for title, mark in dots.items() if title == "beta, noise 0")
    assert beta.fill == "paper"
    assert "8 runs failed" in beta.title
    assert next(mark for title, mark in dots.items() if title == "alpha, noise 0").fill != "paper"
    assert_inside(scene)


def test_every_measure_has_its_figures_and_they_are_told_apart(factors: Inputs) -> None:
    drawn_figures = [drawn for drawn in draw_figures(factors, NONE_EXPECTED) if drawn.section == "changes"]
    names = [drawn.wide.name for drawn in drawn_figures]
    assert len(set(names)) == len(names)
    assert {drawn.pick for drawn in drawn_figures} == {table.measure.title for table in change_tables(factors)}
    assert len(change_tables(factors)) == 5


def test_names_at_the_ends_are_pushed_apart_and_stay_within() -> None:
    labels = end_labels([(100, "a", "ink"), (101, "b", "ink"), (118, "c", "ink")], 10, (0, 119))
    heights = [label.at[1] - 4 for label in labels if isinstance(label, Label)]
    assert heights == sorted(heights)
    assert min(np.diff(heights)) >= 14
    assert max(heights) <= 119


def test_without_the_comparison_there_are_curves_and_no_table(bare: Inputs) -> None:
    assert change_tables(bare) == []
    assert [p.wide.name for p in draw_figures(bare, NONE_EXPECTED) if p.section == "changes"] == [
        "dose-noise-dice_nearest_fg"
    ]

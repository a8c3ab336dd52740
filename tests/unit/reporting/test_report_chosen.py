"""Which pairs get a page under conditions other than the reference, and that the pages can be opened."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_out import Recipe, make_out

from lumirage.reporting.chosen_pairs import MOST_VOXELS, Chosen, choose
from lumirage.reporting.page_templates import sentence
from lumirage.reporting.report_folder import ReportOptions, write_report
from lumirage.reporting.report_inputs import Inputs


def test_the_most_harmed_pair_of_each_condition_is_chosen(factors: Inputs) -> None:
    chosen = [c for c in choose(factors, [], 12) if c.condition != "reference"]
    assert [c.condition for c in chosen][:2] == ["inverted-True", "spacing_mm-3"], "the most harmful first"
    assert len(chosen) == 4, "nothing was harmed at 1 mm"
    assert re.fullmatch(r"Dice \[manual\] of [a-z-]+ .0\.\d+ with inverted contrast", chosen[0].why)
    assert len({c.name for c in chosen}) == 4


def test_their_number_is_bounded(factors: Inputs) -> None:
    assert len([c for c in choose(factors, [], 1) if c.condition != "reference"]) == 1
    assert choose(factors, [], 0) == []


def test_grids_too_large_for_quick_pictures_are_left_out(factors: Inputs) -> None:
    runs = factors.runs.assign(voxels=MOST_VOXELS + 1)
    assert all(c.condition == "reference" for c in choose(replace(factors, runs=runs), [], 12))


@pytest.mark.parametrize("condition", ["contrast-a/b", "x y", "../../up"])
def test_names_of_conditions_are_no_paths(condition: str) -> None:
    assert "/" not in Chosen("p", condition, "").name
    assert " " not in Chosen("p", condition, "").name


def test_pages_of_conditions_are_linked_and_apart_from_those_of_the_reference(tmp_path: Path) -> None:
    layout = make_out(tmp_path, Recipe(subjects=2))
    folder = write_report(layout, ReportOptions(most_pages=2, one_file=True)).parent
    names = {path.stem for path in (folder / "pairs").glob("*.html")}
    other = {name for name in names if name.endswith("_inverted-True")}
    assert len(other) == 1
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert f'href="pairs/{other.pop()}.html"' in page
    opened = re.search(r'"pages":(\{[^}]*\})', page)
    assert opened is not None
    assert "inverted" not in opened[1], "points are pairs of the reference"
    shown = (folder / "pairs" / f"{next(n for n in names if 'inverted' in n)}.html").read_text(encoding="utf-8")
    assert "inverted-True" in shown
    assert shown.count('class="panel"') >= 6
    one = (folder / "report.html").read_text(encoding="utf-8")
    for name in names:
        assert f'href="#pair-{name}"' in one
        assert f'id="pair-{name}"' in one


def test_sentences_begin_with_a_capital_and_end() -> None:
    assert sentence("only 2 subjects to resample: no interval") == "Only 2 subjects to resample: no interval."
    assert sentence("Done.") == "Done."

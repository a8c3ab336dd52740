"""The report as a whole: what is in it, what must never be, and what happens when something is missing."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_out import FAILING, HOSTILE, Recipe, make_out, true_dice

from lumirage.core.errors import DataError, UsageError
from lumirage.core.layout import Layout
from lumirage.reporting.axes import seconds
from lumirage.reporting.chosen_pairs import choose
from lumirage.reporting.cost_figures import pareto
from lumirage.reporting.displayed_measures import measures_of
from lumirage.reporting.dose_figures import axes_of
from lumirage.reporting.figure_rows import WIDE
from lumirage.reporting.pair_files import FEWEST
from lumirage.reporting.policy_means import filled_means, filled_values
from lumirage.reporting.report_folder import ReportOptions, write_report
from lumirage.reporting.report_inputs import Inputs, read_inputs
from lumirage.reporting.report_tables import method_rows, to_latex
from lumirage.reporting.scene import Dot


class Page(HTMLParser):
    """Elements and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in {"href", "src"} and v]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def pages(report: Path) -> list[Path]:
    return [report / "index.html", report / "report.html", *sorted((report / "pairs").glob("*.html"))]


def test_every_page_loads_only_what_lies_in_the_report(report: Path) -> None:
    for path in pages(report):
        page = Page(path.read_text(encoding="utf-8"))
        for address in page.addresses:
            if address.startswith(("#", "data:")):
                continue
            if path.name != "report.html":
                assert (path.parent / address).is_file(), (path.name, address)
        assert not [a for a in page.addresses if re.match(r"\w+:", a) and not a.startswith("data:")]


def test_hostile_text_is_never_an_element(report: Path) -> None:
    shown = 0
    for path in pages(report):
        page = Page(path.read_text(encoding="utf-8"))
        assert "img" not in page.tags
        shown += HOSTILE in "".join(page.words)
    assert shown == len(pages(report))


def test_overview_says_what_it_is_made_of(report: Path) -> None:
    words = " ".join(Page((report / "index.html").read_text(encoding="utf-8")).words)
    for text in (
        "Synthetic balls",
        "sha256:",
        "12 pairs of 4 subjects",
        "no answer after 3600 s",
        "load 7.9 on 2 cores",
    ):
        assert text in words


def test_every_figure_is_also_svg_and_png(report: Path) -> None:
    names = {path.stem for path in (report / "figures").glob("*.svg")}
    assert names == {path.stem for path in (report / "figures").glob("*.png")}
    assert {
        "strips-dice-nearest-fg-reference",
        "forest-dice-nearest-fg",
        "pareto-wall-s",
        "times",
        "memory",
        "failures",
    } <= names


def test_every_table_is_also_tsv_and_latex(report: Path) -> None:
    names = {path.stem for path in (report / "tables").glob("*.tsv")}
    # the table of structures has thousands of rows: nobody prints it
    assert names == {path.stem for path in (report / "tables").glob("*.tex")} | {"structures"}
    assert {"leaderboard", "failures", "comparisons", "rankings"} <= names
    board = pd.read_csv(report / "tables" / "leaderboard.tsv", sep="\t", na_values="n/a").set_index("method")
    assert board.loc[FAILING, ["n", "dropped"]].tolist() == [8, 4]
    alpha = np.mean([true_dice("alpha", "reference", k) for k in range(12)])
    assert board.loc["alpha", "mean dice_nearest_fg"] == pytest.approx(alpha)


def test_what_passed_before_the_first_pair_stands_beside_the_time_of_a_pair(report: Path) -> None:
    board = pd.read_csv(report / "tables" / "leaderboard.tsv", sep="\t", na_values="n/a").set_index("method")
    assert board.loc["alpha", "median_load_s"] == pytest.approx(1.4)
    assert pd.isna(board.loc["identity", "median_load_s"])
    told = [w for w in Page((report / "index.html").read_text(encoding="utf-8")).words if w.startswith("+ 1.4")]
    slow = board["median_load_s"] > board["median_wall_s"] / 10
    assert len(told) == slow.sum()
    assert 0 < slow.sum() < board["median_load_s"].notna().sum()


def test_who_fails_a_third_is_not_above_who_succeeds(layout: Layout, bare: Inputs) -> None:
    for inputs in (read_inputs(layout), bare):  # with the rankings of the analysis, and before there are any
        order = [line.method for line in method_rows(inputs, "reference")]
        assert order.index("alpha") < order.index(FAILING)
        assert filled_means(inputs, inputs.measures[0], "reference")["alpha"] > 0.7


def test_failures_are_filled_by_the_policy(bare: Inputs) -> None:
    dice = bare.measures[0]
    raw = bare.matrix(dice, "reference")
    filled = filled_values(bare, dice, "reference")
    row, nothing = bare.methods.index(FAILING), bare.methods.index("identity")
    lost = np.isnan(raw[row])
    assert lost.sum() == 4
    assert (filled[row][lost] == raw[nothing][lost]).all()
    assert (filled[row][~lost] == raw[row][~lost]).all()


def test_reports_without_the_analysis_and_without_pictures(bare: Inputs) -> None:
    words = " ".join(Page(write_report(bare.layout, ReportOptions()).read_text(encoding="utf-8")).words)
    assert "The comparison has not been made" in words or "the comparison has not been made" in words
    page = sorted((bare.layout.report / "pairs").glob("*.html"))[0].read_text(encoding="utf-8")
    assert "No pictures: the prepared images of" in page


def test_conditions_make_axes_with_the_reference_in_its_place(bare: Inputs) -> None:
    axes = axes_of(bare)
    assert [level.text for level in axes["noise"]] == ["0", "0.05", "0.1"]
    assert [level.text for level in axes["inverted"]] == ["no", "yes"]


def test_asked_pairs_get_a_page_and_unknown_ones_are_an_error(layout: Layout) -> None:
    inputs = read_inputs(layout)
    pair = list(inputs.pairs)[-1]
    chosen = choose(inputs, [pair], 0)
    assert [(c.pair, c.why) for c in chosen] == [(pair, "asked for")]
    with pytest.raises(UsageError, match="did you mean"):
        write_report(layout, ReportOptions(pairs=(pair[:-1],)))


def test_chosen_are_the_worst_failures_best_and_median(layout: Layout) -> None:
    inputs = read_inputs(layout)
    whys = [c.why for c in choose(inputs, [], 8)]
    assert len(whys) == 8
    assert whys[0] == "worst Dice of alpha"
    assert "a method failed on it" in whys
    use = inputs.evaluation.methods["alpha"]
    scale = use.model_copy(update={"card": use.card.model_copy(update={"kind": "reference"})})
    methods = dict(inputs.evaluation.methods) | {"alpha": scale}
    without = replace(inputs, evaluation=inputs.evaluation.model_copy(update={"methods": methods}))
    assert choose(without, [], 8)[0].why == "worst Dice of beta"


def test_no_evaluation_and_no_scores_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="evaluation"):
        write_report(Layout(tmp_path), ReportOptions())
    layout = make_out(tmp_path, Recipe(subjects=2, images=False, conditions=False))
    layout.score_table.unlink()
    with pytest.raises(DataError, match="no scores yet"):
        write_report(layout, ReportOptions())


def test_pages_of_an_earlier_report_do_not_stay(layout: Layout, tmp_path: Path) -> None:
    root = tmp_path / "out"
    shutil.copytree(layout.root, root, ignore=shutil.ignore_patterns("report"))
    write_report(Layout(root), ReportOptions(most_pages=2))
    write_report(Layout(root), ReportOptions(most_pages=1))
    assert len(list((root / "report" / "pairs").glob("*.html"))) == 1


def test_measures_are_named_apart_only_where_needed_and_empty_ones_come_last() -> None:
    columns = ["preset", "settings", "metric", "source", "unit", "value"]
    rows = [
        ("strict", "s", "dice_nearest_fg", "manual", "1", None), ("strict", "s", "tre_mm_linear", "", "mm", 2.0),
        ("strict", "s", "hd95_mm", "a", "mm", 1.0), ("strict", "s", "hd95_mm", "b", "mm", 1.0),
    ]  # fmt: skip
    measures = measures_of(pd.DataFrame(rows, columns=columns))
    assert [m.name for m in measures] == ["tre_mm_linear", "hd95_mm [a]", "hd95_mm [b]", "dice_nearest_fg [manual]"]
    assert [m.title for m in measures] == ["TRE (mm)", "HD95 (mm) [a]", "HD95 (mm) [b]", "Dice [manual]"]
    assert not measures[0].higher_is_better
    assert measures[-1].higher_is_better


def test_latex_is_escaped() -> None:
    table = pd.DataFrame({"a_b": ["50 % & {x}", None], "n": [0.12345, float("nan")]})
    text = to_latex(table, "c_d")
    assert r"50 \% \& \{x\} & 0.123 \\" in text
    assert r"-- & -- \\" in text
    assert r"a\_b & n \\" in text


def test_costs_are_of_the_reference_and_of_runs_that_ended_well(factors: Inputs) -> None:
    runs = factors.runs.copy()
    runs.loc[runs["outcome"] != "ok", "wall_s"] = 0.001  # who crashes at once is not fast
    inputs = replace(factors, runs=runs)
    wells = runs[(runs["method"] == FAILING) & (runs["condition"] == "reference") & (runs["outcome"] == "ok")]
    expected = float(wells["wall_s"].astype(float).median())
    line = next(s for s in method_rows(inputs, "reference") if s.method == FAILING)
    assert line.wall_s == pytest.approx(expected)
    scene = pareto(inputs, inputs.measures[0], "wall_s", WIDE)
    (told,) = [m.title for m in scene.marks if isinstance(m, Dot) and m.title.startswith(FAILING)]
    assert told.endswith(f"for {seconds(expected)}, 4 of 12 filled")
    assert expected != pytest.approx(float(runs[runs["method"] == FAILING]["wall_s"].astype(float).median()))


def test_pages_by_several_processes_are_those_of_one(layout: Layout, tmp_path: Path) -> None:
    """Byte by byte, in the same order, with what could not be made of them."""
    shutil.copytree(layout.root, tmp_path / "out")
    copy = Layout(tmp_path / "out")
    next(copy.root.glob("alpha/**/*_xfm.nii*")).write_bytes(b"damaged")
    made = []
    for workers in (1, 2):
        problems: list[str] = []
        write_report(copy, ReportOptions(most_pages=8, workers=workers), on_problem=problems.append)
        pages = {page.name: page.read_bytes() for page in (copy.report / "pairs").iterdir()}
        made.append((pages, (copy.report / "index.html").read_bytes(), problems))
    assert made[0] == made[1]
    assert len([name for name in made[0][0] if name.endswith(".html")]) >= 2 * FEWEST, "enough for two processes"

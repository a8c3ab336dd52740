"""The public Python interface and `query`: the same numbers as scores.tsv and comparisons.tsv."""

import csv
import json
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_out import LABELS, Recipe, make_out
from typer.testing import CliRunner

from lumirage.analysis.score_queries import metric_named, structures_named
from lumirage.cli import app
from lumirage.core.command_answers import QueryAnswer
from lumirage.core.errors import DataError, UsageError
from lumirage.core.layout import Layout
from lumirage.core.screen import Silent
from lumirage.flow.compare import compare
from lumirage.results import Results, load

NOTEBOOK = Path(__file__).parents[3] / "docs" / "notebooks" / "results.ipynb"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Compared by the stage itself, with scores.tsv as scoring writes it."""
    layout = make_out(
        tmp_path_factory.mktemp("results"), Recipe(subjects=4, images=False, conditions=False, factors=True)
    )
    scores = pd.read_parquet(layout.score_table)
    scores.astype({"label": "Int64"}).to_csv(layout.score_tsv, sep="\t", index=False, na_rep="n/a")
    compare(layout, Silent())
    return layout


@pytest.fixture(scope="module")
def results(out: Layout) -> Results:
    return load(out.root)


def tsv_values(out: Layout, **wanted: str) -> Iterator[float]:
    """Values of scores.tsv, read with nothing of ours."""
    with out.score_tsv.open(newline="") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            if row["value"] != "n/a" and all(row[column] == value for column, value in wanted.items()):
                yield float(row["value"])


REFERENCE = {"condition": "reference", "metric": "dice_nearest_fg", "source": "manual"}


def test_python_and_query_give_the_numbers_of_the_file(out: Layout, results: Results) -> None:
    asked = ["query", str(out.root), "--metric", "dice", "--structure", "*THAL*", "--source", "manual", "--json"]
    said = CliRunner().invoke(app, asked)
    answer = QueryAnswer.model_validate_json(said.stdout)
    assert (answer.metric, answer.title, answer.structures) == ("dice_nearest_fg", "Dice", ("thalamus",))
    table = results.by(metric="dice", structure="thalamus").set_index("method")
    assert {group.group["method"] for group in answer.groups} == {"identity", "affine", *results.methods}
    for group in answer.groups:
        method = str(group.group["method"])
        values = list(tsv_values(out, **REFERENCE, method=method, name="thalamus"))
        assert group.n == table.loc[method, "n"] == len(values) > 10
        assert group.mean == table.loc[method, "mean"] == pytest.approx(statistics.fmean(values), rel=1e-15)
        assert group.sd == table.loc[method, "sd"] == pytest.approx(statistics.stdev(values), rel=1e-12)
        assert (group.median, group.min, group.max) == (statistics.median(values), min(values), max(values))
        assert group.failed_runs == table.loc[method, "failed_runs"]
    assert table.loc["beta", "failed_runs"] == 8
    assert list(table["mean"]) == sorted(table["mean"], reverse=True)
    rows = results.scores("dice", method="beta")
    assert sorted(rows["value"].dropna()) == sorted(tsv_values(out, **REFERENCE, method="beta", label="n/a"))
    assert set(rows["outcome"]) == {"ok", "crashed", "timeout"}, "failed runs have a row"


def test_lower_is_better_where_it_is(results: Results) -> None:
    means = results.by(metric="hd95")["mean"]
    assert list(means) == sorted(means)


def test_all_comparisons_are_those_of_the_table(out: Layout, results: Results) -> None:
    stored = results.table("comparisons")
    stored = stored[~stored["literature"] & (stored["policy"] == "identity") & (stored["metric"] == "dice_nearest_fg")]
    stored = stored[(stored["condition"] == "reference") & (stored["source"] == "manual")].reset_index(drop=True)
    found = results.compare(metric="dice")
    numbers = [
        "n_pairs",
        "difference",
        "ci_low",
        "ci_high",
        "p",
        "p_holm",
        "d_z",
        "d_av",
        "mean_method",
        "filled_method",
    ]
    assert list(found["method"] + found["reference"]) == list(stored["method"] + stored["reference"])
    assert len(found) > 5
    np.testing.assert_allclose(found[numbers].astype(float), stored[numbers].astype(float), rtol=1e-12)


def test_a_comparison_is_read_from_either_side(results: Results) -> None:
    one, other = results.compare("alpha", "beta").iloc[0], results.compare("beta", "alpha").iloc[0]
    assert (one["method"], other["method"]) == ("alpha", "beta")
    assert one["difference"] == -other["difference"] == pytest.approx(one["mean_method"] - one["mean_reference"])
    assert (one["ci_low"], one["ci_high"]) == (-other["ci_high"], -other["ci_low"])
    assert (one["filled_reference"], other["filled_method"]) == (4, 4)
    beside = results.compare("alpha", "identity").iloc[0]
    assert beside["difference"] == pytest.approx(
        one["mean_method"] - results.by(metric="dice").set_index("method")["mean"]["identity"]
    )
    assert np.isnan(beside["p_holm"]), "it is not of the table's family"


def test_structures_are_compared_pair_by_pair_with_failures_filled(out: Layout, results: Results) -> None:
    row = results.compare("beta", "alpha", metric="dice", structure="[tv]*").iloc[0]  # thalamus and ventricle
    scores = pd.read_csv(out.score_tsv, sep="\t", na_values=["n/a"], keep_default_na=False)
    scores = scores[(scores["condition"] == "reference") & (scores["metric"] == "dice_nearest_fg")]
    scores = scores[(scores["source"] == "manual") & scores["name"].isin(["thalamus", "ventricle"])]
    cells = scores.groupby(["method", "pair", "repeat"])["value"].mean().unstack("method")
    nothing = cells[["identity", "affine"]].groupby("pair").mean().min(axis=1)
    beta = cells["beta"].fillna(cells.index.get_level_values("pair").map(nothing).to_series(cells.index))
    wanted = beta.groupby("pair").mean() - cells["alpha"].groupby("pair").mean()
    assert row["difference"] == pytest.approx(wanted.mean(), rel=1e-12)
    assert (row["n_pairs"], row["filled_method"]) == (12, 4)


def test_who_lost_a_structure_is_not_better_for_it(out: Layout) -> None:
    results = load(out.root)
    rows = results.scores("hd95")
    assert rows["label"].isna().all()
    labels = results.scores("dice", "*")
    worst = (labels["method"] == "alpha") & (labels["name"] == "ventricle")
    kept = labels.assign(value=labels["value"].mask(worst))
    assert results.compare("alpha", "affine", data=kept).iloc[0]["n_pairs"] == 0
    assert results.compare("alpha", "affine", data=labels).iloc[0]["n_pairs"] == 12


def test_data_frames_come_in_again(results: Results) -> None:
    rows = results.scores("dice")
    mine = rows[rows["method"] == "alpha"].assign(method="mine", value=lambda t: t["value"] + 0.125)
    row = results.compare("mine", "alpha", data=pd.concat([rows, mine])).iloc[0]
    assert row["difference"] == pytest.approx(0.125)
    assert results.by("method", data=pd.concat([rows, mine])).iloc[0]["method"] == "mine"
    with pytest.raises(UsageError, match="pair-level rows"):
        results.compare("mine", "alpha", data=results.scores("dice", "thalamus").assign(method="mine"))
    with pytest.raises(UsageError, match=r"lack the columns .*value"):
        results.by(data=rows.drop(columns="value"))
    with pytest.raises(UsageError, match="several metrics"):
        results.by(data=results.scores())


def test_a_figure_has_every_value_and_can_be_a_file(results: Results, tmp_path: Path) -> None:
    figure = results.plot("dice", "thalamus", to=tmp_path / "a.pdf")
    axes = figure.axes[0]
    order = [label.get_text() for label in axes.get_yticklabels()]
    assert order == list(results.by(metric="dice", structure="thalamus")["method"])
    drawn = {name: len(dots.get_offsets()) for name, dots in zip(order, axes.collections[1::2], strict=True)}
    assert drawn == results.by(metric="dice", structure="thalamus").set_index("method")["n"].to_dict()
    assert axes.get_xlabel() == "Dice, thalamus"
    results.plot("dice", "thalamus", to=tmp_path / "b.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(UsageError, match="by its ending"):
        results.plot("dice", to=tmp_path / "a.docx")


@pytest.mark.parametrize(
    ("word", "metric"),
    [("dice", "dice_nearest_fg"), ("HD95 (mm)", "hd95_mm"), ("true error", "displacement_error_mm"), ("SD log J", "sdlogj"),
     ("ndv", "ndv_percent"), ("", "dice_nearest_fg"), ("hd95_mm", "hd95_mm")],
)  # fmt: skip
def test_metrics_go_by_the_fields_names(word: str, metric: str) -> None:
    there = ["sdlogj", "ndv_percent", "displacement_error_mm", "hd95_mm", "dice_nearest_fg", "dice_lumir"]
    assert metric_named(word, there) == metric


def test_what_is_not_there_is_said_with_what_is(results: Results) -> None:
    with pytest.raises(UsageError, match=r"metric 'dise'.*dice_nearest_fg"):
        results.scores("dise")
    with pytest.raises(UsageError, match="structure is called 'putamen'"):
        results.scores("dice", "putamen")
    with pytest.raises(UsageError, match=r"method 'gama'.*gamma-untrained"):
        results.compare("gama", "alpha")
    with pytest.raises(UsageError, match="condition 'spacin'"):
        results.scores("dice", condition="spacin")
    with pytest.raises(UsageError, match=r"grouped by 'methods'.*'method'"):
        results.by("methods")
    assert len(results.scores("dice", condition="*")) == len(results.scores("dice")) * 3


def test_a_pattern_is_a_number_a_name_a_part_or_a_glob() -> None:
    names = ["Left-Hippocampus", "Right-Hippocampus", "hippocampus", "CSF"]
    labels = pd.DataFrame({"source": "a", "label": [17, 53, 3, 24], "name": names})
    found = {
        word: list(structures_named(word, labels)["label"]) for word in ("17", "HIPPOCAMPUS", "left-h", "*hippocampus")
    }
    assert found == {"17": [17], "HIPPOCAMPUS": [3], "left-h": [17], "*hippocampus": [17, 53, 3]}


def test_query_fits_a_log_and_tells_of_failures(out: Layout, tmp_path: Path) -> None:
    words = ["query", str(out.root), "--structure", "*", "--by", "method,structure", "--plot", str(tmp_path / "p.svg")]
    said = CliRunner().invoke(app, words)
    lines = said.stdout.splitlines()
    *table, figure = lines
    assert max(map(len, table)) <= 80
    assert figure == f"figure: {tmp_path / 'p.svg'}", "a path stays whole, to be copied"
    assert sum(line.startswith("alpha ") for line in lines) == len(LABELS)
    assert (tmp_path / "p.svg").read_text().count("<svg") == 1
    whole = CliRunner().invoke(app, ["query", str(out.root), "--metric", "dice"]).stdout
    assert "`compare` counts them by the track's failure policy" in " ".join(whole.split())


def test_no_scores_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    made = make_out(tmp_path, Recipe(subjects=2, images=False, conditions=False))
    made.score_table.unlink()
    with pytest.raises(DataError, match="lumirage-harness score"):
        load(made.root)
    with pytest.raises(DataError, match="no evaluation there"):
        load(tmp_path / "nothing")


def test_the_notebook_runs(out: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code cells in order, in a folder where OUT is an evaluation; without Jupyter, which CI does not need."""
    (tmp_path / "OUT").symlink_to(out.root)
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    space: dict[str, object] = {}
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for source in code:
        exec(compile(source, NOTEBOOK.name, "exec"), space)
    assert len(code) > 5
    assert isinstance(space["results"], Results)
    assert (tmp_path / "dice.pdf").read_bytes().startswith(b"%PDF")

"""Exports, and what changed between two evaluations."""

import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from synthetic_out import Recipe, make_out
from typer.testing import CliRunner

from lumirage.cli import app
from lumirage.core.errors import UsageError
from lumirage.core.layout import Layout
from lumirage.flow.summary import effects_of, summarize
from lumirage.reporting.evaluation_changes import compare_evaluations
from lumirage.reporting.export import export
from lumirage.reporting.figures import draw_figures
from lumirage.reporting.paper_tables import PaperTable, paper_table
from lumirage.reporting.raster import to_pdf
from lumirage.reporting.report_inputs import read_inputs
from lumirage.reporting.report_problems import ReportProblems


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_come_out_as_they_went_in(layout: Layout, tmp_path: Path, kind: str) -> None:
    written = export(layout, kind, tmp_path)
    assert {"scores", "comparisons", "rankings"} <= {path.stem for path in written}
    read = pd.read_csv if kind == "csv" else pd.read_parquet
    ours, theirs = pd.read_parquet(layout.score_table), read(tmp_path / f"scores.{kind}")
    assert list(ours["value"].dropna()) == pytest.approx(list(theirs["value"].dropna()))
    assert len(ours) == len(theirs)


def test_latex_has_a_table_each(layout: Layout, tmp_path: Path) -> None:
    for path in export(layout, "latex", tmp_path):
        assert path.read_text(encoding="utf-8").startswith("\\begin{table}")


def test_bundle_can_be_scored_again_and_is_the_same_each_time(layout: Layout, tmp_path: Path) -> None:
    first, second = (export(layout, "bundle", tmp_path / name)[0] for name in ("a.zip", "b.zip"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "again")
    assert "evaluation.json" in names
    assert sum(name.endswith("_run.json") for name in names) == 3 * 12
    assert sum(name.endswith("_xfm.nii") for name in names) == 3 * 12 - 4 - 1
    assert not [name for name in names if name.startswith(("work/", "report/"))]
    changes = compare_evaluations(layout, Layout(tmp_path / "again"))
    assert changes.sentences == ["nothing changed"]


def test_unknown_kind_names_the_known(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="parquet"):
        export(layout, "excel", tmp_path)


def test_changes_of_image_scores_and_ranks_are_told(layout: Layout, tmp_path: Path) -> None:
    root = tmp_path / "second"
    shutil.copytree(layout.root, root, ignore=shutil.ignore_patterns("report", "work", "*.tsv", "*.nii"))
    second = Layout(root)
    text = second.evaluation.read_text(encoding="utf-8")
    digest = text.split('"digest":"')[1][:71]
    second.evaluation.write_text(text.replace(digest, digest[:-4] + "beef"), encoding="utf-8")
    table = pd.read_parquet(second.score_table)
    table.loc[(table["method"] == "alpha") & (table["metric"] == "dice_nearest_fg"), "value"] -= 0.3
    table.to_parquet(second.score_table)
    changes = compare_evaluations(layout, second)
    assert changes.parts["part"].tolist() == ["image of alpha"]
    moved = changes.scores[changes.scores["changed_pairs"] > 0]
    assert moved["method"].tolist() == ["alpha"]
    assert moved["mean_change"].iloc[0] == pytest.approx(-0.3)
    assert dict(zip(changes.ranks["method"], changes.ranks["second"], strict=True))["alpha"] > 1


def test_pairs_in_one_only_are_counted(tmp_path: Path) -> None:
    few = make_out(tmp_path / "few", Recipe(subjects=2, images=False, conditions=False))
    more = make_out(tmp_path / "more", Recipe(subjects=3, images=False, conditions=False))
    changes = compare_evaluations(few, more)
    row = changes.scores[(changes.scores["method"] == "alpha") & (changes.scores["metric"] == "sdlogj")].iloc[0]
    assert (row["pairs"], row["only_first"], row["only_second"]) == (2, 0, 4)


def of_tex(text: str) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the one table in a LaTeX text, which is sound: each row has a cell for each column."""
    assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")
    align = text.split("\\begin{tabular}{")[1].split("}", maxsplit=1)[0]
    for rule in ("\\toprule", "\\midrule", "\\bottomrule", "\\caption{", "\\label{", "\\end{tabular}\n\\end{table}\n"):
        assert rule in text, rule
    body = text.split("\\toprule\n")[1].split("\\bottomrule", maxsplit=1)[0].splitlines()
    rows = [line.removesuffix(" \\\\").split(" & ") for line in body if line.endswith("\\\\")]
    assert {len(row) for row in rows} == {len(align)}
    assert not [cell for row in rows for cell in row if not cell]
    return rows[0], rows[1:]


def test_the_table_for_a_paper_has_the_numbers_of_the_answer(layout: Layout) -> None:
    answer = effects_of(layout, summarize(layout))
    heads, rows = of_tex(paper_table(answer, PaperTable(digits=4)))
    assert heads[:3] == ["Method", "Rank", "Dice [95\\,\\% CI]"]
    assert "HD95 (mm)" in heads
    assert heads[-2:] == ["Time (s)", "Memory (GB)"]
    assert [row[0] for row in rows] == list(answer.methods)
    for row in rows:
        dice = answer.methods[row[0]].means["dice_nearest_fg"]
        star = "$^*$" if dice.filled else ""
        assert row[2] == f"{dice.mean:.4f}{star} [{dice.ci_low:.4f}, {dice.ci_high:.4f}]"
    references = {name for name, method in answer.methods.items() if method.reference}
    assert {row[0] for row in rows if row[1] == "--"} == references
    chosen, _ = of_tex(
        paper_table(answer, PaperTable(columns=("hd95", "failed", "n"), label="tab:x", caption="A \\& B"))
    )
    assert chosen == ["Method", "HD95 (mm)", "Failed", "Pairs"]
    assert "\\caption{A \\& B}\n\\label{tab:x}" in paper_table(answer, PaperTable(label="tab:x", caption="A \\& B"))


def test_the_table_of_effects_is_of_one_metric(layout: Layout) -> None:
    answer = effects_of(layout, summarize(layout))
    heads, rows = of_tex(paper_table(answer, PaperTable("effects", ("hd95",), 3)))
    assert heads[2] == "Difference in HD95 (mm) [95\\,\\% CI]"
    found = {(e.method, e.reference): e for e in answer.effects if e.metric == "hd95_mm"}
    assert len(rows) >= 3
    for row in rows:
        effect = found[row[0], row[1]]
        assert row[2].startswith(f"{effect.difference:.3f}".replace("-", "$-$") + " [")
        assert row[5] == str(effect.n_pairs)
    with pytest.raises(UsageError, match="of one metric"):
        paper_table(answer, PaperTable("effects", ("hd95", "dice")))
    with pytest.raises(UsageError, match=r"no column 'hd96'.*hd95_mm"):
        paper_table(answer, PaperTable(columns=("hd96",)))
    with pytest.raises(UsageError, match="unknown table 'method'"):
        paper_table(answer, PaperTable("method"))


def test_a_name_from_outside_is_escaped(layout: Layout) -> None:
    answer = effects_of(layout, summarize(layout))
    hostile = answer.model_copy(update={"dataset": "50 % of A_B & \\input{x}"})
    text = paper_table(hostile, PaperTable())
    assert "50 \\% of A\\_B \\& \\textbackslash{}input\\{x\\}" in text


def test_figures_are_pdf_each_and_the_same_again(layout: Layout, tmp_path: Path) -> None:
    written = export(layout, "figures", tmp_path / "a")
    assert {"forest-dice-nearest-fg.pdf", "pareto-wall-s.pdf", "times.pdf"} <= {path.name for path in written}
    for path in written:
        assert path.read_bytes().startswith(b"%PDF")
        assert b"/Type3" not in path.read_bytes(), "journals refuse fonts of type 3"
    (first,) = [path for path in written if path.name == "times.pdf"]
    drawn = draw_figures(read_inputs(layout), ReportProblems())
    assert to_pdf(next(f for f in drawn if f.section == "times").wide) == first.read_bytes()


def test_the_command_writes_one_table(layout: Layout, tmp_path: Path) -> None:
    words = [
        "export",
        str(layout.root),
        "latex",
        str(tmp_path / "t.tex"),
        "--columns",
        "rank, dice,time",
        "--digits",
        "2",
    ]
    said = CliRunner().invoke(app, words)
    assert said.output.strip() == str(tmp_path / "t.tex")
    assert of_tex((tmp_path / "t.tex").read_text())[0] == ["Method", "Rank", "Dice [95\\,\\% CI]", "Time (s)"]

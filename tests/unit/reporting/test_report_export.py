"""Exports, and what changed between two evaluations."""

import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from synthetic_out import Recipe, make_out

from lumirage.core.errors import UsageError
from lumirage.core.layout import Layout
from lumirage.reporting.evaluation_changes import compare_evaluations
from lumirage.reporting.export import export


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

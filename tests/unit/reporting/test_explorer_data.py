"""The data that the page's script explores: structures by hemisphere, effects, and the library in the bundle."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lumirage.core.layout import Layout
from lumirage.reporting.page_data import page_data
from lumirage.reporting.page_templates import D3
from lumirage.reporting.report_inputs import Inputs, read_inputs
from lumirage.reporting.structure_means import group_of, side_of, structures_of


@pytest.fixture(scope="module")
def inputs(layout: Layout) -> Inputs:
    return read_inputs(layout)


@pytest.mark.parametrize(
    ("name", "bare", "side"),
    [
        ("Left-Hippocampus", "Hippocampus", "L"), ("Right-Hippocampus", "Hippocampus", "R"),
        ("ctx-lh-cuneus", "ctx-cuneus", "L"), ("rh_insula", "insula", "R"), ("thalamus_L", "thalamus", "L"),
        ("right lateral ventricle", "lateral ventricle", "R"), ("Brain-Stem", "Brain-Stem", ""), ("lingual", "lingual", ""),
        ("rostral", "rostral", ""), ("CSF", "CSF", ""),
    ],
)  # fmt: skip
def test_hemispheres_are_told_by_the_usual_words(name: str, bare: str, side: str) -> None:
    assert side_of(name) == (bare, side)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("ctx-lh-cuneus", "cortex"), ("Left-Cerebellum-Cortex", "cerebellum and brain stem"),
        ("Hippocampus", "deep grey matter"),
        ("Left-Cerebral-White-Matter", "white matter"), ("3rd-Ventricle", "ventricles and CSF"), ("tumour", "other"),
    ],
)  # fmt: skip
def test_groups_are_by_words_of_the_name(name: str, group: str) -> None:
    assert group_of(name) == group


def test_structures_are_means_over_the_pairs_that_have_them(inputs: Inputs) -> None:
    (dice, *_) = structures_of(inputs)
    assert dice["title"].startswith("Dice")
    assert {row[0] for row in dice["rows"]} == {"ventricle", "thalamus", "cortex"}
    for _, _, (left, right) in dice["rows"]:
        assert right is None
        side, pairs, means, effects = left
        assert len(effects) == len(dice["couples"]) > 0
        assert side == ""
        assert pairs == len(inputs.pairs)
        assert len(means) == len(inputs.methods)
    table = inputs.layout.score_table
    rows = pd.read_parquet(table)
    mine = rows[(rows["name"] == "thalamus") & (rows["method"] == "alpha") & (rows["metric"] == "dice_nearest_fg")]
    (thalamus,) = [row for row in dice["rows"] if row[0] == "thalamus"]
    assert thalamus[2][0][2][inputs.methods.index("alpha")] == pytest.approx(mine["value"].mean(), rel=1e-3)


def test_structures_have_the_intervals_of_the_table(inputs: Inputs) -> None:
    (dice, *_) = structures_of(inputs)
    (thalamus,) = [row for row in dice["rows"] if row[0] == "thalamus"]
    table = pd.read_csv(inputs.layout.table("structures"), sep="\t")
    couple = dice["couples"].index([inputs.methods.index("alpha"), inputs.methods.index("beta")])
    same = (table["name"] == "thalamus") & (table["method"] == "alpha") & (table["reference"] == "beta")
    (row,) = table[same & (table["metric"] == "dice_nearest_fg")].to_dict("records")
    np.testing.assert_allclose(thalamus[2][0][3][couple], [row["difference"], row["ci_low"], row["ci_high"]], rtol=1e-3)
    assert row["n_pairs"] < len(inputs.pairs)  # beta failed on some


def test_without_the_table_structures_have_no_intervals(bare: Inputs) -> None:
    (dice, *_) = structures_of(bare)
    assert dice["couples"] == []
    assert all(side[3] == [] for row in dice["rows"] for side in row[2] if side)


def test_effects_are_those_of_the_table(inputs: Inputs) -> None:
    data = page_data(inputs, {})
    table = inputs.tables["comparisons"]
    same = ~table["literature"].astype(bool) & (table["policy"] == inputs.evaluation.track.on_failure)
    rows = table[same & (table["metric"] == inputs.measures[0].metric)]
    assert len(data["effects"][0]) == len(rows) > 0
    for found in data["effects"][0]:
        method, reference = (inputs.methods[int(found[k])] for k in (0, 1))
        row = rows[(rows["method"] == method) & (rows["reference"] == reference)].iloc[0]
        np.testing.assert_allclose(float(found[2]), float(row["difference"]), rtol=1e-4)
        assert found[6] == row["n_pairs"]
        assert found[8] == {"method": 1, "reference": -1}.get(row["better"], 0)


def test_the_library_in_the_bundle_is_the_published_file() -> None:
    readme = (D3 / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256((D3 / "d3.min.js").read_bytes()).hexdigest() in readme
    assert "ISC" in readme
    assert (D3 / "LICENSE.d3.txt").is_file()
    assert Path(D3 / "d3.min.js").stat().st_size < 300_000

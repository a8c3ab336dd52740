"""The closing summary: means of one condition, preset and source, failures counted, and said what is shown."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from synthetic_out import SECONDS, Recipe, make_out, true_dice, write_analysis

from lumirage.core.layout import Layout
from lumirage.core.metrics import METRICS, is_accuracy
from lumirage.flow.summary import _SHOWN, Summary, _devices, summarize
from lumirage.reporting.report_inputs import read_inputs
from lumirage.reporting.report_tables import method_rows
from lumirage.scoring.presets import PRESETS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_out(tmp_path_factory.mktemp("summary"), Recipe(subjects=4, images=False, factors=True))


def cells(summary: Summary, method: str) -> dict[str, str]:
    return dict(zip(summary.columns, summary.rows[method], strict=True))


def rescored(made: Layout, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Layout:
    shutil.copytree(made.root, tmp_path / "out")
    layout = Layout(tmp_path / "out")
    change(pd.read_parquet(layout.score_table)).to_parquet(layout.score_table)
    return layout


def test_means_are_of_the_reference_and_the_first_source_with_failures_filled(made: Layout) -> None:
    found = summarize(made)
    failed = {k: k % 3 == 1 for k in range(12)}
    beta = [true_dice("identity" if failed[k] else "beta", "reference", k) for k in range(12)]
    assert float(cells(found, "beta")["dice_nearest_fg"]) == pytest.approx(np.mean(beta), abs=1e-4)
    nothing = [true_dice("identity", "reference", k) for k in range(12)]
    assert float(cells(found, "identity")["dice_nearest_fg"]) == pytest.approx(np.mean(nothing), abs=1e-4)


def test_who_died_at_a_fine_resolution_is_not_flattered_by_the_coarse_ones(made: Layout) -> None:
    found = summarize(made)
    gamma = [
        true_dice("gamma-untrained", "reference", k) + 0.002 for k in range(12)
    ]  # half of the second repeat's step
    gamma[4] = true_dice("identity", "reference", 4)
    assert float(cells(found, "gamma-untrained")["dice_nearest_fg"]) == pytest.approx(np.mean(gamma), abs=1e-4)
    assert (cells(found, "gamma-untrained")["runs"], cells(found, "gamma-untrained")["failed"]) == ("144", "26")


def test_costs_are_of_the_reference_and_of_runs_that_ended_well(made: Layout) -> None:
    assert float(cells(summarize(made), "alpha")["wall s"]) == pytest.approx(SECONDS["alpha"], rel=0.1)


def test_who_computed_on_what_is_told() -> None:
    def run(method: str, device: str) -> SimpleNamespace:
        return SimpleNamespace(method=method, device=device)

    assert _devices([run("a", "cpu"), run("b", "cpu")]) == ["computed on: cpu"]  # type: ignore[list-item]
    mixed = [run("a", "cpu"), run("b", "gpu"), run("c", "gpu"), run("c", "cpu")]
    assert _devices(mixed) == ["computed on: cpu (a), cpu, gpu (c), gpu (b)"]  # type: ignore[arg-type]
    assert _devices([run("old", "")]) == [], "records of older harnesses do not say"  # type: ignore[list-item]


def test_the_notes_say_what_is_shown_where_there_is_more(made: Layout) -> None:
    told = "\n".join(summarize(made).notes)
    assert "condition reference (of 6), label source manual (of 2); the report has all" in told
    assert "time and memory: medians under reference; runs and failed: of all conditions" in told
    assert "a failed run counts as doing nothing, or as the affine where that is worse (policy identity)" in told


def test_one_condition_without_failures_needs_no_words(tmp_path: Path) -> None:
    plain = make_out(tmp_path, Recipe(subjects=2, images=False, conditions=False, methods=("alpha",)))
    assert summarize(plain).notes == ()


def test_a_mean_over_fewer_pairs_says_so(made: Layout, tmp_path: Path) -> None:
    def without(scores: pd.DataFrame) -> pd.DataFrame:
        first = scores["pair"] == scores["pair"].iloc[0]
        return scores.assign(value=scores["value"].mask(first & (scores["method"] == "alpha")))

    told = summarize(rescored(made, tmp_path, without)).notes
    assert "dice_nearest_fg is over fewer than 12 pairs: alpha 11" in told


def test_landmarks_of_learn2reg_are_accuracy(made: Layout, tmp_path: Path) -> None:
    def landmarks(scores: pd.DataFrame) -> pd.DataFrame:
        rows = scores[(scores["metric"] == "hd95_mm") & scores["label"].isna()]
        return rows.assign(metric="tre_mm_cubic_l2r", preset="learn2reg", source="")

    found = summarize(rescored(made, tmp_path, landmarks))
    assert "tre_mm_cubic_l2r" in found.columns
    assert not [note for note in found.notes if "nothing here measures accuracy" in note]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_has_a_column_for_each_kind_of_truth(preset: str) -> None:
    accurate = [metric for metric in PRESETS[preset].metrics if is_accuracy(metric)]
    kinds = {METRICS[metric].of for metric in accurate}
    assert kinds == {METRICS[metric].of for metric in accurate if metric in _SHOWN}
    assert kinds


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_out(tmp_path_factory.mktemp("plain"), Recipe(subjects=4, images=False, conditions=False))


def test_who_failed_everywhere_is_shown_with_what_the_policy_put_in(plain: Layout, tmp_path: Path) -> None:
    def failed(scores: pd.DataFrame) -> pd.DataFrame:
        mine = scores["method"] == "alpha"
        return scores.assign(value=scores["value"].mask(mine), outcome=scores["outcome"].mask(mine, "crashed"))

    layout = rescored(plain, tmp_path, failed)
    write_analysis(layout)
    found = summarize(layout)
    nothing = np.mean([min(true_dice(m, "reference", k) for m in ("identity", "affine")) for k in range(12)])
    assert float(cells(found, "alpha")["dice_nearest_fg"]) == pytest.approx(nothing, abs=1e-4)
    assert found.filled["alpha"]["dice_nearest_fg"] == 12
    assert found.as_json()["filled"]["alpha"]["dice_nearest_fg"] == 12  # type: ignore[index]
    shown = dict(zip(found.columns, found.marked("alpha"), strict=True))
    assert shown["dice_nearest_fg"].endswith("*")
    assert shown["rank"] == "3"  # the last of three: the sentinels have no rank
    assert "* marks means with such pairs" in "\n".join(found.notes)
    board = method_rows(read_inputs(layout), "reference")
    assert board[-1].method == "alpha"
    assert (board[-1].place, board[-1].n, board[-1].means[0].filled) == ("5", 0, 12)
    assert board[-1].means[0].value == pytest.approx(nothing, abs=1e-4)


def test_ranks_stand_with_their_ties_and_intervals_once_compared(plain: Layout, tmp_path: Path) -> None:
    assert "rank" not in summarize(plain).columns
    layout = rescored(plain, tmp_path, lambda scores: scores)
    write_analysis(layout)
    found = summarize(layout)
    assert found.columns[0] == "rank"
    assert cells(found, "alpha")["rank"] == "1= [1, 2]"
    assert any("cannot be told apart" in note for note in found.notes)

"""The closing summary: means of one condition, preset and source, failures counted, and said what is shown."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats
from synthetic_out import SECONDS, Recipe, make_out, true_dice, write_analysis

from lumirage.cli.evaluation_text import closing_table, effects_table
from lumirage.core.errors import DataError
from lumirage.core.evaluation_answer import EvaluationAnswer
from lumirage.core.layout import Layout
from lumirage.core.metrics import METRICS, is_accuracy
from lumirage.flow.summary import effects_of, summarize
from lumirage.flow.summary_notes import SHOWN, devices_told
from lumirage.reporting.report_inputs import read_inputs
from lumirage.reporting.report_tables import method_rows
from lumirage.results import load
from lumirage.scoring.presets import PRESETS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_out(tmp_path_factory.mktemp("summary"), Recipe(subjects=4, images=False, factors=True))


def mean(answer: EvaluationAnswer, method: str, metric: str = "dice_nearest_fg") -> float:
    return answer.methods[method].means[metric].mean


def printed(answer: EvaluationAnswer, method: str) -> str:
    """The line of a method in the closing table of a log."""
    text = io.StringIO()
    Console(file=text, width=80).print(closing_table(answer, 80))
    return next(line for line in text.getvalue().splitlines() if f" {method} " in line)


def rescored(made: Layout, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Layout:
    shutil.copytree(made.root, tmp_path / "out")
    layout = Layout(tmp_path / "out")
    change(pd.read_parquet(layout.score_table)).to_parquet(layout.score_table)
    return layout


def test_means_are_of_the_reference_and_the_first_source_with_failures_filled(made: Layout) -> None:
    found = summarize(made)
    failed = {k: k % 3 == 1 for k in range(12)}
    beta = [true_dice("identity" if failed[k] else "beta", "reference", k) for k in range(12)]
    assert mean(found, "beta") == pytest.approx(np.mean(beta), abs=1e-4)
    nothing = [true_dice("identity", "reference", k) for k in range(12)]
    assert mean(found, "identity") == pytest.approx(np.mean(nothing), abs=1e-4)


def test_who_died_at_a_fine_resolution_is_not_flattered_by_the_coarse_ones(made: Layout) -> None:
    found = summarize(made)
    gamma = [
        true_dice("gamma-untrained", "reference", k) + 0.002 for k in range(12)
    ]  # half of the second repeat's step
    gamma[4] = true_dice("identity", "reference", 4)
    assert mean(found, "gamma-untrained") == pytest.approx(np.mean(gamma), abs=1e-4)
    assert (found.methods["gamma-untrained"].runs, found.methods["gamma-untrained"].failed) == (144, 26)


def test_costs_are_of_the_reference_and_of_runs_that_ended_well(made: Layout) -> None:
    assert summarize(made).methods["alpha"].wall_s == pytest.approx(SECONDS["alpha"], rel=0.1)


def test_who_computed_on_what_is_told() -> None:
    def run(method: str, device: str) -> SimpleNamespace:
        return SimpleNamespace(method=method, device=device)

    assert devices_told([run("a", "cpu"), run("b", "cpu")]) == ["computed on: cpu"]  # type: ignore[list-item]
    mixed = [run("a", "cpu"), run("b", "gpu"), run("c", "gpu"), run("c", "cpu")]
    assert devices_told(mixed) == ["computed on: cpu (a), cpu, gpu (c), gpu (b)"]  # type: ignore[arg-type]
    assert devices_told([run("old", "")]) == [], "records of older harnesses do not say"  # type: ignore[list-item]


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
    assert "Dice is over fewer than 12 pairs: alpha 11" in told


def test_landmarks_of_learn2reg_are_accuracy(made: Layout, tmp_path: Path) -> None:
    def landmarks(scores: pd.DataFrame) -> pd.DataFrame:
        rows = scores[(scores["metric"] == "hd95_mm") & scores["label"].isna()]
        return rows.assign(metric="tre_mm_cubic_l2r", preset="learn2reg", source="")

    found = summarize(rescored(made, tmp_path, landmarks))
    assert "tre_mm_cubic_l2r" in found.metrics
    assert not [note for note in found.notes if "nothing here measures accuracy" in note]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_has_a_column_for_each_kind_of_truth(preset: str) -> None:
    accurate = [metric for metric in PRESETS[preset].metrics if is_accuracy(metric)]
    kinds = {METRICS[metric].of for metric in accurate}
    assert kinds == {METRICS[metric].of for metric in accurate if metric in SHOWN}
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
    assert mean(found, "alpha") == pytest.approx(nothing, abs=1e-4)
    assert found.methods["alpha"].means["dice_nearest_fg"].filled == 12
    row = printed(found, "alpha")
    assert f"{nothing:.3f}"[:4] in row
    assert "* [" in row
    assert row.split()[0] == "3"  # the last of three: the sentinels have no rank
    assert "* marks means with such pairs" in "\n".join(found.notes)
    board = [line for line in method_rows(read_inputs(layout), "reference") if not line.reference]
    assert board[-1].method == "alpha"
    assert (board[-1].place, board[-1].n, board[-1].means[0].filled) == ("3", 0, 12)
    assert board[-1].means[0].value == pytest.approx(nothing, abs=1e-4)


def test_ranks_stand_with_their_ties_and_intervals_once_compared(plain: Layout, tmp_path: Path) -> None:
    assert {method.rank for method in summarize(plain).methods.values()} == {None}
    layout = rescored(plain, tmp_path, lambda scores: scores)
    write_analysis(layout)
    found = summarize(layout)
    rank = found.methods["alpha"].rank
    assert rank is not None
    assert (rank.place, rank.low, rank.high, rank.beyond_gate) == ("1=", 1, 2, False)
    assert printed(found, "alpha").split()[:2] == ["1=", "alpha"]
    assert list(found.methods)[-2:] == ["affine", "identity"], "references are a scale: last, the better first"
    assert {found.methods[name].rank for name in ("affine", "identity")} == {None}
    assert printed(found, "affine").split()[0] == "-"
    assert any("cannot be distinguished" in note for note in found.notes)


def test_intervals_of_means_are_by_resampling_subjects(plain: Layout) -> None:
    found = summarize(plain).methods
    for name, method in found.items():
        dice = method.means["dice_nearest_fg"]
        assert dice.ci_low is not None
        assert dice.ci_high is not None
        assert dice.ci_low < dice.mean < dice.ci_high, name
    own = load(plain.root).scores("dice", method="identity")["value"]
    dice = found["identity"].means["dice_nearest_fg"]
    assert dice.ci_high - dice.mean >= stats.t.ppf(0.975, 3) * own.std() / len(own) ** 0.5 * 0.999, "4 subjects"
    assert (summarize(plain).n_pairs, summarize(plain).n_subjects) == (12, 4)


def test_the_effects_are_those_of_the_table(plain: Layout, tmp_path: Path) -> None:
    layout = rescored(plain, tmp_path, lambda scores: scores)
    with pytest.raises(DataError, match="lumirage-harness compare"):
        effects_of(layout, summarize(layout))
    write_analysis(layout)
    answer = effects_of(layout, summarize(layout))
    table = pd.read_csv(layout.table("comparisons"), sep="\t", na_values=["n/a"], keep_default_na=False)
    table = table[~table["literature"] & (table["policy"] == "identity") & table["metric"].isin(answer.metrics)]
    assert len(answer.effects) == len(table) > 10
    for effect in answer.effects:
        (row,) = table[
            (table["metric"] == effect.metric)
            & (table["method"] == effect.method)
            & (table["reference"] == effect.reference)
        ].to_dict("records")
        assert (effect.difference, effect.ci_low, effect.n_pairs) == (row["difference"], row["ci_low"], row["n_pairs"])
    text = io.StringIO()
    Console(file=text, width=80).print(effects_table(answer))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.split()[:2] == ["alpha", "affine"] and line.rstrip().endswith("better") for line in lines)
    assert not any("identity" in line for line in lines), "references among themselves are no news"

"""The report always comes out: degenerate tables made by hypothesis, and pictures, pages and parts that cannot be made."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from synthetic_out import HOSTILE, Recipe, make_out

from lumirage.analysis.comparisons import CompareSettings, compare
from lumirage.analysis.condition_effects import ChangeSettings, condition_changes, repeat_variance
from lumirage.analysis.power import power_table
from lumirage.analysis.ranking import RankSettings, rank, rank_agreement
from lumirage.analysis.resampling import Resampling
from lumirage.analysis.verdicts import verdicts
from lumirage.core.failure_policy import POLICIES
from lumirage.core.layout import Layout
from lumirage.core.screen import Silent
from lumirage.flow import compare as compare_stage
from lumirage.flow.summary import effects_of, summarize
from lumirage.reporting import figures, overview, pair_files, report_folder
from lumirage.reporting.report_folder import ReportOptions, write_report
from lumirage.reporting.report_inputs import read_inputs

FAST = Resampling(draws=40)
KINDS = ("as they are", "failed", "nan", "inf", "one value", "one value but for rounding", "huge", "tiny", "zero")


def spoiled(values: pd.Series, kind: str) -> pd.Series:
    n = np.arange(len(values))
    made = {
        "nan": np.full(len(n), np.nan),
        "failed": np.full(len(n), np.nan),
        "inf": np.where(n % 2, np.inf, values),
        "one value": np.full(len(n), 0.7),
        "one value but for rounding": 0.7 + 1e-16 * n,
        "huge": values * 1e300,
        "tiny": values * 1e-300,
        "zero": np.zeros(len(n)),
    }
    return pd.Series(made.get(kind, values), index=values.index)


def degenerate(scores: pd.DataFrame, kinds: dict[str, str], pairs: int, methods: int, source: str) -> pd.DataFrame:
    """Some methods on some pairs, each with values of its own kind; methods beyond the sentinels in order of name."""
    kept = {"identity", "affine", *sorted(set(scores["method"]) - {"identity", "affine"})[:methods]}
    rows = scores[scores["method"].isin(kept) & scores["pair"].isin(sorted(set(scores["pair"]))[:pairs])].copy()
    for method, kind in kinds.items():
        mine = rows["method"] == method
        rows.loc[mine, "value"] = spoiled(rows.loc[mine, "value"], kind).to_numpy()
        if kind == "failed":
            rows.loc[mine, "outcome"] = "crashed"
    rows["source"] = rows["source"].replace("manual", source)
    return rows


METHODS = ("identity", "affine", "alpha", "beta")
TABLES = st.tuples(
    st.fixed_dictionaries({method: st.sampled_from(KINDS) for method in METHODS}),
    st.integers(1, 6),
    st.integers(0, 2),
    st.sampled_from(["manual", "", HOSTILE, "a'b\"c", "x" * 300]),
)
EVERY_KIND = [
    (dict(zip(METHODS, itertools.islice(itertools.cycle(KINDS), k, None), strict=False)), 6, 2, "manual")
    for k in range(len(KINDS))
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, pd.DataFrame]:
    recipe = Recipe(subjects=3, images=False, methods=("alpha", "beta"))
    made = make_out(tmp_path_factory.mktemp("degenerate"), recipe)
    scores = pd.read_parquet(made.score_table)
    few = scores["condition"].isin(["reference", "noise-0.1"]) & scores["metric"].isin(
        ["dice_nearest_fg", "ndv_percent"]
    )
    return made, scores[few]


@settings(
    max_examples=4,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(table=TABLES)
@example(table=(dict.fromkeys(METHODS, "failed"), 6, 2, "manual"))
@example(table=(dict.fromkeys(METHODS, "one value but for rounding"), 6, 2, "manual"))
@example(table=(dict.fromkeys(METHODS, "inf"), 1, 1, HOSTILE))
def test_no_table_ends_the_analysis(
    tree: tuple[Layout, pd.DataFrame], table: tuple[dict[str, str], int, int, str]
) -> None:
    scores = degenerate(tree[1], *table)
    found, ranked = compare(scores, CompareSettings(FAST)), rank(scores, RankSettings(FAST))
    for policy in POLICIES:
        changes = condition_changes(scores, ChangeSettings(FAST, policy=policy))
        said = verdicts(found, ranked, changes, policy)
        assert not [verdict.sentence for verdict in said if " nan" in verdict.sentence]
    power_table(scores), repeat_variance(scores), rank_agreement(ranked)
    for _, of in ranked[ranked["policy"] != "drop"].groupby(
        ["condition", "metric", "preset", "source", "policy", "scheme"]
    ):
        ranks = of.set_index("method")["rank"]
        for method, kind in table[0].items():
            if (
                kind == "failed"
                and method in ranks.index.difference(["identity", "affine"])
                and "affine" in ranks.index
            ):
                assert not ranks[method] < ranks["affine"]


@settings(
    max_examples=1,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(table=TABLES)
@example(table=EVERY_KIND[3])
@example(table=(dict.fromkeys(METHODS, "one value but for rounding"), 6, 2, HOSTILE))
@example(table=(dict.fromkeys(METHODS, "failed"), 1, 0, "manual"))
def test_the_whole_report_of_a_degenerate_table_comes_out(
    tree: tuple[Layout, pd.DataFrame], table: tuple[dict[str, str], int, int, str]
) -> None:
    layout, scores = tree
    degenerate(scores, *table).to_parquet(layout.score_table)
    compare_stage.compare(layout, Silent())
    problems: list[str] = []
    page = write_report(layout, ReportOptions(most_pages=1), on_problem=problems.append)
    assert problems == []
    assert "Leaderboard" in page.read_text(encoding="utf-8")
    json.loads(effects_of(layout, summarize(layout)).model_dump_json(), parse_constant=pytest.fail)


def test_ten_thousand_labels_have_a_page(tree: tuple[Layout, pd.DataFrame]) -> None:
    layout, scores = tree
    one = scores[(scores["metric"] == "dice_nearest_fg") & scores["label"].notna()].head(1)
    labels = pd.concat([one] * 10_000, ignore_index=True).assign(label=range(1, 10_001), name=HOSTILE)
    pd.concat([scores, labels.astype({"label": "Int64"})]).to_parquet(layout.score_table)
    problems: list[str] = []
    page = write_report(layout, ReportOptions(pairs=(one["pair"].iloc[0],), most_pages=0), on_problem=problems.append)
    assert problems == []
    assert "10000 labels" in (page.parent / "pairs" / f"{one['pair'].iloc[0]}.html").read_text(encoding="utf-8")


@pytest.fixture
def alone(tree: tuple[Layout, pd.DataFrame]) -> Layout:
    tree[1].to_parquet(tree[0].score_table)
    return tree[0]


def broken(*_: object) -> None:
    raise ValueError("Too many <bins>")


def test_a_figure_that_cannot_be_drawn_says_why_in_its_place(alone: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "strips", broken)
    problems: list[str] = []
    page = write_report(alone, ReportOptions(most_pages=1), on_problem=problems.append)
    text = page.read_text(encoding="utf-8")
    assert "figure strips of Dice: ValueError: Too many <bins>" in problems
    assert "Too many &lt;bins&gt;" in text
    assert 'id="figure-strips-Dice-not-drawn-0"' in text
    assert len(list((page.parent / "figures").glob("strips-*-not-drawn-*.png"))) == len(read_inputs(alone).measures)
    assert "Leaderboard" in text


def test_a_page_that_cannot_be_made_says_why_and_the_others_are_there(
    alone: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = next(iter(read_inputs(alone).pairs))
    real = pair_files.make_pair_page
    monkeypatch.setattr(
        pair_files, "make_pair_page", lambda i, c, *rest: broken() if c.pair == first else real(i, c, *rest)
    )
    problems: list[str] = []
    page = write_report(alone, ReportOptions(pairs=(first,), most_pages=3), on_problem=problems.append)
    assert [problem for problem in problems if problem.startswith(f"page of {first}: ValueError")]
    stub = (page.parent / "pairs" / f"{first}.html").read_text(encoding="utf-8")
    assert "This page could not be made: ValueError: Too many &lt;bins&gt;" in stub
    assert len(list((page.parent / "pairs").glob("*.html"))) >= 3


@pytest.mark.parametrize("part", ["sources_of", "change_tables", "_power", "page_data", "method_rows"])
def test_a_part_of_the_overview_that_cannot_be_made_leaves_the_rest(
    alone: Layout, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(report_folder if part == "method_rows" else overview, part, broken)
    problems: list[str] = []
    page = write_report(alone, ReportOptions(most_pages=0), on_problem=problems.append)
    assert len(problems) >= 1
    assert "Some parts of this report could not be made" in page.read_text(encoding="utf-8")


def test_the_failure_table_has_the_condition_and_the_last_words(alone: Layout) -> None:
    page = write_report(alone, ReportOptions(most_pages=0))
    table = pd.read_csv(page.parent / "tables" / "failures.tsv", sep="\t")
    assert set(table["condition"]) == {"reference"}
    assert set(table["last_words"]) == {"level 2 done"}
    assert "level 2 done" in page.read_text(encoding="utf-8")

"""A study of two tracks with known numbers: verdicts, what is told at the top, the page, and what was declared when."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.unit.reporting.synthetic_out import Recipe, make_out, true_dice

from lumirage.core.errors import DataError, UsageError
from lumirage.core.layout import Layout
from lumirage.core.model import Outcome, Run
from lumirage.core.records import read_json
from lumirage.core.screen import Silent
from lumirage.core.study import Study
from lumirage.core.study_changes import changes_around, changes_told
from lumirage.core.study_layout import StudyLayout
from lumirage.core.study_results import StudyResults
from lumirage.flow.request import EvaluationRequest
from lumirage.flow.study.computed_results import study_results
from lumirage.flow.study.study_declaration import declare, read_study_record
from lumirage.flow.study.study_report import report_study
from lumirage.flow.study.study_request import StudyRequest
from lumirage.reporting.report_folder import ReportOptions, write_report

PAIRS = 20
GOOD: dict[str, Any] = {"family": "good", "against": "bad"}
CLAIMS: list[dict[str, Any]] = [
    {"id": "better", "sentence": "Alpha is better.", "kind": "difference", "direction": "better", "margin": 0.01, **GOOD,
     "where": ["first:noise-0.05", "second:noise-0.05"]},
    {"id": "same", "sentence": "They are equal.", "kind": "equivalence", "margin": 0.02, "where": "first:noise-0.05", **GOOD},
    {"id": "surface", "sentence": "Alpha's surfaces are nearer.", "kind": "difference", "direction": "better", **GOOD,
     "metric": "hd95_mm", "where": "first:noise-0.05"},
    {"id": "loses", "sentence": "Alpha loses more.", "kind": "interaction", "margin": 0.01, **GOOD,
     "where": "second:noise-0.05", "reference": "first:noise-0.05"},
    {"id": "dies", "sentence": "Beta never runs.", "kind": "does_not_run", "family": "dead", "where": "second", "margin": 0.2},
    {"id": "runs", "sentence": "Alpha runs.", "kind": "runs", "family": "good", "where": "second", "margin": 0.9},
    {"id": "elsewhere", "sentence": "Alpha is better everywhere.", "kind": "difference", "direction": "better", **GOOD,
     "where": ["first:noise-0.05", "third"]},
    {"id": "nowhere", "sentence": "Alpha is better there.", "kind": "difference", "where": "third", **GOOD},
]  # fmt: skip
STUDY: dict[str, Any] = {
    "name": "made-up",
    "title": "A <made-up> study",
    "datasets": {
        "here": {"summary": "balls"},
        "there": {"summary": "other balls"},
        "gone": {"how_to_get": "Nobody has it."},
    },
    "tracks": {
        "first": {"track": "t1w", "dataset": "here"},
        "second": {"track": "t1w", "dataset": "there"},
        "third": {"track": "t1w", "dataset": "gone"},
    },
    "methods": ["alpha", "beta", "gamma-untrained"],
    "families": {
        "good": {"title": "good methods", "methods": ["alpha"]},
        "bad": {"title": "bad methods", "methods": ["gamma-untrained"]},
        "dead": {"methods": ["beta"]},
    },
    "claims": CLAIMS,
    "does_not_test": ["Brains."],
}


def asked(root: Path, study: dict[str, Any] = STUDY) -> StudyRequest:
    made = Study.model_validate(study)
    return StudyRequest(study=made, layout=StudyLayout(root), options=EvaluationRequest(methods=()))


LEFT_OUT = {"dataset gone": "no folder", "track third": "dataset gone is not there"}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> StudyLayout:
    root = tmp_path_factory.mktemp("study")
    layout = StudyLayout(root / "OUT")
    declare(asked(layout.root), {}, LEFT_OUT)
    for name in ("first", "second"):
        made = make_out(root / name, Recipe(images=False))
        layout.track(name).root.parent.mkdir(exist_ok=True)
        shutil.move(made.root, layout.track(name).root)
    _kill(layout, "second", "beta")
    evaluation = layout.track("second").evaluation
    words = json.loads(evaluation.read_text()) | {"caution": "This dataset cannot say much."}
    evaluation.write_text(json.dumps(words))
    return layout


def _kill(layout: StudyLayout, track: str, method: str) -> None:
    """Every run of a method on a track crashes."""
    out = layout.track(track)
    for record in out.method(method).rglob("*_run.json"):
        run = read_json(record, Run).model_copy(update={"outcome": Outcome.CRASHED})
        record.write_text(run.model_dump_json())
    scores = pd.read_parquet(out.score_table)
    mine = scores["method"] == method
    scores.loc[mine, ["outcome", "value"]] = ["crashed", None]
    scores.to_parquet(out.score_table)


@pytest.fixture(scope="module")
def results(layout: StudyLayout) -> StudyResults:
    return report_study(layout, Silent())


def test_verdicts_and_numbers(results: StudyResults) -> None:
    of = {one.claim.id: one for one in results.claims}
    assert {name: one.decision for name, one in of.items()} == {
        "better": "supported", "same": "refuted", "surface": "supported", "loses": "undecided", "dies": "supported",
        "runs": "supported", "elsewhere": "undecided", "nowhere": "not measured",
    }  # fmt: skip
    expected = np.mean(
        [true_dice("alpha", "noise-0.05", k) - true_dice("gamma-untrained", "noise-0.05", k) for k in range(PAIRS)]
    )
    for at in of["better"].places:
        assert at.difference.value == pytest.approx(expected, abs=1e-12)
        assert (at.n_people, at.n_pairs, at.n_methods) == (5, PAIRS, 2)
    assert of["surface"].places[0].difference.value == pytest.approx(12 * expected, abs=1e-12), (
        "less is better: above 0 too"
    )
    assert of["loses"].places[0].difference.value == pytest.approx(0.0, abs=1e-12)
    assert of["dies"].places[0].difference.value == 1.0
    assert of["runs"].places[0].difference.value == 0.0


def test_what_was_not_measured_supports_nothing_and_says_why(results: StudyResults) -> None:
    of = {one.claim.id: one for one in results.claims}
    assert [at.alone for at in of["elsewhere"].places] == ["supported", "not measured"]
    assert "third: track third was not measured" in of["elsewhere"].reason
    assert of["nowhere"].p_holm is None


def test_people_of_two_datasets_are_not_one_though_they_have_one_name(layout: StudyLayout) -> None:
    both = STUDY | {"tracks": STUDY["tracks"] | {"second": {"track": "t1w", "dataset": "here"}}}
    pairings = []
    for study in (STUDY, both):
        copy = StudyLayout(layout.root.parent / f"{len(pairings)}")
        shutil.copytree(layout.root, copy.root)
        copy.record.unlink()
        declare(asked(copy.root, study), {}, {})
        found = {one.claim.id: one for one in report_study(copy, Silent()).claims}
        pairings.append((found["loses"].places[0].pairing, found["loses"].places[0].n_people))
    assert pairings == [("unpaired", 10), ("paired by person", 5)]


def test_everything_missing_stands_at_the_top(layout: StudyLayout, results: StudyResults) -> None:
    assert results.fails_everywhere() == {("second", "beta"): {"crashed": PAIRS * 4}}
    page = layout.page.read_text()
    top = page[: page.index('id="claims"')]
    for words in (
        "dataset gone: no folder",
        "track third: dataset gone is not there",
        "Method beta failed on every run of track second",
    ):
        assert words in top
    assert f"{PAIRS * 4} crashed" in top
    assert "was changed after" not in page


def test_the_page_is_whole_and_opens_offline(layout: StudyLayout, results: StudyResults) -> None:
    page = layout.page.read_text()
    assert "A &lt;made-up&gt; study" in page
    assert "8 claims: 4 supported, 1 refuted, 2 undecided, 1 not measured." in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    for address in re.findall(r'(?:src|href)="([^"#:]+)"', page):
        assert (layout.report / address).exists() or address.startswith("../tracks/"), address
    for words in ("Brains.", "[holm1979]", "Avants BB", "../tracks/second/report/index.html"):
        assert words in page
    for claim in results.claims:
        assert f'id="claim-{claim.claim.id}"' in page


@pytest.mark.usefixtures("results")
def test_what_a_dataset_cannot_say_stands_at_each_claim_that_it_decides(layout: StudyLayout) -> None:
    articles = dict(
        re.findall(r'<article class="claim" id="claim-(\w+)">(.*?)</article>', layout.page.read_text(), re.DOTALL)
    )
    told = {claim for claim, text in articles.items() if "This dataset cannot say much." in text}
    assert told == {"better", "loses", "dies", "runs"}


def test_what_is_kept_of_a_study_gives_its_tables_again(
    layout: StudyLayout, results: StudyResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    import study_write_up  # scripts are no package

    study_write_up.keep(layout, tmp_path / "kept")
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {
        "declaration.json", "first.tar.xz", "second.tar.xz",
    }  # fmt: skip
    again = study_write_up.report_of_kept(tmp_path / "kept", tmp_path / "again")
    for name in study_write_up.TABLES:
        assert again.table(name).read_bytes() == layout.table(name).read_bytes(), name
    assert read_study_record(again).left_out == LEFT_OUT


def test_tables_have_the_numbers_of_the_page(layout: StudyLayout, results: StudyResults) -> None:
    claims = pd.read_csv(layout.table("claims"), sep="\t").set_index(["claim", "track"])
    first = results.claims[0].places[0]
    assert claims.loc[("better", "first"), "difference"] == first.difference.value
    assert claims.loc[("better", "first"), "ci_low"] == first.difference.low
    families = pd.read_csv(layout.table("families"), sep="\t")
    row = families[
        (families["metric"] == "dice_nearest_fg")
        & (families["condition"] == "noise-0.05")
        & (families["track"] == "first")
    ]
    assert row["difference"].item() == pytest.approx(first.difference.value)
    matrix = pd.read_csv(layout.table("matrix"), sep="\t")
    dead = matrix[(matrix["method"] == "beta") & (matrix["track"] == "second")]
    assert (dead["failed"] == dead["runs"]).all()
    assert (dead["filled"] == PAIRS).all()
    for name in ("claims", "families", "matrix"):
        text = (layout.report / "tables" / f"{name}.tex").read_text()
        assert text.count(r"\begin{tabular}") == 1
    assert "Alpha is better." in (layout.report / "tables" / "claims.tex").read_text()


def test_a_track_is_summed_up_by_what_its_claims_are_about(layout: StudyLayout, results: StudyResults) -> None:
    assert {(row.place.track, row.metric) for row in results.matrix} == {
        ("first", "dice_nearest_fg"), ("second", "dice_nearest_fg"),
    }  # fmt: skip
    surface = [claim for claim in CLAIMS if claim["id"] in {"surface", "dies"}]
    record = read_study_record(layout)
    study = Study.model_validate(STUDY | {"claims": surface})
    declared = record.declared[-1].model_copy(update={"study": study})
    other = study_results(layout, record.model_copy(update={"declared": (declared,)}))
    assert {(row.place.track, row.metric, row.unit) for row in other.matrix} == {
        ("first", "hd95_mm", "mm"), ("second", "dice_nearest_fg", "1"),
    }  # fmt: skip


def test_the_same_scores_give_the_same_file(layout: StudyLayout, results: StudyResults) -> None:
    before = layout.results.read_bytes()
    assert json.loads(before)["name"] == "made-up"
    report_study(layout, Silent())
    assert layout.results.read_bytes() == before


def test_a_later_change_of_a_claim_is_told_on_the_page_and_a_change_of_words_is_not(layout: StudyLayout) -> None:
    copy = StudyLayout(layout.root.parent / "changed")
    shutil.copytree(layout.root, copy.root)
    declare(asked(copy.root, STUDY | {"summary": "Other words."}), {}, {})
    record = read_study_record(copy)
    assert len(record.declared) == 1
    assert record.declared[0].runs_before == 0
    assert record.study.summary == "Other words."
    changed = [CLAIMS[0] | {"margin": 0.2}, *CLAIMS[2:]]
    declare(asked(copy.root, STUDY | {"claims": changed}), {}, {})
    (told,) = changes_told(read_study_record(copy))
    assert f"after {2 * 3 * 4 * PAIRS} runs" in told
    assert "claim better: margin changed" in told
    assert "claim same removed" in told
    report_study(copy, Silent())
    top = copy.page.read_text().split('id="claims"')[0]
    assert "claim better: margin changed" in top
    assert read_json(copy.results, StudyResults).earlier_hashes == (record.declared[0].claims_hash,)
    assert changes_around(copy.track("first")) == [told], "the report of one track says so too"
    assert changes_around(layout.track("first")) == []
    assert changes_around(Layout(copy.root)) == [], "no track of a study"
    assert "claim better: margin changed" in _overview(copy.track("first"))


def _overview(track: Layout) -> str:
    return write_report(track, ReportOptions(most_pages=0)).read_text().split('id="board"')[0]


def test_a_reason_does_not_hold_the_place_of_the_study(layout: StudyLayout) -> None:
    inside, outside = layout.track("first").evaluation, layout.root.parent / "data"
    reason = layout.movable(f"{inside}: damaged; {layout.root} holds another track than {outside}")
    assert reason == f"tracks/first/evaluation.json: damaged; OUT holds another track than {outside}"


def test_older_scores_of_a_track_that_was_refused_do_not_count(layout: StudyLayout) -> None:
    copy = StudyLayout(layout.root.parent / "refused")
    shutil.copytree(layout.root, copy.root)
    declare(asked(copy.root), {}, {"track second": "OUT holds another track"}, ["second"])
    found = {one.claim.id: one.decision for one in report_study(copy, Silent()).claims}
    assert (found["dies"], found["loses"], found["same"]) == ("not measured", "not measured", "refuted")
    assert "track second: OUT holds another track" in copy.page.read_text().split('id="claims"')[0]


def test_a_tree_belongs_to_one_study(layout: StudyLayout, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has the study 'made-up', not 'other'"):
        declare(asked(layout.root, STUDY | {"name": "other"}), {}, {})
    with pytest.raises(DataError, match="no study there"):
        report_study(StudyLayout(tmp_path), Silent())
    declare(asked(tmp_path), {}, {})
    with pytest.raises(DataError, match="no track of this study has scores"):
        report_study(StudyLayout(tmp_path), Silent())


def test_data_and_methods_must_be_those_of_the_study(tmp_path: Path) -> None:
    made = Study.model_validate(STUDY)
    options = EvaluationRequest(methods=())
    with pytest.raises(UsageError, match="--data: the study has no 'heer'; did you mean 'here'"):
        StudyRequest(study=made, layout=StudyLayout(tmp_path), options=options, data={"heer": tmp_path})
    with pytest.raises(UsageError, match="--method: the study has no 'alfa'; did you mean 'alpha'"):
        StudyRequest(study=made, layout=StudyLayout(tmp_path), options=options, methods=("alfa",))

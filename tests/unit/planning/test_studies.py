"""Studies as people write them: what is shipped is valid, what is wrong is named, and what decides a claim is hashed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lumirage.core.errors import UsageError
from lumirage.core.study import Study
from lumirage.planning.method_cards import find_method
from lumirage.planning.study_files import load_study, shipped_studies, track_of

CLAIM: dict[str, Any] = {
    "id": "a",
    "sentence": "Networks lose.",
    "kind": "interaction",
    "family": "deep",
    "against": "iterative",
    "where": "far:noise-0.05",
    "reference": "near",
}
STUDY: dict[str, Any] = {
    "name": "s",
    "datasets": {"people": {"summary": "people"}, "planted": {"plant": {"of": "people"}}},
    "tracks": {
        "near": {"track": "t1w", "dataset": "people"},
        "far": {"track": "t1w", "dataset": "planted", "change": {"conditions": {"axes": {"noise": [0.05]}}}},
    },
    "methods": ["greedy", "symnet"],
    "claims": [CLAIM],
}


def written(folder: Path, changed: dict[str, Any]) -> str:
    (folder / "s.yaml").write_text(yaml.safe_dump(STUDY | changed, sort_keys=False))
    return str(folder / "s.yaml")


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_every_shipped_study_is_valid_and_its_methods_exist(name: str) -> None:
    study = load_study(name.upper())
    assert study.name == name
    assert study.title
    assert study.summary.endswith(".")
    assert study.claims
    assert [find_method(word).card.name for word in study.methods]
    for dataset in study.datasets.values():
        assert dataset.how_to_get or dataset.phantom or dataset.plant


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"people": 3}, r"s\.yaml: people: no such field"),
        ({"tracks": {"near": {"track": "t1w", "dataset": "nowhere"}}}, r"tracks\.near\.dataset: there is no 'nowhere'"),
        (
            {"methods": ["greedy"], "families": {"deep": {"methods": ["x"]}}},
            r"families\.deep\.methods: there is no 'x'",
        ),
        ({"families": {"deep": {}}}, r"families\.deep: give its kind"),
        ({"claims": [CLAIM | {"where": "moon"}]}, r"claims\.a: there is no 'moon' among near, far"),
        ({"claims": [CLAIM | {"where": "far:fog"}]}, r"claims\.a: track far has no condition 'fog'"),
        ({"claims": [CLAIM | {"against": "other"}]}, r"claims\.a: there is no 'other' among deep, iterative"),
        ({"claims": [CLAIM | {"reference": None}]}, r"claims\.0: 'reference' belongs to a claim of kind interaction"),
        ({"claims": [CLAIM | {"kind": "difference"}]}, r"claims\.0: 'reference' belongs"),
        ({"claims": [CLAIM | {"kind": "no_worse_than", "reference": None}]}, r"claims\.0: .*needs a 'margin' above 0"),
        ({"claims": [CLAIM | {"metric": "dice"}]}, r"claims\.a\.metric: unknown metric 'dice'; did you mean"),
        ({"claims": [CLAIM | {"preset": "lumir24"}]}, r"claims\.a\.preset: dice_nearest_fg is measured by strict"),
        ({"claims": [CLAIM, CLAIM]}, r"claims: two have one id"),
        (
            {"tracks": STUDY["tracks"] | {"near": {"track": "t1w", "dataset": "people", "change": {"pears": 1}}}},
            r"tracks\.near: change\.pears: no such field",
        ),
        ({"datasets": {"a/b": {}}}, r"names become folders"),
        ({"datasets": {"people": {"plant": {"of": "people"}, "phantom": {}}}}, r"two recipes"),
    ],
)
def test_a_wrong_study_is_refused_with_file_and_field(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_study(written(tmp_path, changed))


def test_an_unknown_name_is_told_the_near_ones() -> None:
    with pytest.raises(UsageError, match="unknown study 'lumirages'; did you mean 'lumirage'"):
        load_study("lumirages")


def test_a_change_replaces_single_fields_of_the_track(tmp_path: Path) -> None:
    study = load_study(written(tmp_path, {}))
    near, far = (track_of(track) for track in study.tracks.values())
    assert [cell.name for cell in far.cells()] == ["reference", "noise-0.05"]
    assert far.model_copy(update={"conditions": near.conditions}) == near


def test_a_file_of_a_track_lies_beside_the_study(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nconditions: {axes: {noise: [0.05]}}\n")
    tracks = {"near": STUDY["tracks"]["near"], "far": {"track": "mine.yaml", "dataset": "planted"}}
    study = load_study(written(tmp_path, {"tracks": tracks}))
    assert study.tracks["far"].track == str(tmp_path / "mine.yaml")
    assert track_of(study.tracks["far"]).name == "mine"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "mine.yaml").rename(elsewhere / "mine.yaml")
    assert load_study(written(elsewhere, {"tracks": tracks})).claims_hash() == study.claims_hash()


def test_the_hash_is_of_what_decides_a_claim() -> None:
    study = Study.model_validate(STUDY)
    assert Study.model_validate(STUDY | {"title": "T", "summary": "S."}).claims_hash() == study.claims_hash()
    for changed in (
        {"claims": [CLAIM | {"margin": 0.02}]},
        {"methods": ["greedy", "symnet", "lapirn"]},
        {"families": {"deep": {"methods": ["symnet"]}, "iterative": {"kind": "iterative"}}},
        {"tracks": STUDY["tracks"] | {"near": {"track": "t1w", "dataset": "people", "limit": 3}}},
    ):
        assert Study.model_validate(STUDY | changed).claims_hash() != study.claims_hash()

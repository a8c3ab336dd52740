"""Tracks as people write them: what is shipped is valid, what is wrong is named."""

from pathlib import Path

import pytest

from lumirage.core.errors import UsageError
from lumirage.core.track import Track
from lumirage.planning.track_files import load_track, shipped_tracks


@pytest.mark.parametrize("name", sorted(shipped_tracks()))
def test_every_shipped_track_is_valid_and_says_what_it_is(name: str) -> None:
    track = load_track(name.upper())
    assert track.name == name
    assert track.summary.endswith(".")
    assert track.how_to_get or name == "t1w"
    assert track.cells()[0].prepare == track.prepare


def written(tmp_path: Path, text: str) -> str:
    (tmp_path / "t.yaml").write_text(text)
    return str(tmp_path / "t.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nprepair: {}\n", r"t\.yaml: prepair: no such field"),
        ("name: x\nprepare: {orientation: RRS}\n", r"prepare\.orientation: must name each of the axes"),
        ("name: x\nprepare: {shape: [1, 2]}\n", r"prepare\.shape"),
        ("name: x\nprepare: {shape: [9, 9, 9], crop_mm: 5}\n", r"prepare: shape and crop_mm both say how large"),
        ("name: x\npairing: {scheme: random}\n", r"pairing: scheme 'random' needs 'count'"),
        ("name: x\npairing: {scheme: star}\n", r"pairing: scheme 'star' needs 'target'"),
        (
            "name: x\nconditions: {axes: {colour: [1]}}\n",
            r"conditions\.axes\.colour: neither a kind of scan nor a field of prepare",
        ),
        ("name: x\nlimits: {memory_bytes: -1}\n", r"limits\.memory_bytes"),
        ("name: x\nlimits: {pair_timeout_s: .nan}\n", r"limits\.pair_timeout_s: .*not nan \(seconds"),
        ("name: x\nprepare: {noise: 10}\n", r"prepare\.noise: .*less than or equal to 1, not 10 \(.*0\.1 is 10 %\)"),
        ("name: x\nconditions: {axes: {noise: [10]}}\n", r"conditions\.axes\.noise: .*not 10 \(.*0\.1 is 10 %\)"),
        ("name: x\nprepare: {spacing_mm: .nan}\n", r"prepare\.spacing_mm: each must be more than 0"),
        ("name: x\nprepare: {oblique_deg: 7000}\n", r"prepare\.oblique_deg: .*not 7000 \(degrees"),
        ("name: x\nprepare: {affine_error: {translation_mm: .inf}}\n", r"translation_mm: .*not inf \(millimetres"),
        ("name: x\non_bad_scan: ignore\n", r"on_bad_scan"),
        ("name: 'a b'\n", r"t\.yaml: name"),
        ("[1, 2]\n", "a mapping of fields is needed"),
        ("name: [\n", "not YAML"),
        ("schema_version: 2\nname: x\n", r"schema_version"),
    ],
)
def test_a_wrong_track_is_refused_with_file_and_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_track(written(tmp_path, text))


def test_one_spacing_stands_for_three(tmp_path: Path) -> None:
    assert load_track(written(tmp_path, "name: x\nprepare: {spacing_mm: 1.5}\n")).prepare.spacing_mm == (1.5, 1.5, 1.5)


def test_a_pair_list_lies_beside_its_track(tmp_path: Path) -> None:
    track = load_track(written(tmp_path, "name: x\npairing: {scheme: list, file: pairs.tsv}\n"))
    assert track.pairing.file == tmp_path / "pairs.tsv"


def test_a_pair_list_of_the_dataset_is_not_looked_for_beside_the_track() -> None:
    assert str(load_track("lumir25-validation").pairing.file) == "bids::sourcedata/pairs-validation.tsv"


def test_one_at_a_time_changes_one_thing_and_leaves_the_reference_out() -> None:
    axes = {"orientation": ["RAS", "LPS"], "affine_error": [{"rotation_deg": 10}]}
    track = Track.model_validate({"name": "x", "conditions": {"axes": axes}})
    cells = track.cells()
    assert [c.name for c in cells] == ["reference", "orientation-LPS", "affine_error-rotation_deg10"]
    assert cells[1].prepare.model_copy(update={"orientation": "RAS"}) == track.prepare
    assert cells[2].prepare.affine_error.rotation_deg == 10


def test_a_full_grid_crosses_everything() -> None:
    axes = {"orientation": ["RAS", "LPS"], "gamma": [1.0, 2.0]}
    cells = Track.model_validate({"name": "x", "conditions": {"design": "full", "axes": axes}}).cells()
    assert len(cells) == 4, "the reference is one of the four"
    assert {(c.prepare.orientation, c.prepare.gamma) for c in cells} == {
        ("RAS", 1.0), ("RAS", 2.0), ("LPS", 1.0), ("LPS", 2.0),
    }  # fmt: skip


def test_a_contrast_is_a_condition_with_the_tracks_own_preparation() -> None:
    track = Track.model_validate({"name": "x", "conditions": {"axes": {"contrast": ["T2w"], "noise": [0.05]}}})
    reference, contrast, noise = track.cells()
    assert (contrast.name, contrast.axis, contrast.scans) == ("contrast-T2w", "contrast", {"contrast": "T2w"})
    assert contrast.prepare == reference.prepare
    assert noise.scans == {}


def test_a_full_grid_crosses_scans_and_preparations() -> None:
    axes = {"contrast": ["T2w"], "session": ["2"], "noise": [0.0, 0.05]}
    track = Track.model_validate({"name": "x", "conditions": {"design": "full", "axes": axes}})
    assert [(c.name, c.scans) for c in track.cells()[1:]] == [
        ("contrast-T2w_session-2_noise-0.0", {"contrast": "T2w", "session": "2"}),
        ("contrast-T2w_session-2_noise-0.05", {"contrast": "T2w", "session": "2"}),
    ]

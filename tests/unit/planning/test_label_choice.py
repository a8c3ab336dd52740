"""Names, numbers, groups and mappings of labels, as tracks say them."""

from pathlib import Path

import numpy as np
import pytest

from lumirage.core.errors import DataError, UsageError
from lumirage.core.label_files import label_files, read_label_files, structure_numbers
from lumirage.core.label_words import Labels, SourceLabels
from lumirage.core.model import Scan
from lumirage.core.space import write_volume
from lumirage.core.track import Evaluation, Track
from lumirage.planning.label_choice import LabelChoice, choose_labels
from lumirage.planning.label_tables import group_of, shipped_names
from lumirage.planning.preparation import examine_scan

ASEG = (2, 3, 4, 10, 11, 12, 16, 17, 41, 42, 43, 49, 50, 51, 53)
NEUROMORPHOMETRICS = (4, 23, 30, 36, 37, 44, 45, 47, 48, 100, 101, 142, 143, 207)


def scan(folder: Path, **maps: tuple[int, ...]) -> Scan:
    """A scan whose label maps hold these labels, a voxel each."""
    labels = {}
    for source, values in maps.items():
        labels[source] = folder / source / "sub-1_dseg.nii.gz"
        write_volume(labels[source], np.array((0, *values), np.int16).reshape(-1, 1, 1), np.eye(4))
    return Scan(name="sub-1_T1w", subject="1", suffix="T1w", image=folder / "x.nii", labels=labels)


def choice(folder: Path, words: Labels, **maps: tuple[int, ...]) -> LabelChoice:
    return choose_labels([scan(folder, **maps)], words, {source: folder / source for source in maps}, folder)


def test_names_come_from_the_own_table_a_word_or_the_numbers(tmp_path: Path) -> None:
    maps = {"fmriprep": (1, 2, 3), "freesurfer": ASEG, "labels": ASEG, "manual": NEUROMORPHOMETRICS, "other": (1, 2, 3)}
    found = choice(tmp_path, Labels(), **maps)
    assert found.names["fmriprep"] == {1: "GM", 2: "WM", 3: "CSF"}
    assert found.names["freesurfer"][17] == found.names["labels"][17] == "Left-Hippocampus"
    assert found.names["manual"][47] == "Right Hippocampus"
    assert "other" not in found.names
    assert [note.split(":")[0] for note in found.notes] == ["labels", "manual"], "what is taken by numbers is said"
    (tmp_path / "freesurfer" / "dseg.tsv").write_text("index\tname\n17\tmine\n")
    (tmp_path / "freesurfer" / "desc-other_dseg.tsv").write_text("index\tname\n17\tnot mine\n")
    assert choice(tmp_path, Labels(), **maps).names["freesurfer"] == {17: "mine"}


def test_a_table_that_lacks_the_labels_of_a_map_is_not_taken(tmp_path: Path) -> None:
    assert choice(tmp_path, Labels(), aal=(1, 2, 150, 170)).names == {}


def test_labels_are_chosen_by_number_name_wildcard_and_group(tmp_path: Path) -> None:
    maps = {"aseg": ASEG, "fmriprep": (1, 2, 3)}
    found = choice(tmp_path, Labels(include=(17, "right hippocampus", "*-Caudate", "ventricles")), **maps)
    ventricles = {n for n, name in shipped_names("freesurfer").items() if group_of(name) == "ventricles"}
    assert set(found.choices["aseg"].include) == {17, 53, 11, 50} | ventricles
    assert set(found.choices["aseg"].groups["ventricles"]) == ventricles, "a group is a row too"
    assert "fmriprep" not in found.choices
    assert any(note.startswith("fmriprep: has none of the labels") for note in found.notes)
    left = choice(tmp_path, Labels(exclude=("GM",)), fmriprep=(1, 2, 3)).choices["fmriprep"]
    assert (left.include, left.exclude) == ((), (1,))


def test_groups_join_left_and_right_and_may_be_ones_own(tmp_path: Path) -> None:
    groups = {"hippocampus": ("*hippocampus",), "white-matter": ()}
    found = choice(tmp_path, Labels.model_validate({"groups": groups}), aseg=ASEG).choices["aseg"]
    assert found.groups["hippocampus"] == (17, 53)
    assert {2, 41} <= set(found.groups["white-matter"])
    assert Labels.model_validate({"groups": ["cortex"]}).groups == {"cortex": ()}


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (
            Labels(include=("Left-Hipocampus",)),
            "no label source has 'Left-Hipocampus'; did you mean 'Left-Hippocampus'",
        ),
        (Labels(include=(9999,)), "labels.include: no label source has '9999'"),
        (Labels(exclude=("Left-Nothing*",)), "labels.exclude: no label source has 'Left-Nothing"),
        (
            Labels(groups={"mine": ("Left-Hippocampuss",)}),
            "labels.groups.mine: no label source has 'Left-Hippocampuss'",
        ),
    ],
)
def test_what_is_nowhere_is_told_with_the_nearest_name(tmp_path: Path, labels: Labels, told: str) -> None:
    with pytest.raises(UsageError, match=told.replace("*", r"\*")):
        choice(tmp_path, labels, aseg=ASEG)


def test_a_source_that_no_scan_has_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no scan has labels 'asek'; did you mean 'aseg'"):
        choice(tmp_path, Labels(sources=("asek",)), aseg=ASEG)


def test_a_mapping_joins_two_protocols(tmp_path: Path) -> None:
    rows = ["source\tindex\tname", "aseg\t17\tHippocampus", "aseg\t53\tHippocampus", "man*\t47\tHippocampus"]
    (tmp_path / "join.tsv").write_text("\n".join([*rows, "man*\t48\tHippocampus", "aseg\t16\tBrainstem"]) + "\n")
    labels = Labels(mapping=Path("bids::join.tsv"))
    found = choice(tmp_path, labels, aseg=ASEG, manual=NEUROMORPHOMETRICS, fmriprep=(1, 2, 3))
    assert found.names == {key: {1: "Hippocampus", 2: "Brainstem"} for key in ("aseg", "manual")}
    assert found.choices["aseg"].mapped == {17: 1, 53: 1, 16: 2}
    assert found.choices["manual"].mapped == {47: 1, 48: 1}
    assert "fmriprep" not in found.choices
    (tmp_path / "join.tsv").write_text("source\tindex\tname\nasek\t1\tx\n")
    with pytest.raises(UsageError, match=r"join.tsv, line 2: no label source 'asek'; did you mean 'aseg'"):
        choice(tmp_path, labels, aseg=ASEG)


def structures(folder: Path, ending: str, *maps: np.ndarray) -> Scan:
    files = {name: folder / f"sub-1_label-{name}_{ending}.nii.gz" for name in "ABC"[: len(maps)]}
    for path, data in zip(files.values(), maps, strict=True):
        write_volume(path, data.reshape(-1, 1, 1), np.eye(4))
    return Scan(name="s", subject="1", suffix="T1w", image=folder / "x.nii", structures={"lab": files})


def joined(one: Scan, names: dict[int, str]) -> list[int]:
    volume = read_label_files(label_files(one, "lab"), structure_numbers(one, "lab", names))
    return [int(value) for value in volume.data.ravel()]


def test_probabilities_and_masks_of_structures_are_one_map(tmp_path: Path) -> None:
    a, b = np.float32([0.9, 0.3, 0.2, 0.1]), np.float32([0.1, 0.5, 0.2, 0.1])
    scan_of = structures(tmp_path, "probseg", a, b)
    names = choose_labels([scan_of], Labels(), {}, tmp_path).names["lab"]
    assert names == {1: "A", 2: "B"}
    assert joined(scan_of, names) == [1, 2, 0, 0], "0.2 is less than the 0.6 of the background"
    masks = structures(tmp_path, "mask", np.uint8([1, 0, 0]), np.uint8([0, 0, 1]))
    assert joined(masks, names) == [1, 0, 2]
    overlapping = structures(tmp_path, "mask", np.uint8([1, 1, 0]), np.uint8([0, 1, 1]))
    with pytest.raises(DataError, match="1 of its voxels are in the mask of another structure"):
        joined(overlapping, names)
    write_volume(overlapping.image, np.float32([1, 2, 3]).reshape(-1, 1, 1), np.eye(4))
    with pytest.raises(DataError, match="1 of its voxels are in the mask of another structure"):
        examine_scan(overlapping)
    percent = structures(tmp_path, "probseg", np.float32([90, 10]))
    with pytest.raises(DataError, match="probabilities must be from 0 to 1"):
        joined(percent, names)


def test_a_tree_from_before_label_choices_is_scored_as_its_track_says() -> None:
    track = Track(name="old", labels=Labels(include=(3, 5), exclude=(5,)))
    old = Evaluation(
        harness="0", contract=1, created="", dataset=Path("/d"), dataset_name="d", runtime="local", track=track,
        methods={}, pairs=(), label_names={"aseg": {3: "x"}},
    )  # fmt: skip
    assert old.labels_of("aseg") == SourceLabels(include=(3, 5), exclude=(5,))
    new = old.model_copy(update={"label_choices": {"aseg": SourceLabels(include=(3,))}})
    assert new.labels_of("aseg").include == (3,)

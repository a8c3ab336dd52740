"""BIDS filter files, names that are not BIDS, sessions, and a work folder elsewhere."""

import json
from pathlib import Path

import pytest

from lumirage.core.errors import DataError, UsageError
from lumirage.core.layout import Layout
from lumirage.core.model import Pair, Scan
from lumirage.core.track import Select, Track
from lumirage.planning.bids_filters import filtered
from lumirage.planning.bids_names import check_names
from lumirage.planning.output_description import place_work_folder
from lumirage.planning.pairing import choose
from lumirage.planning.scans import find_scans

TRACK = Track(name="t", select=Select(suffixes=("T1w",)))


def narrowed(tmp_path: Path, content: object) -> Select:
    file = tmp_path / "filter.json"
    file.write_text(json.dumps(content))
    return filtered(TRACK, file).select


def test_the_query_of_the_tracks_contrast_counts(tmp_path: Path):
    select = narrowed(
        tmp_path,
        {
            "t1w": {"datatype": "anat", "suffix": "T1w", "acquisition": "mprage", "session": ["ses-1", "2"]},
            "bold": {"task": "rest"},
        },
    )
    assert select.entities == {"acquisition": "mprage"}
    assert select.sessions == ("1", "2")


def scans_left(tmp_path: Path, query: dict[str, object]) -> list[str]:
    """Of four scans: with and without a session, and with two acquisitions."""
    root = tmp_path / "bids"
    for name in ("sub-01_T1w", "sub-02_ses-1_T1w", "sub-03_acq-a_T1w", "sub-04_acq-b_T1w"):
        session = "ses-1" if "ses-" in name else ""
        image = root / name[:6] / session / "anat" / f"{name}.nii"
        image.parent.mkdir(parents=True)
        image.touch()
    (root / "dataset_description.json").write_text('{"Name": "d", "BIDSVersion": "1.10.0"}')
    return [scan.name for scan in find_scans(root, narrowed(tmp_path, {"t1w": query}), {})]


def test_a_list_is_any_of_its_values(tmp_path: Path):
    query = {"acquisition": ["a", "b"], "extension": [".nii", ".nii.gz"]}
    assert scans_left(tmp_path, query) == ["sub-03_acq-a_T1w", "sub-04_acq-b_T1w"]


def test_null_is_without_that_entity(tmp_path: Path):
    assert scans_left(tmp_path, {"session": None, "acquisition": None}) == ["sub-01_T1w"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "expected the form"),
        ({"t1w": {"acquisition": {"a": "b"}}}, "a string, a list"),
        ({"t1w": {"session": [None]}}, "a string, a list"),
        ({"t1w": {"run": 1}, "T1W": {"run": 2}}, "for another"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path: Path, content: object, words: str):
    with pytest.raises(UsageError, match=words):
        narrowed(tmp_path, content)


def test_names_that_bids_does_not_know_are_named(tmp_path: Path):
    good = tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    good.parent.mkdir(parents=True)
    good.touch()
    (tmp_path / "derivatives").mkdir()
    (tmp_path / "derivatives" / "anything.x").touch()
    check_names(tmp_path)
    (tmp_path / "sub-01" / "brain.nii.gz").touch()
    with pytest.raises(DataError, match=r"/sub-01/brain\.nii\.gz; rename"):
        check_names(tmp_path)


def test_what_bidsignore_names_is_not_looked_at(tmp_path: Path):
    for name in ("sub-01/anat/sub-01_T1w.nii.gz", "sub-01/notes.docx", "extra/deep/a.x", "sub-02/extra/b.y", "c.z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".bidsignore").write_text("# ours\n*.docx\n\nextra/\n/c.z\n")
    check_names(tmp_path)
    (tmp_path / "sub-02" / "c.z").touch()  # a line with a slash in front is about the root alone
    (tmp_path / "sub-02" / "keep.docx").touch()
    (tmp_path / ".bidsignore").write_text("*.docx\n!keep.docx\nextra/\n/c.z\n")
    with pytest.raises(DataError, match=r"valid BIDS names: /sub-02/c\.z, /sub-02/keep\.docx; rename"):
        check_names(tmp_path)


def pair(session: str | None) -> Pair:
    def scan(subject: str) -> Scan:
        name = f"sub-{subject}_ses-{session}_T1w"
        return Scan(name=name, subject=subject, session=session, suffix="T1w", image=Path("x"))

    return Pair(fixed=scan("01"), moving=scan("02"))


def test_sessions_choose_by_the_fixed_scan():
    pairs = [pair("1"), pair("2")]
    assert choose(pairs, (), (), None, ("ses-2",)) == (pairs[1],)
    with pytest.raises(UsageError, match="no session"):
        choose(pairs, (), (), None, ("3",))


def test_the_work_folder_may_lie_elsewhere_and_is_found_again(tmp_path: Path):
    layout, disk = Layout(tmp_path / "out"), tmp_path / "disk"
    place_work_folder(layout, disk)
    place_work_folder(layout, disk)
    assert layout.work.resolve().parent == disk
    with pytest.raises(UsageError, match="in use already"):
        place_work_folder(layout, tmp_path / "other")
    layout.work.resolve().rmdir()
    place_work_folder(layout, tmp_path / "other")
    assert layout.work.resolve().parent == tmp_path / "other"

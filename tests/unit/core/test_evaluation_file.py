"""evaluation.json holds no place of this machine, and is read with the places of now."""

import hashlib
import json
from pathlib import Path

import pytest
from tests.unit.flow.test_cluster_submit import plan_of, use

from lumirage.core.dataset_files import changed_files, files_of, fingerprint, refuse_changed, with_contents
from lumirage.core.errors import DataError
from lumirage.core.evaluation_file import read_evaluation, write_evaluation
from lumirage.core.layout import Layout
from lumirage.core.model import Pair, Scan
from lumirage.core.track import Evaluation


def evaluation(bids: Path, elsewhere: Path) -> Evaluation:
    def scan(subject: str) -> Scan:
        return Scan(
            name=f"sub-{subject}_T1w",
            subject=subject,
            suffix="T1w",
            image=bids / f"sub-{subject}/anat/sub-{subject}_T1w.nii.gz",
            labels={
                "aseg": bids / f"derivatives/aseg/sub-{subject}_dseg.nii.gz",
                "far": elsewhere / f"sub-{subject}_dseg.nii.gz",
            },
        )

    pair = Pair(fixed=scan("1"), moving=scan("2"))
    places = {"dataset": bids, "derivatives": {"aseg": bids / "derivatives/aseg", "far": elsewhere}, "pairs": (pair,)}
    other = {"exchanged": {"contrast-T2w": {pair.id: pair}}}
    return plan_of(1, use("m")).evaluation.model_copy(update=places | other)


def test_what_is_read_is_what_was_written_wherever_it_lies_now(tmp_path: Path) -> None:
    first, bids, far = tmp_path / "first", tmp_path / "first/bids", tmp_path / "first/far"
    bids.mkdir(parents=True)
    written = evaluation(bids, far)
    write_evaluation(Layout(first / "results/out"), written)
    text = (first / "results/out/evaluation.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["pairs"][0]["fixed"]["image"] == "bids:dataset:sub-1/anat/sub-1_T1w.nii.gz"
    assert json.loads(text)["pairs"][0]["moving"]["labels"]["far"] == "bids:far:sub-2_dseg.nii.gz"
    assert read_evaluation(Layout(first / "results/out")) == written
    first.rename(tmp_path / "second")
    moved = read_evaluation(Layout(tmp_path / "second/results/out"))
    assert moved == evaluation(tmp_path / "second/bids", tmp_path / "second/far")


def test_a_scan_of_many_pairs_is_one_object(tmp_path: Path) -> None:
    written = evaluation(tmp_path / "bids", tmp_path / "far")
    (pair,) = written.pairs
    back = Pair(fixed=pair.moving, moving=pair.fixed)
    write_evaluation(Layout(tmp_path), written.model_copy(update={"pairs": (pair, back)}))
    there, returned = read_evaluation(Layout(tmp_path)).pairs
    assert (there, returned) == (pair, back)
    assert there.fixed is returned.moving
    assert there.moving is returned.fixed


def test_a_dataset_that_went_elsewhere_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bids").mkdir()
    layout = Layout(tmp_path / "out")
    write_evaluation(layout, evaluation(tmp_path / "bids", tmp_path / "far"))
    (tmp_path / "bids").rename(tmp_path / "mounted")
    assert read_evaluation(layout).dataset == tmp_path / "bids", "to say what is missing"
    monkeypatch.setenv("LUMIRAGE_BIDS_DIR", str(tmp_path / "mounted"))
    assert read_evaluation(layout) == evaluation(tmp_path / "mounted", tmp_path / "far")


def test_trees_of_older_harnesses_are_read(tmp_path: Path) -> None:
    layout, old = Layout(tmp_path), evaluation(Path("/data/bids"), Path("/data/far"))
    layout.evaluation.write_text(old.model_dump_json())
    assert read_evaluation(layout) == old
    layout.evaluation.write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        read_evaluation(layout)


def test_fingerprints_see_a_change_anywhere_that_gzip_or_size_shows_and_no_place(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(bytes(60_000))
    large.write_bytes(bytes(10**6))
    before = {path: fingerprint(path) for path in (small, large)}
    for path, at in ((small, 31_234), (large, 0), (large, 10**6 - 1)):
        changed = bytearray(path.read_bytes())
        changed[at] = 1
        (tmp_path / "changed").write_bytes(changed)
        assert fingerprint(tmp_path / "changed") != before[path]
    small.rename(tmp_path / "renamed")
    assert fingerprint(tmp_path / "renamed") == before[small]


def test_absent_files_are_not_known_and_not_different(tmp_path: Path) -> None:
    here = evaluation(tmp_path / "bids", tmp_path / "far")
    files = files_of(here.pairs)
    assert list(files) == [f"sub-{n}_T1w {what}" for n in "12" for what in ("image", "labels.aseg", "labels.far")]
    image = files["sub-1_T1w image"]
    image.parent.mkdir(parents=True)
    image.write_bytes(b"1")
    known = with_contents(here, files).contents
    assert list(known) == ["sub-1_T1w image"]
    assert known["sub-1_T1w image"] == hashlib.sha256(b"1").hexdigest()
    assert changed_files(files, known) == []
    image.write_bytes(b"22")
    assert changed_files(files, known | {"sub-2_T1w image": "x"}) == ["sub-1_T1w image"]
    with pytest.raises(DataError, match=r"sub-1_T1w\.nii\.gz: not what it was"):
        refuse_changed(here.pairs[0], known)
    image.unlink()
    refuse_changed(here.pairs[0], known)


def test_any_changed_byte_is_seen_also_where_the_dataset_has_been_moved(tmp_path: Path) -> None:
    (tmp_path / "bids/sub-1/anat").mkdir(parents=True)
    layout, image = Layout(tmp_path / "out"), "sub-1/anat/sub-1_T1w.nii.gz"
    (tmp_path / "bids" / image).write_bytes(bytes(10**6))
    first = evaluation(tmp_path / "bids", tmp_path / "far")
    write_evaluation(layout, with_contents(first, files_of(first.pairs)))
    (tmp_path / "bids").rename(tmp_path / "moved")
    files = files_of(evaluation(tmp_path / "moved", tmp_path / "far").pairs)
    known = read_evaluation(layout).contents
    assert changed_files(files, known) == []
    damaged = bytearray(10**6)
    damaged[70_001] = 1
    (tmp_path / "moved" / image).write_bytes(damaged)
    assert changed_files(files, known) == ["sub-1_T1w image"]


def test_older_trees_know_files_by_path_or_by_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "bids/sub-1/anat").mkdir(parents=True)
    layout, here = Layout(tmp_path / "out"), evaluation(tmp_path / "bids", tmp_path / "far")
    image = tmp_path / "bids/sub-1/anat/sub-1_T1w.nii.gz"
    image.write_bytes(bytes(10**6))
    files = files_of(here.pairs)
    write_evaluation(layout, here)
    content = json.loads(layout.evaluation.read_text())
    del content["checksum"]
    content["contents"] = {"sub-1_T1w image": fingerprint(image), "sub-2_T1w image": "7-0123456789abcdef"}
    layout.evaluation.write_text(json.dumps(content))
    assert changed_files(files, read_evaluation(layout).contents) == []
    content["files"] = {"bids:dataset:sub-1/anat/sub-1_T1w.nii.gz": hashlib.sha256(bytes(10**6)).hexdigest()}
    layout.evaluation.write_text(json.dumps(content))
    known = read_evaluation(layout).contents
    assert known["sub-1_T1w image"] == hashlib.sha256(bytes(10**6)).hexdigest()
    assert known["sub-2_T1w image"] == "7-0123456789abcdef"
    image.write_bytes(bytes(10**6 - 1) + b"1")
    assert changed_files(files, known) == changed_files(files, content["contents"]) == ["sub-1_T1w image"]

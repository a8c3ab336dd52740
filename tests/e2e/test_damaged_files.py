"""Files of an output tree and of a dataset are damaged by chance, seed fixed: each is told, no number changes, no traceback."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lumirage.cli import app
from lumirage.core import dataset_files
from lumirage.core.errors import DataError, LumirageError
from lumirage.core.layout import Layout
from lumirage.core.set_aside import SET_ASIDE
from lumirage.datasets.phantom import PhantomSpec, make_phantom
from lumirage.flow.evaluate import evaluate
from lumirage.flow.method_setup.install import method_installer
from lumirage.flow.plan import plan_evaluation
from lumirage.flow.request import EvaluationRequest
from lumirage.flow.score import ScoringSettings, score
from lumirage.flow.upkeep.mending import Mender, remake_tables
from lumirage.flow.upkeep.tree_check import examine

ROUNDS, TREE_FILES, DATASET_FILES = 5, 50, 50
"""300 damaged files in all."""
STAGES = ("run", "score", "compare")
TABLES = ("scores.tsv", "comparisons.tsv", "rankings.tsv", "power.tsv", "verdicts.json")
TRACK = """
name: damaged
pairing: {scheme: all}
prepare: {affine: rigid, intensity: none, spacing_mm: 8}
limits: {memory_bytes: 1000000000}
"""
RANDOM = """
import os, lumirage_kit, numpy as np
for pair in lumirage_kit.read_job():
    seed = int.from_bytes(os.urandom(4), "little")
    pair.write(np.random.default_rng(seed).normal(size=(*pair.shape, 3)).astype(np.float32))
"""
Damage = Callable[[Path, random.Random], None]


class Told:
    """What was said."""

    def __init__(self) -> None:
        self.text = ""

    def say(self, text: str) -> None:
        self.text += text + "\n"

    def progress(self, what: str, done: int, total: int) -> None:
        return


def flip(path: Path, draw: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 1, 8])):
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    path.write_bytes(raw)


def cut(path: Path, draw: random.Random) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: draw.randrange(len(raw))])


def zero(path: Path, draw: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    start = draw.randrange(len(raw))
    stop = min(len(raw), start + draw.choice([16, 512, 4096]))
    if not any(raw[start:stop]):
        raw[start] = 1
    else:
        raw[start:stop] = bytes(stop - start)
    path.write_bytes(raw)


def empty(path: Path, _: random.Random) -> None:
    path.write_bytes(b"")


def another(path: Path, draw: random.Random) -> None:
    path.write_bytes(
        draw.choice([b"{}\n", b"[1, 2]\n", b"null", b"\x1f\x8b\x08\x00" + bytes(90), b"n/a\tvalue\n", b"PAR1PAR1"])
    )


def folder(path: Path, _: random.Random) -> None:
    path.unlink()
    path.mkdir()


def lost_link(path: Path, _: random.Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES: tuple[Damage, ...] = (flip, flip, flip, cut, cut, zero, zero, empty, another, folder, lost_link)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("damaged")
    make_phantom(made / "bids", PhantomSpec(subjects=2, spacing_mm=8.0, contrasts=("T1w",), seed=1))
    (made / "track.yaml").write_text(TRACK)
    from lumirage.core.layout import shipped

    shutil.copytree(shipped("method_containers") / "zero-displacement", made / "random")
    shutil.copytree(shipped("method_containers") / "_kit", made / "_kit")
    (made / "random" / "run.py").write_text(RANDOM)
    card = (made / "random" / "method.yaml").read_text()
    (made / "random" / "method.yaml").write_text(card.replace("name: zero-displacement", "name: random"))
    evaluate(asked(made), (*STAGES, "report"), Told())
    return made


def asked(place: Path, out: Path | None = None) -> EvaluationRequest:
    return EvaluationRequest(
        methods=("zero-displacement",), bids=place / "bids", out=out or place / "out", track=str(place / "track.yaml"),
        runtime="local", batch=4,
    )  # fmt: skip


def files_of(folder: Path, draw: random.Random, count: int) -> list[Path]:
    """Some of the files that a harness wrote there and may read."""
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".lock" not in path.name and SET_ASIDE not in path.name and path.stat().st_size
    ]
    return draw.sample(found, min(count, len(found)))


def damaged(paths: list[Path], draw: random.Random) -> list[Path]:
    """Damage them; those that are not what they were."""
    for path in paths:
        before = path.read_bytes()
        draw.choice(DAMAGES)(path, draw)
        if path.is_file() and path.read_bytes() == before:
            flip(path, draw)
    return paths


def keepers(out: Path, path: Path) -> set[Path]:
    """The records that hold its checksum: where they are damaged too, nobody knows what it was."""
    stem = path.name.rsplit("_", 1)[0]
    beside = {path.with_name("prepared.json"), path.with_name(f"{stem}_run.json")}
    return {out / "evaluation.json", *beside, *(out / "checksums").glob("*.json")} - {path}


def tables(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in TABLES}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_damaged_files_of_a_tree_are_told_and_made_again(place: Path, tmp_path: Path, number: int) -> None:
    out, draw, told = place / tmp_path.name, random.Random(number), Told()
    shutil.copytree(place / "out", out)
    before = tables(out)
    spoiled = damaged(files_of(out, draw, TREE_FILES), draw)
    found = {finding.path for finding in examine(Layout(out), deep=True).findings}
    assert [path for path in spoiled if not {path, *keepers(out, path)} & found] == []
    evaluate(asked(place, out), STAGES, told)
    silent = {path for path in spoiled if f"{path}: " not in told.text}
    assert [path for path in silent if not keepers(out, path) & (set(spoiled) - silent)] == []
    assert tables(out) == before
    left = [each for each in examine(Layout(out), deep=True).findings if each.path != out / "checksums" / "report.json"]
    assert [
        finding for finding in left if not finding.path.is_relative_to(out / "report") and finding.kind != "log"
    ] == []


def test_damage_that_changes_no_time_is_found_where_the_file_is_used(place: Path, tmp_path: Path) -> None:
    """Prepared images and fields as old as they were: by scoring, which makes the one again and refuses the other."""
    out = place / tmp_path.name  # beside the dataset, as the first
    shutil.copytree(place / "out", out)
    before = tables(out)
    shutil.rmtree(out / "scores")
    image = sorted((out / "work" / "prepared").glob("*/moving.nii"))[0]
    silently(image)
    told, mender = Told(), None
    mender = Mender(Layout(out), told, executes=False)
    mender.look()
    mender.over(lambda: score(Layout(out), (), ScoringSettings(), told))
    assert f"{image}: damaged" in told.text
    assert tables(out)["scores.tsv"] == before["scores.tsv"]
    field = sorted(out.glob("zero-displacement/sub-*/anat/*_xfm.nii"))[0]
    shutil.rmtree(out / "scores")
    silently(field)
    with pytest.raises(DataError, match="type the same 'lumirage-harness evaluate' command again") as refused:
        mender.over(lambda: score(Layout(out), (), ScoringSettings(), told))
    assert str(field) in str(refused.value)
    assert field.exists(), "nothing is touched"


def silently(path: Path) -> None:
    times = path.stat()
    flip(path, random.Random(0))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_scores_of_an_answer_that_was_lost_are_not_those_of_the_next(place: Path, tmp_path: Path) -> None:
    """A method that draws at random: the answer is damaged, its run is executed again, and scored again."""
    from dataclasses import replace

    request = replace(asked(place), methods=(str(place / "random"),), out=place / tmp_path.name)
    evaluate(request, STAGES, Told())
    before = tables(request.out)
    field = sorted(request.out.glob("random/sub-*/anat/*_xfm.nii"))[0]
    evaluate(request, STAGES, Told())
    assert tables(request.out) == before
    flip(field, random.Random(0))
    told = Told()
    evaluate(request, STAGES, told)
    assert "the run executed again" in told.text
    after = tables(request.out)
    assert after["scores.tsv"] != before["scores.tsv"]
    shutil.rmtree(request.out / "scores")
    evaluate(request, STAGES, Told())
    assert tables(request.out) == after, "all scores are of the answer that is there"


def test_damaged_tables_are_made_again_for_the_report(place: Path, tmp_path: Path) -> None:
    out = place / tmp_path.name  # beside the dataset, as the first
    shutil.copytree(place / "out", out)
    before = tables(out)
    cut(out / "scores.parquet", random.Random(1))
    flip(out / "comparisons.tsv", random.Random(2))
    told = Told()
    mender = Mender(Layout(out), told, executes=False)
    mender.look(refuse=False)
    mender.over(lambda: remake_tables(Layout(out), told))
    assert told.text.count("made again") == 2
    assert tables(out) == before


@pytest.fixture
def dataset(place: Path, tmp_path: Path) -> Iterator[Path]:
    """Whatever is done to it, it is itself again."""
    shutil.copytree(place / "bids", tmp_path / "whole")
    yield place / "bids"
    shutil.rmtree(place / "bids")
    shutil.copytree(tmp_path / "whole", place / "bids")


def test_damaged_files_of_a_dataset_are_refused(place: Path, dataset: Path, tmp_path: Path) -> None:
    """Those that numbers come from; others change nothing, or are refused too."""
    draw, request = random.Random(7), asked(place)
    installer = method_installer("local", Told())
    before = plan_evaluation(request, installer, Told()).evaluation
    files = dataset_files.files_of(dataset_files.every_pair(before))
    used = {files[name] for name in before.contents}
    assert len(used) == 10, "of two people: image, labels, mask, landmarks; and the true fields"
    refused = 0
    for _ in range(DATASET_FILES):
        path = draw.choice(sorted(path for path in dataset.rglob("*") if path.is_file()))
        whole = path.read_bytes()
        damaged([path], draw)
        told = Told()
        try:
            plan = plan_evaluation(request, installer, told)
        except LumirageError as error:
            refused += 1
            told.say(str(error))
        else:
            assert path not in used, f"{path} was taken as whole"
            assert plan.evaluation.model_copy(update={"created": before.created}) == before
            assert plan.jobs == ()
        if path in used and path.is_file():  # one that is gone may be told as a pair that lacks
            assert path.name in told.text or "has another evaluation in it:\n  files " in told.text
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(whole)
    assert refused > DATASET_FILES // 3
    assert plan_evaluation(request, installer, Told()).evaluation.contents == before.contents


def test_labels_that_changed_are_refused_by_scoring_alone(place: Path, dataset: Path, tmp_path: Path) -> None:
    """An uncompressed label map with a flipped bit is a label map like any other."""
    import nibabel as nib

    out = place / tmp_path.name  # beside the dataset, as the first
    shutil.copytree(place / "out", out)
    shutil.rmtree(out / "scores")
    (labels,) = dataset.glob("derivatives/phantom/sub-01/anat/*dseg.nii.gz")
    image = nib.load(labels)
    data = np.asanyarray(image.dataobj).copy()
    data[data == 1] = 2
    nib.save(nib.Nifti1Image(data, image.affine, image.header), labels)
    with pytest.raises(DataError, match="not what it was when this evaluation began to use it") as refused:
        score(Layout(out), (), ScoringSettings(), Told())
    assert labels.name in str(refused.value)


def test_verify_says_what_would_be_done(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = place / tmp_path.name  # beside the dataset, as the first
    shutil.copytree(place / "out", out)
    assert verified(out) == 0
    assert "0 to repair" in capsys.readouterr().out
    field = sorted(out.glob("zero-displacement/sub-*/anat/*_xfm.nii"))[0]
    silently(field)
    record = sorted(out.glob("zero-displacement/sub-*/anat/*_run.json"))[0]
    cut(out / "scores.parquet", random.Random(0))
    assert verified(out) == 1
    printed = capsys.readouterr().out
    why = "damaged: its content does not match its checksum; evaluate: set aside, and the run executed again"
    assert f"{field.relative_to(out)}: {why}" in printed
    assert "scores.parquet: damaged" in printed
    record.write_text(record.read_text().replace('"checksums"', '"other"'))
    assert verified(out) == 1
    assert f"{record.relative_to(out)}: damaged" in capsys.readouterr().out


def verified(out: Path) -> int:
    with pytest.raises(SystemExit) as end:
        app(["verify", str(out)], standalone_mode=True)
    return int(str(end.value.code))

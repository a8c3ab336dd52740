"""evaluate on the phantom, by the runtime that needs no engine: right, repeatable, resumable."""

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.e2e.conftest import HARNESS, Command
from tests.json_schemas import answer_of

from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import ASIDE, Layout, shipped
from lumirage.core.space import read_labels, write_volume
from lumirage.running.tree_lock import holder

METHODS = ("--method", "Oracle", "--method", "zero-displacement", "--runtime", "local", "--track", "phantom")


def pair_values(out: Path, metric: str) -> pd.DataFrame:
    """Method x pair."""
    table = pd.read_csv(out / "scores.tsv", sep="\t")
    rows = table[(table["metric"] == metric) & table["label"].isna()]
    return rows.pivot_table(index="method", columns="pair", values="value")


@pytest.fixture(scope="module")
def done(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    subprocess.run([*HARNESS, "evaluate", *METHODS, str(phantom), "once"], check=True, timeout=600, cwd=folder)
    return folder / "once"


def test_the_oracle_is_right_and_everything_else_lies_between_it_and_nothing(done: Path) -> None:
    error = pair_values(done, "displacement_error_mm")
    assert (error.loc["oracle"] < 0.02).all()
    assert (error.loc["affine"] > 1.0).all()
    overlap = pair_values(done, "dice_nearest_fg")
    assert (overlap.loc["oracle"] > overlap.loc["zero-displacement"] + 0.1).all()
    pd.testing.assert_series_equal(overlap.loc["zero-displacement"], overlap.loc["affine"], check_names=False)
    assert (pair_values(done, "tre_mm_linear").loc["oracle"] < 0.1).all()


def test_the_tree_is_what_it_says(done: Path) -> None:
    for name in ("scores.tsv", "scores.parquet", "scores.json", "comparisons.tsv", "rankings.tsv", "report/index.html"):
        assert (done / name).stat().st_size > 0, name
    table = pd.read_parquet(done / "scores.parquet")
    assert set(table["method"]) == {"identity", "affine", "oracle", "zero-displacement"}
    assert (table["value"].notna() | (table["undefined"] != "")).all(), "a value or a reason"
    assert len(list(done.glob("oracle/sub-*/anat/*_run.json"))) == 2
    assert not [
        p for p in done.rglob(".*") if p.is_file() and p.name not in (".lock", ".bidsignore") and "work" not in p.parts
    ]


def test_typed_again_nothing_is_run_and_the_table_is_the_same(done: Path, phantom: Path, harness: Command) -> None:
    before = (done / "scores.tsv").read_bytes()
    records = {p: p.stat().st_mtime_ns for p in done.rglob("*_run.json")}
    again = harness("evaluate", *METHODS, phantom, done)
    assert again.returncode == 0, again.stderr
    assert "4 runs are complete and are kept" in again.stderr
    assert (done / "scores.tsv").read_bytes() == before
    assert {p: p.stat().st_mtime_ns for p in done.rglob("*_run.json")} == records


def test_a_second_evaluation_elsewhere_gives_the_same_table(
    done: Path, phantom: Path, tmp_path: Path, harness: Command
) -> None:
    assert harness("evaluate", *METHODS, phantom, tmp_path / "twice").returncode == 0
    assert (tmp_path / "twice" / "scores.tsv").read_bytes() == (done / "scores.tsv").read_bytes()


def test_another_track_in_the_same_out_is_refused_with_what_differs(
    done: Path, phantom: Path, harness: Command
) -> None:
    answer = harness("evaluate", "-m", "oracle", "--runtime", "local", "--track", "t1w", phantom, done)
    assert answer.returncode == 2
    assert "track.name: phantom there, t1w now" in answer.stderr


def stamps(out: Path) -> dict[Path, int]:
    """When each record and each part of the scores was written; halves of files do not count."""
    files = [*out.glob("*/sub-*/anat/[!.]*_run.json"), *out.glob("scores/*/*/[!.]*.parquet")]
    return {path: path.stat().st_mtime_ns for path in files}


def killed_when(words: list[str], due: Callable[[], bool]) -> None:
    """Start a command and kill it once something is so."""
    victim = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not due() and time.monotonic() < deadline and victim.poll() is None:
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL, "it ended before it could be killed"


def test_killed_and_typed_again_only_what_is_missing_is_done(done: Path, phantom: Path, tmp_path: Path) -> None:
    """While it runs methods, while it scores, while it compares and reports: one tree, killed three times."""
    out = tmp_path / "killed"
    words = [*HARNESS, "evaluate", *METHODS, str(phantom), str(out)]
    records = len(list(done.glob("*/sub-*/anat/*_run.json")))
    kept: dict[Path, int] = {}
    stages: dict[str, Callable[[], bool]] = {
        "run": lambda: bool(stamps(out)),
        "score": lambda: len(stamps(out)) >= records,
        "compare": (out / "scores.tsv").exists,
    }
    for stage, reached in stages.items():
        killed_when(words, reached)
        now = stamps(out)
        assert {path: now[path] for path in kept} == kept, "what was complete is not done again"
        assert (out / "scores.tsv").exists() == (stage == "compare"), stage
        assert not (out / "report" / "index.html").exists(), stage
        kept = now
    assert len(kept) > records, "killed with scores on disk"
    subprocess.run(words, check=True, timeout=600, stdout=subprocess.DEVNULL)
    assert {path: stamps(out)[path] for path in kept} == kept
    for table in ("scores.tsv", "comparisons.tsv", "rankings.tsv"):
        assert (out / table).read_bytes() == (done / table).read_bytes(), table
    assert not [path for path in out.rglob(".*") if ASIDE.match(path.name)], "no half of a file is left"


@pytest.mark.parametrize(
    "stop", [signal.SIGINT, *(pytest.param(s, marks=pytest.mark.long) for s in (signal.SIGTERM, signal.SIGHUP))]
)
def test_ctrl_c_ends_at_once_and_the_same_command_goes_on(
    done: Path, phantom: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    out = tmp_path / "stopped"
    words = [*HARNESS, "evaluate", *METHODS, str(phantom), str(out)]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not (out / "evaluation.json").exists() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(stop)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "type the same command to go on" in said
    subprocess.run(words, check=True, timeout=600, stdout=subprocess.DEVNULL)
    assert (out / "scores.tsv").read_bytes() == (done / "scores.tsv").read_bytes()


def tree(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every file and folder under it with the time of its last change and its size."""
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in [folder, *folder.rglob("*")]}


def test_dry_run_prints_the_plan_and_writes_nothing(phantom: Path, tmp_path: Path, harness: Command) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "here").mkdir()
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    before = tree(tmp_path), tree(phantom)
    answer = harness("evaluate", *METHODS, "--dry-run", phantom, tmp_path / "none", **home)
    assert answer.returncode == 0, answer.stderr
    assert max(map(len, answer.stdout.splitlines())) <= 80
    assert "4 to do in 4 jobs, 0 complete" in " ".join(answer.stdout.split())
    asked = harness("evaluate", *METHODS, "--dry-run", "--json", phantom, tmp_path / "none", **home)
    plan = answer_of(asked.stdout, "dry-run")
    assert (plan["runs_to_do"], plan["scans"], len(plan["jobs"])) == (4, 3, 4)
    unmade = harness("evaluate", "-m", "oracle", "--runtime", "local", "--dry-run", tmp_path / "bids", **home)
    assert unmade.returncode == 65, "a dataset that is named has to be there"
    demo = harness("evaluate", "-m", "oracle", "--runtime", "local", "--dry-run", **home)
    assert "(will be made first)" in " ".join(demo.stdout.split())
    assert (tree(tmp_path), tree(phantom)) == before


def test_dry_run_builds_and_converts_no_image(phantom: Path, tmp_path: Path, harness: Command, engine: None) -> None:
    import docker

    name = f"dryrun{uuid.uuid4().hex[:8]}"
    folder = tmp_path / name
    shutil.copytree(shipped("method_containers") / "zero-displacement", folder)
    before = tree(tmp_path)
    words = ("evaluate", "-m", folder, "--runtime", "docker", "--dry-run", "--json", phantom, tmp_path / "none")
    answer = harness(*words)
    assert answer.returncode == 0, answer.stderr
    (planned,) = json.loads(answer.stdout)["methods"]
    assert planned["image"].startswith(f"lumirage/{name}:")  # and the hash of its source
    assert planned["state"] == "to build"
    assert tree(tmp_path) == before
    client = docker.from_env()
    assert not client.images.list(name=f"lumirage/{name}"), "nothing was built"
    client.close()


def test_five_lines_stand_before_an_evaluation_and_costs_are_known_after_it(
    phantom: Path, tmp_path: Path, harness: Command
) -> None:
    words = ("run", "-m", "zero-displacement", "--runtime", "local", "--track", "phantom", "--limit", "1", phantom)
    first = harness(*words, tmp_path / "one")
    assert first.returncode == 0, first.stderr
    assert "1 pair of 2 scans, 1 run to do, 0 complete" in first.stderr
    assert "missing: nothing" in first.stderr
    again = harness(*words, tmp_path / "one", "--dry-run", "--json")
    assert json.loads(again.stdout)["runs_complete"] == 1
    other = json.loads(harness(*words, tmp_path / "two", "--dry-run", "--json").stdout)
    assert other["methods"][0]["expected"]["known_from"].partition(" ")[2].startswith("earlier run")
    assert other["cpu_s"] > 0


def test_json_is_for_machines(done: Path, phantom: Path, harness: Command) -> None:
    evaluated = answer_of(harness("evaluate", *METHODS, "--json", phantom, done).stdout, "evaluate")
    assert evaluated["methods"]["oracle"]["runs"] == 2
    assert evaluated["methods"]["oracle"]["rank"] is None, "a reference"
    table = pd.read_csv(done / "scores.tsv", sep="\t")
    dice = table[(table["metric"] == "dice_nearest_fg") & table["label"].isna() & (table["method"] == "oracle")]
    assert evaluated["methods"]["oracle"]["means"]["dice_nearest_fg"]["mean"] == pytest.approx(dice["value"].mean())
    compared = answer_of(harness("compare", done, "--json").stdout, "compare")
    assert any((e["method"], e["reference"]) == ("oracle", "affine") and e["better"] for e in compared["effects"])
    assert answer_of(harness("score", done, "--json").stdout, "score")["methods"] == evaluated["methods"]
    assert answer_of(harness("query", done, "--json").stdout, "query")["groups"][0]["n"] == 2
    assert answer_of(harness("verify", done, "--json").stdout, "verify")["to_mend"] == []
    status = answer_of(harness("status", done, "--json").stdout, "status")
    assert status["methods"]["oracle"]["done"] == 2
    assert answer_of(harness("dataset", "check", phantom, "--json").stdout, "dataset-check")["scans"]


def test_status_of_a_limit_says_what_nobody_asked_for(phantom: Path, tmp_path: Path, harness: Command) -> None:
    words = ("run", "-m", "zero-displacement", "--runtime", "local", "--track", "phantom", "--limit", "1", phantom)
    assert harness(*words, tmp_path / "one").returncode == 0
    told = harness("status", tmp_path / "one").stdout
    assert told.splitlines()[1].split() == ["zero-displacement", "1", "0", "0", "0", "0", "1"]
    assert max(map(len, told.splitlines())) <= 80
    assert "1 of the track's runs were not asked for: evaluate without --limit" in " ".join(told.split())


def test_scoring_alone_adds_another_preset(done: Path, phantom: Path, tmp_path: Path, harness: Command) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    answer = harness("score", copy, "--preset", "strict", "--preset", "lumir25")
    assert answer.returncode == 0, answer.stderr
    presets = set(pd.read_parquet(copy / "scores.parquet")["preset"])
    assert presets == {"strict", "lumir25"}
    strict = pd.read_parquet(copy / "scores.parquet").query("preset == 'strict'").reset_index(drop=True)
    pd.testing.assert_frame_equal(strict, pd.read_parquet(done / "scores.parquet"))


def test_without_a_dataset_the_phantom_of_the_cache_is_taken(tmp_path: Path, phantom: Path, harness: Command) -> None:
    """The cache is given ready-made: making it is the phantom's own test."""
    cache = tmp_path / "cache" / "lumirage"
    cache.mkdir(parents=True)
    (cache / "phantom-4x2mm-seed0").symlink_to(phantom)
    words = ("evaluate", "-m", "oracle", "--runtime", "local", "--dry-run")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    answer = harness(*words, **environment)
    assert answer.returncode == 0, answer.stderr
    assert "no BIDS_DIR was given: the phantom" in answer.stderr
    named = harness(*words, LUMIRAGE_BIDS_DIR=str(phantom), **environment)
    assert "phantom in" not in named.stderr
    assert "2 to do in 2 jobs" in " ".join(named.stdout.split())


@pytest.mark.long
def test_out_and_dataset_can_be_moved(done: Path, phantom: Path, tmp_path: Path, harness: Command) -> None:
    """To another place each; then both together. Nothing is run again, and nothing in OUT names a place of this machine."""
    bids, out = tmp_path / "first/data/bids", tmp_path / "first/results/out"
    shutil.copytree(phantom, bids)
    shutil.copytree(done, out)
    shutil.rmtree(out / "work")
    lost = harness("score", out, "--preset", "lumir25", LUMIRAGE_BIDS_DIR="")
    assert lost.returncode == 65
    assert "LUMIRAGE_BIDS_DIR" in lost.stderr
    records = {path: path.stat().st_mtime_ns for path in out.rglob("*_run.json")}
    again = harness("evaluate", *METHODS, bids, out)
    assert again.returncode == 0, again.stderr
    assert "4 runs are complete and are kept" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*_run.json")} == records
    (tmp_path / "first").rename(tmp_path / "second")
    moved = tmp_path / "second/results/out"
    scored = harness("score", moved, "--preset", "lumir25")
    assert scored.returncode == 0, scored.stderr
    assert harness("report", moved, "--pair", "sub-01,sub-02").returncode == 0
    texts = [
        p for p in moved.rglob("*") if p.suffix in (".json", ".tsv", ".md", ".html", ".txt") and "work" not in p.parts
    ]
    assert len(texts) > 10
    for path in texts:
        assert not [place for place in (tmp_path, phantom, done) if str(place) in path.read_text()], path


def test_another_dataset_of_the_same_names_is_refused(
    done: Path, phantom: Path, tmp_path: Path, harness: Command
) -> None:
    bids, out = tmp_path / "bids", tmp_path / "out"
    shutil.copytree(phantom, bids)
    shutil.copytree(done, out)
    labels = next(bids.glob("derivatives/phantom/sub-02/anat/*_dseg.nii.gz"))
    content = read_labels(labels)
    content.data[content.data == content.data.max()] = 0
    write_volume(labels, content.data, content.affine)
    answer = harness("evaluate", *METHODS, bids, out)
    assert answer.returncode == 2
    assert "files of another content: sub-02_T1w labels." in answer.stderr


def test_transforms_are_exported_for_other_tools(done: Path, tmp_path: Path, harness: Command) -> None:
    """The oracle's map, read by ITK's own library, takes a landmark of the fixed image to that of the moving one."""
    import SimpleITK as sitk

    target = tmp_path / "itk"
    answer = harness("export", "transforms", done, target, "--format", "itk")
    assert answer.returncode == 0, answer.stderr
    files = [Path(line) for line in answer.stdout.splitlines()]
    assert len(files) == 4
    oracle = sitk.ReadTransform(str(next(f for f in files if f.parent.name == "oracle" and "from-sub02" in f.name)))
    bids = read_evaluation(Layout(done)).dataset
    tables = (bids / f"derivatives/phantom/sub-{s}/anat/sub-{s}_desc-phantom_landmarks.tsv" for s in ("01", "02"))
    fixed, moving = (pd.read_csv(table, sep="\t").set_index("name")[["x", "y", "z"]] for table in tables)
    lps = np.array([-1.0, -1.0, 1.0])
    found = np.array([oracle.TransformPoint((lps * fixed.loc[name]).tolist()) for name in fixed.index]) * lps
    apart = np.linalg.norm(found - moving.loc[fixed.index].to_numpy(), axis=1)
    assert np.median(apart) < 0.2
    wrong = harness("export", "transforms", done, "--format", "itc")
    assert wrong.returncode == 2
    assert "did you mean 'itk'" in wrong.stderr


@pytest.fixture
def read_only(phantom: Path, tmp_path: Path) -> Iterator[Path]:
    """The dataset, where nobody can write: root neither."""
    place = tmp_path / "read_only"
    if os.getuid() != 0:
        shutil.copytree(phantom, place)
        for path in [place, *place.rglob("*")]:
            path.chmod(path.stat().st_mode & ~0o222)
        yield place
        return
    place.mkdir()
    subprocess.run(["mount", "--bind", phantom, place], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_read_only_dataset_is_enough_and_a_second_harness_says_who_holds_the_folder(
    read_only: Path, tmp_path: Path, harness: Command
) -> None:
    with pytest.raises(OSError, match=r"Read-only|Permission"):
        (read_only / "written").touch()
    out = tmp_path / "out"
    first = subprocess.Popen([*HARNESS, "evaluate", *METHODS, read_only, out], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not holder(out / ".lock"):
        assert time.monotonic() < until
        time.sleep(0.05)
    second = harness("evaluate", *METHODS, read_only, out)
    _, told = first.communicate(timeout=600)
    assert second.returncode == 75
    assert f"in use by process {first.pid} of" in second.stderr
    assert "wait for it, stop it, or choose another OUT" in second.stderr
    assert first.returncode == 0, told
    assert len([*out.rglob("*_run.json")]) == 4

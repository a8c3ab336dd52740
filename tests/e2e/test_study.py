"""A study as a user types it: what is missing is told at the top, nothing is lost, and killed and typed again is the same."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.e2e.conftest import HARNESS, Command
from tests.json_schemas import answer_of

from lumirage.core.layout import shipped
from lumirage.core.records import without_checksum

STUDY = """name: tiny
title: A tiny study
datasets:
  people: {summary: made-up people}
  gone: {how_to_get: Nobody has it.}
tracks:
  near: {track: phantom, dataset: people, limit: 1}
  turned: {track: phantom, dataset: people, limit: 1, change: {name: turned, prepare: {oblique_deg: 10}}}
  away: {track: t1w, dataset: gone}
methods: [oracle, zero-displacement, dies, heavy]
families:
  good: {title: informed methods, methods: [oracle]}
  bad: {title: lazy methods, methods: [zero-displacement]}
  dead: {methods: [dies]}
claims:
- {id: better, sentence: Informed methods are better., kind: difference, family: good, against: bad, where: [near, turned],
   direction: better, margin: 0.01}
- {id: dies, sentence: It does not run., kind: does_not_run, family: dead, where: turned, margin: 0.1}
- {id: away, sentence: Elsewhere too., kind: difference, family: good, against: bad, where: away, direction: better}
"""
WEIGHTS = """weights:
- {file: net.pt, url: "http://127.0.0.1:9/net.pt", sha256: "", bytes: 4, licence: none}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, and two methods: one without its weights, one that fails on every pair."""
    root = tmp_path_factory.mktemp("study")
    (root / "tiny.yaml").write_text(STUDY)
    for name in ("dies", "heavy"):
        made = root / "methods" / name
        shutil.copytree(shipped("method_containers") / "zero-displacement", made)
        card = (made / "method.yaml").read_text().replace("name: zero-displacement", f"name: {name}")
        (made / "method.yaml").write_text(card + (WEIGHTS if name == "heavy" else ""))
    (root / "methods" / "dies" / "run.py").write_text("raise SystemExit('I never work')\n")
    return root


def words(folder: Path, phantom: Path, out: str) -> list[str]:
    data = f"people={phantom}"
    return ["study", "run", str(folder / "tiny.yaml"), str(folder / out), "--data", data, "--runtime", "local"]


@pytest.fixture(scope="module")
def done(folder: Path, phantom: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LUMIRAGE_METHODS": str(folder / "methods")}
    return subprocess.run(
        [*HARNESS, *words(folder, phantom, "whole")], capture_output=True, text=True, timeout=600, check=False,
        env=environment,
    )  # fmt: skip


def test_what_is_missing_is_told_and_nothing_is_lost(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, f"{done.stderr}\nsome pairs failed"
    for line in (
        "dataset gone: no folder",
        "method heavy: missing: weights net.pt",
        "track away: dataset gone is not there",
    ):
        assert f"left out: {line}" in done.stderr
        assert line in (folder / "whole" / "report" / "index.html").read_text().split('id="claims"')[0]
    assert "method dies failed on every run of track turned (1" in done.stdout
    _, written = without_checksum((folder / "whole" / "report" / "study.json").read_bytes())
    results = answer_of(written.decode(), "study-results")
    assert str(folder) not in json.dumps(results), "a study may be moved"
    assert {one["claim"]["id"]: one["decision"] for one in results["claims"]}["away"] == "not measured"
    rows = {(row["place"]["track"], row["method"]): row for row in results["matrix"]}
    for track in ("near", "turned"):
        assert rows[track, "oracle"]["mean"] > rows[track, "zero-displacement"]["mean"] + 0.05
        assert rows[track, "dies"]["failed"] == rows[track, "dies"]["runs"] == 1
        assert (folder / "whole" / "tracks" / track / "report" / "index.html").is_file()


@pytest.mark.long
def test_killed_and_typed_again_is_the_same(
    folder: Path, phantom: Path, done: subprocess.CompletedProcess[str], harness: Command
) -> None:
    environment = {**os.environ, "LUMIRAGE_METHODS": str(folder / "methods")}
    going = subprocess.Popen([*HARNESS, *words(folder, phantom, "killed")], stderr=subprocess.DEVNULL, env=environment)
    try:
        deadline = time.monotonic() + 300
        while not list((folder / "killed" / "tracks").rglob("*_run.json")):
            assert time.monotonic() < deadline
            assert going.poll() is None
            time.sleep(0.05)
    finally:
        going.send_signal(signal.SIGKILL)
        going.wait()
    assert not (folder / "killed" / "report").exists()
    status = answer_of(harness("study", "status", folder / "killed", "--json").stdout, "study-status")
    assert sum(of["done"] + of["failed"] for of in status["tracks"]["near"].values()) < 3
    assert set(status["left_out"]) == {"dataset gone", "method heavy", "track away"}
    again = harness(*words(folder, phantom, "killed"), LUMIRAGE_METHODS=str(folder / "methods"))
    assert again.returncode == done.returncode == 1
    files = [folder / out / "report" / name for out in ("killed", "whole") for name in ("study.json", "claims.tsv")]
    assert files[0].read_bytes() == files[2].read_bytes()
    assert files[1].read_bytes() == files[3].read_bytes()


def test_a_plan_makes_nothing(folder: Path, phantom: Path, harness: Command) -> None:
    shown = harness(*words(folder, phantom, "planned"), "--dry-run", LUMIRAGE_METHODS=str(folder / "methods"))
    assert shown.returncode == 0, shown.stderr
    assert not (folder / "planned").exists()
    assert shown.stdout.count("; nothing was made") == len(("near", "turned"))
    assert "left out: dataset gone" in shown.stderr
    again = harness(*words(folder, phantom, "planned"), "--dry-run", "--json", LUMIRAGE_METHODS=str(folder / "methods"))
    plan = answer_of(again.stdout, "study-plan")
    assert list(plan["tracks"]) == ["near", "turned"]
    assert "dataset gone" in plan["left_out"]

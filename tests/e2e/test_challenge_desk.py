"""A challenge's desk: twelve made-up teams from the door to their scores, with whole commands where a person types them."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.crowd import IMAGES, IN_TIME, TEAMS, enter, make_crowd, make_desk, make_truth
from tests.e2e.conftest import Command
from tests.json_schemas import answer_of

from lumirage.core.challenge_results import ChallengeResults
from lumirage.core.errors import UsageError
from lumirage.core.layout import Layout
from lumirage.core.screen import Silent
from lumirage.flow.challenge.desk import Desk, counted, open_desk, rules_changed, scores_of
from lumirage.flow.challenge.desk_run import run_desk
from lumirage.flow.challenge.jitter_run import run_jittered
from lumirage.flow.challenge.receive import HandedIn, Received, add_submission, check_submission
from lumirage.flow.challenge.verify_desk import verify_desk
from lumirage.flow.request import EvaluationRequest
from lumirage.scoring.challenge_submission import SubmissionOptions, metrics_json, score_submission


class Sent:
    """The truth, and what twelve teams have."""

    def __init__(self, phantom: Path, folder: Path) -> None:
        self.folder = folder
        self.truth = make_truth(phantom, folder / "truth")
        self.teams = make_crowd(phantom, folder / "teams")


class Full:
    """A desk with twelve submissions, all scored."""

    def __init__(self, sent: Sent) -> None:
        self.truth, self.teams = sent.truth, sent.teams
        self.desk: Desk = make_desk(self.truth, sent.folder / "desk")
        self.received: dict[str, Received] = enter(self.desk, self.teams)


@pytest.fixture(scope="module")
def sent(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    return Sent(phantom, tmp_path_factory.mktemp("challenge"))


@pytest.fixture(scope="module")
def full(sent: Sent) -> Full:
    return Full(sent)


def test_every_team_gets_the_verdict_and_the_letter_that_it_deserves(full: Full) -> None:
    submissions = {team: one.submission for team, one in full.received.items()}
    whole = {"good", "twin", "smooth", "folded", "axes", "late", *IMAGES}
    assert {team: s.verdict for team, s in submissions.items()} == {
        team: "accepted" if team in whole else "partial" for team in TEAMS
    }
    kinds = {team: {p.kind for p in s.problems} for team, s in submissions.items()}
    assert kinds == {
        **{team: set() for team in ("good", "twin", "smooth", "folded", *IMAGES)},
        "failing": {"unreadable"}, "nan": {"not_finite"}, "shape": {"shape"}, "missing": {"missing"},
        "axes": {"convention"}, "late": {"late"},
    }  # fmt: skip
    assert "read as voxel (k, j, i) displacement" in full.received["axes"].letter
    assert "marked as late" in full.received["late"].letter
    assert "2 of 3 pairs have a valid answer" in full.received["nan"].letter
    assert "1 NaN and 0 infinite values" in full.received["nan"].letter
    for team, received in full.received.items():
        files = full.desk.layout.submission(team, "test", received.submission.id)
        assert files.letter.read_text() == received.letter
        assert json.loads(files.letter_json.read_text())["verdict"] == received.submission.verdict


def test_scores_are_the_official_ones_and_a_rerun_makes_nothing_again(full: Full, harness: Command) -> None:
    desk = full.desk.layout.root
    done = harness("challenge", "run", desk, "--runtime", "local", "--memory", "4", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert answer_of(done.stdout, "challenge-run")["scored"] == len(TEAMS) - 1  # twin handed in what good did
    table = scores_of(full.desk, "test")
    assert set(table["team"]) == {*TEAMS, ""}
    assert set(table.loc[table["team"] == "", "method"]) == {"identity"}
    for team in ("good", "folded", "nan"):
        ours = json.loads(full.desk.layout.metrics(full.received[team].submission.id).read_text())
        theirs = scored_directly(full, team, "lumir25")
        assert ours["cases"] == theirs["cases"]
        assert ours["aggregates"] == theirs["aggregates"]
        means = table[(table["team"] == team) & table["label"].isna() & (table["metric"] == "dice_lumir")]
        found = means.dropna(subset="value").set_index("pair")["value"].to_dict()
        assert found == {k: c["DSC"]["mean"] for k, c in theirs["cases"].items()}
    dice = table[table["label"].isna() & (table["metric"] == "dice_lumir")].groupby("team")["value"].mean()
    assert dice["good"] == dice["twin"] > dice["smooth"] > dice[""]
    assert dice["axes"] < dice[""]
    failed = table[(table["team"] == "nan") & (table["outcome"] != "ok")]
    assert set(failed["outcome"]) == {"invalid_answer"}
    assert failed["value"].isna().all()
    assert failed["undefined"].str.contains("NaN").all()
    assert set(table.loc[(table["team"] == "missing") & (table["outcome"] != "ok"), "outcome"]) == {"no_answer"}

    before = {p: p.stat().st_mtime_ns for p in (desk / "scores").glob("*/pairs/*.json")}
    gone = sorted(before)[0]
    gone.unlink()
    options = EvaluationRequest(methods=(), runtime="local", jobs=2, limits={"memory_bytes": 4_000_000_000})
    assert run_desk(full.desk, "", options, Silent()).scored == len(TEAMS) - 1  # twin handed in what good did
    after = {p: p.stat().st_mtime_ns for p in (desk / "scores").glob("*/pairs/*.json")}
    assert {p for p in after if after[p] != before[p]} == {gone}
    pd.testing.assert_frame_equal(scores_of(full.desk, "test"), table)


def scored_directly(full: Full | Sent, team: str, preset: str) -> dict[str, Any]:
    """What `score --lumir-submission` writes for a folder."""
    options = SubmissionOptions(preset=preset)
    results = list(score_submission(full.teams[team], full.truth, options))
    return dict(json.loads(json.dumps(metrics_json(results, options))))


def test_the_numbers_of_2024_are_those_of_that_year(sent: Sent, tmp_path: Path) -> None:
    desk = make_desk(sent.truth, tmp_path / "desk", dataset=False)
    rules = desk.layout.challenge.read_text().replace("presets: [lumir25]", "presets: [lumir24]")
    desk.layout.challenge.write_text(re.sub(r"^(dataset|track):.*\n", "", rules, flags=re.MULTILINE))
    desk = open_desk(tmp_path / "desk")
    received = enter(desk, {team: sent.teams[team] for team in ("folded", "nan")})
    assert run_desk(desk, "", EvaluationRequest(methods=()), Silent()).scored == 2
    for team, one in received.items():
        ours = json.loads(desk.layout.metrics(one.submission.id).read_text())
        theirs = scored_directly(sent, team, "lumir24")
        assert (ours["cases"], ours["aggregates"]) == (theirs["cases"], theirs["aggregates"])
        assert (
            (ours["preset"], ours["eval_version"]) == (theirs["preset"], theirs["eval_version"]) == ("lumir24", "2.0")
        )


def test_at_home_the_verdict_is_the_same(full: Full, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(full.truth, home / "truth")
    for secret in ("labelsVal", "landmarksVal"):
        shutil.rmtree(home / "truth" / secret)
    rules = full.desk.layout.challenge.read_text().replace(str(full.truth), "truth")
    (home / "challenge.yaml").write_text(rules)
    for team in ("good", "shape", "axes"):
        handed = HandedIn("you", str(full.teams[team]), received=IN_TIME)
        found = check_submission(open_desk(home), handed, Layout(tmp_path / "cache"), Silent()).submission
        assert found.model_copy(update={"team": team, "rules": ""}) == full.received[team].submission.model_copy(
            update={"rules": ""}
        )


def test_twice_is_told_and_changed_rules_are_refused(full: Full, harness: Command) -> None:
    desk = full.desk.layout.root
    words = ("challenge", "add", desk, "good", full.teams["good"], "--received", IN_TIME)
    done = harness(*words)
    assert "received before" in done.stdout
    assert len(list(full.desk.layout.records())) == len(TEAMS)
    rules = full.desk.layout.challenge.read_text()
    try:
        full.desk.layout.challenge.write_text(rules.replace("scheme: lumir25", "scheme: lumir24"))
        with pytest.raises(UsageError, match="ranking changed after the first submission"):
            run_desk(open_desk(desk), "", EvaluationRequest(methods=()), Silent())
        with pytest.raises(UsageError, match="ranking changed after"):
            add_submission(open_desk(desk), HandedIn("more", str(full.teams["late"])), Silent())
        assert rules_changed(open_desk(desk))
    finally:
        full.desk.layout.challenge.write_text(rules)
    assert len(counted(open_desk(desk), "test")) == len(TEAMS)


def hashes(path: Path) -> set[str]:
    content = path.read_bytes()
    return {getattr(hashlib, name)(content).hexdigest() for name in ("md5", "sha1", "sha256")}


def test_the_site_ranks_everybody_and_tells_nothing_of_the_truth(full: Full, harness: Command, tmp_path: Path) -> None:
    desk, site = full.desk.layout.root, tmp_path / "site"
    done = harness("challenge", "publish", desk, site, "--yes")
    assert done.returncode == 0, done.stderr
    results = ChallengeResults.model_validate_json((site / "public/results.json").read_text())
    lists = {of.scheme: {e.team: e for e in of.entries} for of in (results.declared, *results.others)}
    assert set(lists) == {"lumir25", "lumir24", "learn2reg", "subject-ranks"}
    for entries in lists.values():
        assert set(entries) - {"identity"} == set(TEAMS)
        assert entries["identity"].rank is None
        assert entries["good"].rank == entries["twin"].rank
        assert entries["failing"].rank > entries["good"].rank  # it leaves out its hard pair
        assert entries["failing"].place.rstrip("=") != "1"
        assert [team for team, entry in entries.items() if entry.late] == ["late"]
    cost = {row.team: row for row in results.failures}
    assert cost["failing"].rank_without_failures < cost["failing"].rank  # what leaving it out would have gained
    assert {team for team, row in cost.items() if row.failed == 1} == {"failing", "nan", "shape", "missing"}

    assert {path.name for path in (site / "teams").iterdir()} == set(TEAMS)
    assert "1 pair: invalid answer" in (site / "teams/nan/index.html").read_text()
    secret = set().union(*(hashes(path) for path in full.truth.rglob("*.nii.gz")))
    secret |= {
        s for row in scores_of(full.desk, "test")[["pair", "fixed", "moving"]].itertuples(index=False) for s in row
    }
    secret |= {"LUMIRMRI", "labelsVal", "landmarksVal", "imagesVal", str(full.truth)}
    for path in (path for path in site.rglob("*") if path.is_file()):
        text = path.read_bytes().decode(errors="replace")
        assert not [word for word in secret if word in text], path
        assert path.suffix in (".html", ".json", ".tsv", ".svg", ".png", ".css", ".js"), path


def test_verified_from_a_copy_to_the_last_digit_and_a_changed_byte_is_found(full: Full, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(full.desk.layout.root, copy)
    desk = open_desk(copy)
    found = verify_desk(desk, 1, Silent())
    assert (found.submissions, found.scores, found.faults) == (len(TEAMS), len(TEAMS) - 1, ())
    smooth, late = (full.received[team].submission for team in ("smooth", "late"))
    for team in set(TEAMS) - {"smooth", "late"}:  # they are equal, as was just seen
        shutil.rmtree(desk.layout.submissions / team)
    table = pd.read_parquet(desk.layout.scores(smooth.id).score_table)
    place = int(table.index[table["metric"] == "dice_lumir"][0])
    table.loc[place, "value"] = np.nextafter(table.loc[place, "value"], 1)
    table.to_parquet(desk.layout.scores(smooth.id).score_table)
    damaged = desk.layout.archive(late.id) / next(iter(late.contents))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    faults = verify_desk(desk, 1, Silent()).faults
    assert len(faults) == 2
    assert "its content is not what was handed in" in faults[0]
    assert f"smooth ({smooth.id}): 1 scores differ" in faults[1]


def test_jitter_changes_little_for_methods_that_remember_nothing(full: Full) -> None:
    options = EvaluationRequest(methods=(), runtime="local", limits={"memory_bytes": 4_000_000_000})
    table = run_jittered(full.desk, "", options, Silent())
    assert set(table["method"]) == set(IMAGES), "folders have no images to jitter"
    assert not table["suspect"].any()
    dice = table[table["metric"] == "dice_lumir"]
    assert (dice["change"].abs() < 0.02).all()
    for team in (
        IMAGES
    ):  # they move whole heads: the labels' nearest voxels, and so the scores, may be the same on another grid
        identity = full.received[team].submission.id
        plain, jittered = (full.desk.layout.fields(name) for name in (identity, f"{identity}-jitter"))
        names = [path.name for path in plain.iterdir()]
        assert len(names) == 3
        assert all((plain / name).read_bytes() != (jittered / name).read_bytes() for name in names), (
            "run on other grids"
        )
    assert len(pd.read_csv(full.desk.layout.jitter_table, sep="\t")) == len(table)

"""The page on a challenge's desk, followed to the letter: every command and the rules that it shows."""

import json
import re
import shutil
from pathlib import Path

import jsonschema
import pytest
from tests.crowd import make_crowd, make_truth
from tests.json_schemas import answer_of, schema_of
from tests.unit.test_docs_commands import commands
from typer.testing import CliRunner

from lumirage.cli import app
from lumirage.core.challenge_results import ChallengeResults

PAGE = (Path(__file__).parents[2] / "docs" / "challenge.md").read_text()
SENT = {"team-a": "good", "team-b": "smooth", "team-c": "missing"}


def test_the_page_leads_from_an_empty_folder_to_a_published_leaderboard(
    phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_truth(phantom, tmp_path / "truth")
    crowd = make_crowd(phantom, tmp_path / "crowd")
    for team, like in SENT.items():
        shutil.copytree(crowd[like], tmp_path / "sent" / team)
    monkeypatch.chdir(tmp_path)
    (rules,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    typed = [words for words in commands(PAGE) if words[0] == "challenge"]
    assert [words[1] for words in typed][:2] == ["init", "add"]
    assert {words[1] for words in typed} >= {"init", "add", "status", "check", "run", "rank", "publish"}
    outputs = {}
    for words in typed:
        done = CliRunner().invoke(app, words)
        partial = words[:4] == ["challenge", "add", "desk", "team-c"]
        assert done.exit_code == (1 if partial else 0), (words, done.output, done.exception)
        outputs[" ".join(words)] = done.output
        if words[1] == "init":
            (tmp_path / "desk" / "challenge.yaml").write_text(rules)
        if words[-1] == "--dry-run":
            assert not (tmp_path / "desk" / "site").exists()
    results = ChallengeResults.model_validate_json((tmp_path / "site/public/results.json").read_text())
    assert [entry.team for entry in results.declared.ranked] == ["team-a", "team-b", "team-c"]
    assert results.changes == ()
    published = json.loads((tmp_path / "site/public/results.json").read_text())
    jsonschema.validate(published, schema_of("challenge-results"))
    team = ("sent/team-a", "--phase", "test")
    for typed_again in (
        ("status", "desk"), ("rank", "desk"), ("run", "desk"), ("verify", "desk"), ("check", *team, "--for", "desk"),
        ("add", "desk", "team-a", *team),
    ):  # fmt: skip
        said = CliRunner().invoke(app, ["challenge", *typed_again, "--json"])
        assert answer_of(said.stdout, f"challenge-{typed_again[0]}"), typed_again
    assert "team-c" in outputs["challenge rank desk"]
    assert {path.name for path in (tmp_path / "site" / "teams").iterdir()} == set(SENT)

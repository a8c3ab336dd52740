"""--json: the schemas are what the records say (LUMIRAGE_REMAKE=1 writes them anew), and what is printed keeps them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from pydantic import BaseModel
from tests.json_schemas import answer_of
from typer.testing import CliRunner

from lumirage.cli import app
from lumirage.core.challenge import Submission
from lumirage.core.challenge_answers import DeskRunAnswer, DeskStatusAnswer, DeskVerifyAnswer
from lumirage.core.challenge_results import ChallengeResults
from lumirage.core.command_answers import (
    ErrorAnswer,
    MethodFacts,
    MethodsAnswer,
    QueryAnswer,
    StatusAnswer,
    TracksAnswer,
    VerifyAnswer,
    error_answer,
)
from lumirage.core.evaluation_answer import CompareAnswer, EvaluationAnswer
from lumirage.core.layout import shipped
from lumirage.core.study import Study
from lumirage.core.study_answers import StudiesAnswer, StudyStatusAnswer, StudyValidAnswer
from lumirage.core.study_results import StudyResults
from lumirage.core.track import Track
from lumirage.datasets.dataset_check import DatasetCheck
from lumirage.datasets.planting import PlantAnswer
from lumirage.flow.forecast.plan_overview import PlanOverview
from lumirage.flow.study.study_run import StudyPlan

ANSWERS: dict[str, type[BaseModel]] = {
    "challenge-add": Submission,
    "challenge-check": Submission,
    "challenge-rank": ChallengeResults,
    "challenge-run": DeskRunAnswer,
    "challenge-status": DeskStatusAnswer,
    "challenge-verify": DeskVerifyAnswer,
    "compare": CompareAnswer,
    "dataset-check": DatasetCheck,
    "dry-run": PlanOverview,
    "error": ErrorAnswer,
    "evaluate": EvaluationAnswer,
    "methods-list": MethodsAnswer,
    "methods-show": MethodFacts,
    "query": QueryAnswer,
    "dataset-plant": PlantAnswer,
    "score": EvaluationAnswer,
    "study-list": StudiesAnswer,
    "study-plan": StudyPlan,
    "study-results": StudyResults,
    "study-show": Study,
    "study-status": StudyStatusAnswer,
    "study-validate": StudyValidAnswer,
    "status": StatusAnswer,
    "tracks-list": TracksAnswer,
    "tracks-show": Track,
    "verify": VerifyAnswer,
}
FOLDER = shipped("specs") / "schemas"


@pytest.mark.parametrize("command", ANSWERS)
def test_schema_is_made_from_the_record(command: str) -> None:
    path = FOLDER / f"answer-{command}.schema.json"
    made = ANSWERS[command].model_json_schema(mode="serialization")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
    wanted = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("LUMIRAGE_REMAKE") == "1":
        path.write_text(wanted)
    assert path.read_text() == wanted
    jsonschema.Draft202012Validator.check_schema(schema)


def test_no_schema_is_left_over() -> None:
    there = {path.name.removesuffix(".schema.json") for path in FOLDER.glob("answer-*")}
    assert there == {f"answer-{command}" for command in ANSWERS}


@pytest.mark.parametrize(
    ("words", "command", "has"),
    [
        (["methods", "list"], "methods-list", "methods"),
        (["methods", "show", "voxelmorph"], "methods-show", "card"),
        (["tracks", "list"], "tracks-list", "tracks"),
        (["tracks", "show", "phantom"], "tracks-show", "name"),
        (["study", "list"], "study-list", "studies"),
        (["study", "show", "lumirage-small"], "study-show", "claims"),
        (["study", "validate", "lumirage-small"], "study-validate", "claims_hash"),
    ],
)
def test_what_is_printed_keeps_its_schema(words: list[str], command: str, has: str) -> None:
    said = CliRunner().invoke(app, [*words, "--json"])
    assert answer_of(said.stdout, command)[has]


def test_a_missing_number_or_an_unknown_field_breaks_a_schema() -> None:
    good = {"schema_version": 1, "checked": 3, "not_recorded": 0, "to_mend": []}
    assert answer_of(json.dumps(good), "verify")["checked"] == 3
    for bad in ({**good, "checked": "3"}, {**good, "more": 1}, {k: v for k, v in good.items() if k != "checked"}):
        with pytest.raises(jsonschema.ValidationError):
            answer_of(json.dumps(bad), "verify")


def test_every_weight_is_counted_in_bytes() -> None:
    rows = answer_of(CliRunner().invoke(app, ["methods", "list", "--json"]).stdout, "methods-list")["methods"]
    assert {type(row["missing_weights_bytes"]) for row in rows} == {int}
    assert any(row["name"] == "greedy" and row["missing_weights_bytes"] == 0 for row in rows)


@pytest.mark.parametrize(
    ("words", "status", "code", "remedy"),
    [
        ("status nowhere --json", 65, "bad_data", "evaluate"),
        ("tracks show phantm --json", 2, "usage", "choose one of: .*phantom"),
        ("query --json", 2, "usage", "--help"),
        ("methods list --json --colour", 2, "usage", "--help"),
    ],
)
def test_an_error_is_one_line_of_json(words: str, status: int, code: str, remedy: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lumirage.cli", *words.split()], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == status
    (line,) = done.stdout.splitlines()
    error = answer_of(line, "error")["error"]
    assert (error["code"], error["exit_code"]) == (code, status)
    assert error["message"] in done.stderr, "people read it on stderr as ever"
    assert re.search(remedy, error["remedy"])


@pytest.mark.parametrize(
    ("status", "code"),
    [(2, "usage"), (69, "unavailable"), (70, "internal"), (75, "try_again"), (130, "interrupted"), (1, "internal")],
)
def test_every_exit_code_has_a_name_and_a_remedy(status: int, code: str) -> None:
    error = error_answer(status, "no").error
    assert error.code == code
    assert len(error.remedy) > 10
    told = error_answer(status, "no room (choose one of: a, b); free some").error
    assert told.remedy == "choose one of: a, b; free some"

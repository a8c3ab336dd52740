"""The schemas in specs/ are what the models say. LUMIRAGE_REMAKE=1 writes them anew."""

import json
import os

import pytest
from pydantic import BaseModel

from lumirage.core.challenge import Challenge
from lumirage.core.challenge_results import ChallengeResults
from lumirage.core.layout import shipped
from lumirage.core.model import Job, Method, Prepared, Run
from lumirage.core.study import Study
from lumirage.core.track import Evaluation, Track
from lumirage.running.method_contract import JobFile

SCHEMAS: dict[str, type[BaseModel]] = {
    "challenge": Challenge,
    "challenge-results": ChallengeResults,
    "evaluation": Evaluation,
    "job": JobFile,
    "method": Method,
    "plan-job": Job,
    "prepared": Prepared,
    "run": Run,
    "study": Study,
    "track": Track,
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_generated_from_the_model(name: str) -> None:
    path = shipped("specs") / "schemas" / f"{name}.schema.json"
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMAS[name].model_json_schema()}
    wanted = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("LUMIRAGE_REMAKE") == "1":
        path.write_text(wanted)
    assert path.read_text() == wanted


def test_no_schema_is_left_over() -> None:
    there = {path.name.removesuffix(".schema.json") for path in (shipped("specs") / "schemas").iterdir()}
    assert {name for name in there if not name.startswith("answer-")} == set(SCHEMAS), "the others: test_json_answers"

"""What commands print under --json, held against the schemas in specs/schemas."""

import json
from typing import Any

import jsonschema

from lumirage.core.layout import shipped


def answer_of(text: str, command: str) -> dict[str, Any]:
    """The answer, which is one JSON object without NaN or infinity and keeps `answer-COMMAND.schema.json`."""
    answer = json.loads(text, parse_constant=lambda word: {}[word])
    jsonschema.validate(answer, schema_of(f"answer-{command}"))
    return dict(answer)


def schema_of(name: str) -> dict[str, Any]:
    """The schema of this name."""
    return dict(json.loads((shipped("specs") / "schemas" / f"{name}.schema.json").read_text()))

"""What commands print under --json, held against the schemas in specs/schemas."""

import json
from typing import Any

import jsonschema

from lumirage.core.layout import shipped


def answer_of(text: str, command: str) -> dict[str, Any]:
    """The answer, which is one JSON object without NaN or infinity and keeps `answer-COMMAND.schema.json`."""
    answer = json.loads(text, parse_constant=lambda word: {}[word])
    schema = json.loads((shipped("specs") / "schemas" / f"answer-{command}.schema.json").read_text())
    jsonschema.validate(answer, schema)
    return dict(answer)

"""What is wrong with the fields of a record that a person wrote, with what each field means and its unit."""

import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError


def field_errors(error: ValidationError, record: type[BaseModel]) -> Iterator[str]:
    """A line for each error: the field's path, what is wrong, its value, and what the field means if the value is invalid."""
    for problem in error.errors():
        field = ".".join(map(str, problem["loc"])) or "the whole"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "no such field"
        elif problem["type"] in OUT_OF_RANGE:
            meaning = _meaning(record, problem["loc"])
            message = f"{message[0].lower()}{message[1:]}, not {problem['input']!r}" + (
                f" ({meaning})" if meaning else ""
            )
        yield f"{field}: {message}"


OUT_OF_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")


def _meaning(record: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """The description of the field at this path; empty if it has none."""
    at: Any = record
    meaning = ""
    for step in place:
        models = [model for model in _models(at) if step in model.model_fields]
        if not models:
            break
        found = models[0].model_fields[str(step)]
        meaning, at = found.description or "", found.annotation
    return meaning


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType):
        return [model for part in get_args(annotation) for model in _models(part)]
    return []

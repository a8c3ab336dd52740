"""Records to and from files: YAML that people write, JSON that the harness writes. Errors name file and field."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from lumirage.core.errors import DataError, UsageError
from lumirage.core.field_errors import field_errors
from lumirage.core.layout import write_text
from lumirage.core.model import Prepared

R = TypeVar("R", bound=BaseModel)


def read_yaml(path: Path, record: type[R]) -> R:
    """A record from a YAML file that a person wrote. Raises UsageError with file, field and what is wrong there."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not YAML: {error}") from error
    return parse_yaml(text, path, record)


def parse_yaml(text: str, path: Path, record: type[R]) -> R:
    """A record from YAML text; `path` only tells people where it came from. Raises UsageError as `read_yaml`."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: a mapping of fields is wanted, such as 'name: ...'")
    try:
        return record.model_validate(content)
    except ValidationError as error:
        raise UsageError(explain(path, error, record)) from error


def read_json(path: Path, record: type[R]) -> R:
    """A record that the harness wrote. Raises DataError when it is damaged or of another version."""
    try:
        return record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise DataError(explain(path, error, record)) from error


def write_json(path: Path, record: BaseModel) -> None:
    """Write a record whole or not at all."""
    write_text(path, record.model_dump_json(indent=1) + "\n")


def explain(path: Path, error: ValidationError, record: type[BaseModel]) -> str:
    """What is wrong in which field, a line each, with the field's meaning where a value is out of its range."""
    return "\n".join(f"{path}: {line}" for line in field_errors(error, record))


def read_prepared(path: Path) -> Prepared:
    """The record of prepared images, its paths made absolute, so that an output tree may be moved. Raises DataError."""
    prepared = read_json(path, Prepared)
    paths = {name: path.parent / at for name in ("fixed", "moving", "truth") if (at := getattr(prepared, name))}
    return prepared.model_copy(update=paths)

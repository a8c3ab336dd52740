"""Reads and writes records: YAML that people write, JSON that the harness writes. Errors name file and field."""

import re
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from lumirage.core.checksums import checksum
from lumirage.core.errors import DamagedFileError, DataError, UsageError
from lumirage.core.field_errors import field_errors
from lumirage.core.layout import write_text
from lumirage.core.model import Prepared
from lumirage.core.packed_files import read_kept

R = TypeVar("R", bound=BaseModel)
CHECKSUM = re.compile(rb',\n "checksum": "([0-9a-f]{32})"\n}\n\Z')
"""The end of a record of ours."""


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
    """A record from YAML text; `path` is only for messages. Raises UsageError like `read_yaml`."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: a mapping of fields is needed, such as 'name: ...'")
    try:
        return record.model_validate(content)
    except ValidationError as error:
        raise UsageError(explain(path, error, record)) from error


def read_json(path: Path, record: type[R]) -> R:
    """A record that the harness wrote. Raises DamagedFileError if it is damaged, DataError if it has another version."""
    try:
        raw = read_kept(path)
    except OSError as error:
        raise DamagedFileError(path, f"cannot be read ({error.strerror})") from error
    whole, content = without_checksum(raw)
    if whole is False:
        raise DamagedFileError(path, "damaged: its content does not match its checksum")
    try:
        return record.model_validate_json(content)
    except ValidationError as error:
        if whole:
            raise DataError(explain(path, error, record)) from error
        raise DamagedFileError(path, f"damaged, or cut off ({error.errors()[0]['msg']})") from error


def write_json(path: Path, record: BaseModel) -> None:
    """Write a record completely or not at all. Its last field is the checksum of everything before."""
    write_text(path, with_checksum(record.model_dump_json(indent=1) + "\n"))


def with_checksum(text: str) -> str:
    """Indented JSON of an object, with its checksum added as the last field."""
    return f'{text.rstrip().removesuffix("}").rstrip()},\n "checksum": "{checksum(text)}"\n}}\n'


def without_checksum(raw: bytes) -> tuple[bool | None, bytes]:
    """Whether the content agrees with its checksum (None if it has none), and the JSON without the checksum."""
    found = CHECKSUM.search(raw)
    if found is None:
        return None, raw
    content = raw[: found.start()] + b"\n}\n"
    return checksum(content) == found.group(1).decode(), content


def explain(path: Path, error: ValidationError, record: type[BaseModel]) -> str:
    """What is wrong in which field, one line each, with the field's meaning if a value is invalid."""
    return "\n".join(f"{path}: {line}" for line in field_errors(error, record))


def read_prepared(path: Path) -> Prepared:
    """The record of prepared images. Its paths are made absolute here, so an output tree can be moved. Raises DataError."""
    prepared = read_json(path, Prepared)
    paths = {name: path.parent / at for name in ("fixed", "moving", "truth") if (at := getattr(prepared, name))}
    return prepared.model_copy(update=paths)

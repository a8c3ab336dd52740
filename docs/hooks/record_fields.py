"""The fields of a record that people write, as a reader wants to know them: kind, unit, range, default, meaning."""

import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

UNITS = {"_mm": "mm", "_deg": "degrees", "_s": "s", "bytes": "bytes", "shape": "voxels", "divisible_by": "voxels"}
"""End of a field's name -> its unit."""


@dataclass(frozen=True)
class FieldRow:
    """One field of a record that people write, as a reader wants to know it."""

    path: str
    kind: str
    unit: str
    range: str
    default: str
    meaning: str


def field_rows(record: type[BaseModel], before: str = "") -> Iterator[FieldRow]:
    """Every field, those of inner records after the field that holds them; of a list or mapping of records, one of each."""
    for name, info in record.model_fields.items():
        path = before + name
        inner, step = _inner(info.annotation)
        yield FieldRow(path, _kind(info.annotation), _unit(name), _range(info), _default(info), info.description or "")
        if inner is not None:
            yield from field_rows(inner, f"{path}{step}.")


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin, args = get_origin(annotation), get_args(annotation)
    step = {tuple: "[]", dict: ".NAME"}.get(origin, "") if isinstance(origin, type) else ""
    for part in args[-1:] if origin is dict else args:
        found, further = _inner(part)
        if found is not None:
            return found, step + further
    return None, ""


_WORDS: Mapping[Any, str] = {
    str: "text", bool: "true or false", int: "whole number", float: "number", Path: "path", Any: "any value",
}  # fmt: skip


def _kind(annotation: Any) -> str:
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in args)
    if origin in (Union, types.UnionType):
        words = list(dict.fromkeys(_kind(part) for part in args if part is not type(None)))
        return " or ".join(words) + (", or none" if type(None) in args else "")
    if origin in (tuple, list):
        many = origin is list or Ellipsis in args
        return f"{'list of' if many else len(args)} {_plural(_kind(args[0]))}"
    if origin is dict:
        return f"mapping of names to {_plural(_kind(args[1]))}"
    return "record" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else "text"


def _plural(words: str) -> str:
    ends = {"text": "texts", "number": "numbers", "path": "paths", "record": "records"}
    return next((words.removesuffix(one) + many for one, many in ends.items() if words.endswith(one)), words)


def _unit(name: str) -> str:
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "")


def _range(info: FieldInfo) -> str:
    found: dict[str, Any] = {}
    for one in info.metadata:
        for kind, name in ((Ge, "ge"), (Gt, "gt"), (Le, "le"), (Lt, "lt"), (MinLen, "min_length")):
            if isinstance(one, kind):
                found[name] = getattr(one, name)
        if getattr(one, "pattern", None):
            found["pattern"] = one.pattern
    low = f"{found['ge']:,} or more" if "ge" in found else f"above {found['gt']:,}" if "gt" in found else ""
    high = f"at most {found['le']:,}" if "le" in found else f"below {found['lt']:,}" if "lt" in found else ""
    pattern = f"`{found['pattern']}`" if "pattern" in found else ""
    return ", ".join(filter(None, (low, high, pattern, "not empty" if found.get("min_length") else "")))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return ""
    return f"`{json.dumps(value, default=str, ensure_ascii=False)}`"

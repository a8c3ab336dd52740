"""Makes doses of a method: one parameter at several values, each run and scored as a separate method."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from lumirage.core.errors import UsageError, nearest
from lumirage.core.model import Method, ParameterValue

WORD = re.compile(r"(?P<method>.+?):(?P<values>\w+=.*)", re.DOTALL)
VALUE = re.compile(r"(\w+)=(\[[^\]]*\]|[^,]*)(?:,|$)")


def split_word(word: str) -> tuple[str, dict[str, str]]:
    """`NAME:KEY=VALUE,KEY=VALUE` -> the name and the values as they are written; none for a plain name or image."""
    found = WORD.fullmatch(word)
    if found is None:
        return word, {}
    values = found["values"]
    if VALUE.sub("", values):
        raise UsageError(f"--method {word}: expected NAME:KEY=VALUE,KEY=VALUE, such as clapirn:reg=0.3")
    return found["method"], dict(VALUE.findall(values))


def dose_of(card: Method, values: Mapping[str, Any]) -> tuple[Method, dict[str, ParameterValue]]:
    """The card with other values of its parameters, under a name that contains them, and these values.

    `values` are strings from the command line or values from a track. Raises UsageError for a parameter that the card
    lacks, or a value of another type than the card's own.
    """
    for key in values:
        if key not in card.parameters:
            raise UsageError(f"{card.name} has no parameter '{key}'{nearest(key, card.parameters)}")
    given = {key: _value(card, key, value) for key, value in values.items()}
    name = "-".join([card.name, *(f"{key}{_in_a_name(value)}" for key, value in given.items())])
    changed = {"name": name, "parameters": card.parameters | given, "variants": {}, "typical_cost": {}}
    return card.model_copy(update=changed), given


def _value(card: Method, key: str, value: Any) -> ParameterValue:  # Any: YAML gives anything
    default = card.parameters[key]
    if isinstance(default, str):
        return str(value)
    parsed = yaml.safe_load(value) if isinstance(value, str) else list(value) if isinstance(value, tuple) else value
    if isinstance(parsed, str):  # YAML reads 1e-5 as a string
        with contextlib.suppress(ValueError):
            parsed = float(parsed)
    if _kind(parsed) != _kind(default):
        raise UsageError(f"{card.name}: '{key}' is {_kind(default)} such as {default}, not {value!r}")
    return parsed


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, list):
        return "a list of numbers" if all(_kind(one) == "a number" for one in value) else "a list"
    return "text"


def _in_a_name(value: ParameterValue) -> str:
    """A value as text with only letters, digits, dots and dashes."""
    text = "-".join(map(str, value)) if isinstance(value, list) else f"{value:g}" if _is_number(value) else str(value)
    return re.sub(r"[^0-9A-Za-z.-]+", "-", text).strip("-") if not _is_number(value) else text.replace("+", "")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def track_doses(
    cards: Sequence[Method], wanted: Mapping[str, Mapping[str, Sequence[Any]]]
) -> Iterator[tuple[Method, dict[str, Any]]]:
    """(card, values) of every dose of these methods in a track; a dose equal to the card itself is left out."""
    for card in cards:
        for name, parameters in wanted.items():
            if name.lower() != card.name.lower():
                continue
            for key, values in parameters.items():
                for value in values:
                    if dose_of(card, {key: value})[1][key] != card.parameters[key]:
                        yield card, {key: value}

"""Reference pages made from the code itself each time the site is built: commands, records, schemas, methods, tracks."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import yaml
from record_fields import FieldRow, field_rows

from lumirage.cli import app
from lumirage.core.layout import shipped
from lumirage.core.model import Method
from lumirage.core.study import Study
from lumirage.core.track import Track
from lumirage.planning.method_cards import all_methods
from lumirage.planning.study_files import load_study, shipped_studies
from lumirage.planning.track_files import load_track, shipped_tracks

HERE = Path(__file__).parent


def pages() -> dict[str, str]:
    """Address in the site -> Markdown."""
    return {
        "reference/command-line.md": command_line(),
        "reference/track.md": track(),
        "reference/study.md": study(),
        "reference/card.md": card(),
        "reference/json.md": schemas(),
        "reference/methods.md": methods(),
    }


# --- the command line -------------------------------------------------------------------------------------------------


def command_line() -> str:
    """Every command with its arguments, options and examples, from the parser itself."""
    parts = [
        "# Command line",
        (
            "Made from the program's own parser. `-h` after any command prints the same. A list option may be repeated, and "
            "several values may stand after it or between commas: `-m greedy,ants-syn`, `--participant-label 01 02`."
        ),
    ]
    for words, command in _commands(typer.main.get_command(app), ()):
        parts += _command(words, command)
    return "\n\n".join(parts) + "\n"


def _commands(here: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if words:
        yield words, here
    for name, inner in getattr(here, "commands", {}).items():
        yield from _commands(inner, (*words, name))


def _command(words: tuple[str, ...], command: Any) -> Iterator[str]:
    yield f"{'#' * (len(words) + 1)} {' '.join(words)}"
    yield _escaped(command.help or "")
    rows = [_parameter(one) for one in command.params if not getattr(one, "hidden", False)]
    if rows:
        yield _table(("argument or option", "meaning", "range or default"), rows)
    examples = (command.epilog or "").removeprefix("\b\nExamples:\n")
    if examples:
        yield "```\n" + "\n".join(line.strip() for line in examples.splitlines()) + "\n```"


def _parameter(one: Any) -> tuple[str, str, str]:
    if one.param_type_name == "argument":
        name = f"`{one.metavar or one.name.upper()}`"
    else:
        name = ", ".join(f"`{flag}`" for flag in (*one.opts, *one.secondary_opts)) + (
            f" {one.metavar}" if one.metavar else ""
        )
    bounds = _bounds(one.min, one.max)
    default = "" if one.default in (None, "", False, [], ()) or callable(one.default) else f"default {one.default}"
    needed = "required" if one.required else ""
    environment = f"or `{one.envvar}`" if getattr(one, "envvar", None) else ""
    return name, one.help or "", ", ".join(filter(None, (needed, bounds, default, environment)))


# --- records ----------------------------------------------------------------------------------------------------------


def _bounds(low: Any, high: Any) -> str:
    return ", ".join(
        filter(None, (f"{low:g} or more" if low is not None else "", f"at most {high:g}" if high is not None else ""))
    )


@dataclass(frozen=True)
class Said:
    """What fields.yaml says of one field of the track: an example, and a meaning where the record has none."""

    example: str
    meaning: str = ""
    range: str = ""


def said_of_track() -> dict[str, Said]:
    """Path of a field -> what docs/hooks/fields.yaml says of it."""
    return {path: Said(**words) for path, words in yaml.safe_load((HERE / "fields.yaml").read_text()).items()}


def track() -> str:
    """The fields of a track, a table for each of its records, and the tracks that are shipped."""
    said = said_of_track()
    tracks = [(f"`{name}`", load_track(name).summary, load_track(name).how_to_get) for name in shipped_tracks()]
    parts = [
        "# Track",
        (
            "A track is one experiment, a YAML file. Begin with `lumirage-harness tracks show t1w >mine.yaml`, change what "
            "you want, and check it with `lumirage-harness tracks validate mine.yaml`. Fields that you leave out have their "
            "defaults; a field that does not exist is an error that names it. What the fields are for: "
            "[experiments](../experiments.md)."
        ),
    ]
    for name, rows in _by_record(list(field_rows(Track))):
        parts.append(f"## {name or 'The track'}")
        if name:
            parts.append(f"{said[name].meaning.capitalize()}, as in `{name}: {said[name].example}`.")
        cells = [
            (f"`{row.path.removeprefix(f'{name}.')}`", row.meaning or said[row.path].meaning,
             _values(row, said[row.path].range), row.default, f"`{said[row.path].example}`")
            for row in rows
        ]  # fmt: skip
        parts.append(_table(("field", "meaning", "values, unit, range", "default", "example"), cells))
    parts += ["## Shipped tracks", _table(("track", "what it asks", "data"), tracks)]
    return "\n\n".join(parts) + "\n"


def _by_record(rows: list[FieldRow]) -> Iterator[tuple[str, list[FieldRow]]]:
    """Fields at the top that are no records, under no name; then those of each record."""
    records = [row.path for row in rows if row.kind == "record" and "." not in row.path]
    yield "", [row for row in rows if row.path.split(".")[0] not in records]
    for name in records:
        yield name, [row for row in rows if row.path.startswith(f"{name}.")]


def _values(row: FieldRow, bounds: str = "") -> str:
    return ", ".join(filter(None, (row.kind, row.unit, bounds or row.range)))


def study() -> str:
    """The fields of a study, and the template in full."""
    rows = [(f"`{row.path}`", row.meaning, _values(row), row.default) for row in field_rows(Study)]
    studies = [(f"`{name}`", load_study(name).summary) for name in shipped_studies()]
    return "\n\n".join(
        [
            "# Study",
            ("A study is a YAML file: several tracks with the same methods, and claims that are written down before anyone "
            "looks. Begin with `lumirage-harness study show template >mine.yaml`; check it with `lumirage-harness study "
            "validate mine.yaml`."),
            "## Fields",
            _table(("field", "meaning", "values, unit, range", "default"), rows),
            "## Shipped studies",
            _table(("study", "what it asks"), studies),
            "## The template",
            f"```yaml\n{(shipped('specs') / 'studies' / 'template.yaml').read_text()}```",
        ]
    ) + "\n"  # fmt: skip


def card() -> str:
    """The fields of a method's card, and one card in full."""
    rows = [(f"`{row.path}`", row.meaning, _values(row), row.default) for row in field_rows(Method)]
    example = (shipped("method_containers") / "clapirn" / "method.yaml").read_text()
    return "\n\n".join(
        [
            "# Card of a method",
            ("`method.yaml` in the folder of a method. What the words mean: [the method contract]"
            "(../specs/method-contract.md); how to write one: [my method](../add-a-method.md)."),
            "## Fields",
            _table(("field", "meaning", "values, unit, range", "default"), rows),
            "## The card of clapirn",
            f"```yaml\n{example}```",
        ]
    ) + "\n"  # fmt: skip


# --- files and methods ------------------------------------------------------------------------------------------------


def schemas() -> str:
    """What `--json` prints and what records hold: a table a schema, and the schema's file."""
    files = sorted((shipped("specs") / "schemas").rglob("*.schema.json"))
    answers = [file for file in files if file.name.startswith(ANSWER)]
    return "\n\n".join(
        [
            "# JSON",
            (
                "Whatever is printed with `--json`, and each record on disk, has a JSON Schema; tests compare what the harness "
                "writes with it. These are the fields at the top; the schema has all."
            ),
            "## What `--json` prints",
            *(part for file in answers for part in _schema(file)),
            "## Records on disk",
            *(part for file in files if file not in answers for part in _schema(file)),
        ]
    ) + "\n"  # fmt: skip


ANSWER = "answer-"
"""Begins the names of schemas of what commands print."""


def _schema(file: Path) -> Iterator[str]:
    schema = json.loads(file.read_text())
    name = file.name.removesuffix(".schema.json")
    yield f"### {name.removeprefix(ANSWER).replace('-', ' ')}"
    if schema.get("description"):
        yield _escaped(str(schema["description"]))
    yield f"Schema: [{file.name}](../specs/schemas/{file.relative_to(shipped('specs') / 'schemas').as_posix()})"
    rows = [
        (f"`{key}`", str(_resolved(schema, one).get("description", "")), _json_kind(one))
        for key, one in schema.get("properties", {}).items()
    ]
    if rows:
        yield _table(("field", "meaning", "type"), rows)


def _resolved(schema: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """What a property says of itself, else what the record that it refers to says."""
    if "description" in one or "$ref" not in one:
        return one
    found: dict[str, Any] = schema.get("$defs", {}).get(str(one["$ref"]).rsplit("/", 1)[-1], {})
    return found


def _json_kind(one: dict[str, Any]) -> str:
    if "$ref" in one:
        return str(one["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in one:
        return " or ".join(_json_kind(part) for part in one["anyOf"])
    if "const" in one:
        return f"`{json.dumps(one['const'])}`"
    if "enum" in one:
        return ", ".join(f"`{value}`" for value in one["enum"])
    return str(one.get("type", ""))


def methods() -> str:
    """Every method and variant that is shipped, by its card."""
    rows = [
        (f"`{name}`", source.card.kind, source.card.device, source.card.licence, source.card.summary)
        for name, source in sorted(all_methods().items(), key=lambda item: item[0].lower())
    ]
    return "\n\n".join(
        [
            "# Methods",
            ("By their cards; `lumirage-harness methods show NAME` says more: parameters, weights, what was verified, how to "
            "cite it. A method that is not here is [a folder](../add-a-method.md)."),
            _table(("method", "kind", "device", "licence", "summary"), rows),
        ]
    ) + "\n"  # fmt: skip


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Angle brackets as text, outside of code."""
    parts = text.split("`")
    return "`".join(part if n % 2 else part.replace("<", "&lt;") for n, part in enumerate(parts))

"""`-h` of every command: within 80 columns, its line not cut off, with examples that can be typed; and completion."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from tests.unit.test_docs_commands import parse
from typer.testing import CliRunner

from lumirage.cli import app
from lumirage.cli.completion import method_names, runtime_names, track_names
from lumirage.cli.help_texts import EXAMPLES, SUMMARIES


def commands(here: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield before
    for name, inner in getattr(here, "commands", {}).items():
        yield from commands(inner, (*before, name))


COMMANDS = list(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_80_columns_wide_and_has_examples(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*words, "-h"], terminal_width=80, prog_name="lumirage-harness")
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert not [line for line in lines if line.rstrip().endswith("...") and not line.startswith("Usage")], (
        "the line of a command is cut off"
    )
    examples = [shlex.split(line)[1:] for line in lines[lines.index("  Examples:") + 1 :]]
    assert examples
    for example in examples:
        parse([word for word in example if not word.startswith(">")])


def test_both_spellings_of_help_print_the_same() -> None:
    for words in ((), ("dataset", "phantom")):
        short, long = (CliRunner().invoke(app, [*words, flag]) for flag in ("-h", "--help"))
        assert short.exit_code == 0
        assert short.output == long.output


def test_texts_are_of_commands_that_exist() -> None:
    known = {" ".join(words) for words in COMMANDS}
    assert set(EXAMPLES) <= known
    assert set(SUMMARIES) <= known


def test_the_shell_completes_commands_options_and_values() -> None:
    assert "greedy" in method_names("gre")
    assert track_names("t1w") == ["t1w", "t1w-in-distribution"]
    assert runtime_names("") == ["apptainer", "auto", "docker", "local"]
    assert complete("lumirage-harness eval") == {"evaluate"}
    assert complete("lumirage-harness methods sho") == {"show"}
    assert "--participant-label" in complete("lumirage-harness evaluate --part")
    assert complete("lumirage-harness evaluate --method zero") == {"zero-displacement"}


def complete(typed: str) -> set[str]:
    """What bash is offered after this."""
    asked = {
        "_LUMIRAGE_HARNESS_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    return set(CliRunner().invoke(app, [], env=asked, prog_name="lumirage-harness").output.split())

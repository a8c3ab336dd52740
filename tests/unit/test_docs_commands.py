"""Every command in the documentation exists, with its options; nothing is executed."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from lumirage.cli import app, bids_app
from lumirage.cli.typed_words import HELP

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAME = "lumirage-harness"


def commands(text: str) -> list[list[str]]:
    """The words of each command in code blocks and between backticks; not those with [optional parts] or ellipses."""
    text = text.replace("\\\n", " ")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(rf"`({NAME} [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    found = (
        shlex.split(line, comments=True) for line in lines if line.startswith(f"{NAME} ") and not set(line) & {"[", "…"}
    )
    return [words[1:] for words in found if "..." not in words]


def parse(words: list[str]) -> None:
    """As the command line does it, up to where the command would begin."""
    here: Any = typer.main.get_command(app)
    rest = bids_app.words_of_command([word for word in words if not word.startswith(">")], app)
    while hasattr(here, "commands") and not (rest and rest[0].startswith("-")):
        assert rest, f"{words}: a command is missing"
        assert rest[0] in here.commands, f"{words}: no command {rest[0]}"
        here, rest = here.commands[rest[0]], rest[1:]
    if rest:  # else the command is only spoken of
        here.make_context(here.name, list(rest), help_option_names=list(HELP))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_can_be_typed(page: Path) -> None:
    for words in commands(page.read_text()):
        try:
            parse(words)
        except (typer.Exit, SystemExit):
            continue
        except Exception as error:
            raise AssertionError(f"{page.name}: {' '.join(words)}: {error}") from error


def test_pages_have_commands_and_a_wrong_one_is_seen() -> None:
    assert len(commands((ROOT / "docs" / "hpc.md").read_text())) > 8
    with pytest.raises(Exception, match="--no-such-option"):
        parse(["status", "out", "--no-such-option"])
    with pytest.raises(AssertionError, match="no command stauts"):
        parse(["stauts", "out"])

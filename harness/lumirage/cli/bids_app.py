"""The BIDS App form: `lumirage-harness BIDS_DIR OUT {participant,group} [options]`, and the commands behind its levels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from lumirage.cli.evaluate_commands import command_of, on_cluster, print_plan
from lumirage.cli.result_commands import Done, Json, Workers
from lumirage.cli.typed_words import HELP, one_by_one
from lumirage.core.errors import EXIT_OK, EXIT_SOME_FAILED

if TYPE_CHECKING:
    from lumirage.cli.console_output import CommandScreen
    from lumirage.flow.request import EvaluationRequest

LEVELS = ("participant", "group")
SEVERAL = ("--participant-label", "--session-label")
"""Options after which several values may stand, as BIDS Apps have it."""

_PARTICIPANT = """Level `participant` of the BIDS App: run and score the pairs whose fixed scan is of these participants.

Several may run at once in one OUT, each for different participants. The level `group` makes the tables."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("participant", help=_PARTICIPANT)(command_of(_participant))
    app.command("group", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(group)


def _participant(request: "EvaluationRequest", dry_run: bool, screen: "CommandScreen") -> None:
    if dry_run:
        print_plan(request, screen)
        return
    if request.executor == "slurm":
        on_cluster(request, ("run", "score"), screen)
        return
    from lumirage.flow.evaluate import evaluate_participants

    answer = evaluate_participants(request, screen)
    screen.answer(answer)
    raise typer.Exit(EXIT_SOME_FAILED if answer.failed else EXIT_OK)


def group(context: typer.Context, out: Done, workers: Workers = 1, json: Json = False) -> None:
    """Level `group` of the BIDS App: tables, comparisons and report, from OUT alone."""
    from lumirage.cli.console_output import show
    from lumirage.cli.result_commands import working_in
    from lumirage.flow.compare import compare
    from lumirage.flow.report import report
    from lumirage.flow.score import ScoringSettings, score
    from lumirage.flow.summary import summarize

    with show(json) as screen, working_in(out) as layout:
        if context.args:
            screen.say(f"not used at the level group: {' '.join(context.args)}")
        score(layout, (), ScoringSettings(workers), screen)
        compare(layout, screen)
        report(layout, screen, workers=workers)
        answer = summarize(layout)
        screen.answer(answer)
    raise typer.Exit(EXIT_SOME_FAILED if answer.failed else EXIT_OK)


def words_of_command(words: Sequence[str], app: typer.Typer) -> list[str]:
    """The BIDS App form as the words of a command; in both forms several values may stand after a list option."""
    if not set(LEVELS) & set(words):
        return one_by_one(words)
    commands = getattr(typer.main.get_command(app), "commands", {})
    if words[0] in commands:
        return one_by_one(words)
    places, options = _apart(words, commands["participant"])
    if len(places) < 3 or places[2] not in LEVELS:
        return one_by_one(words)
    bids, out, level, *more = places
    return [level, *options, "--", bids, out, *more] if level == "participant" else [level, out, *options, *more]


def _apart(words: Sequence[str], command: Any) -> tuple[list[str], list[str]]:  # Any: typer brings a click of its own
    """Positional words, and options with their values: hyphens for underscores, a list option once for each value.

    A list of values ends at the word participant or group, so that the level may stand after it.
    """
    flags = {name for p in command.params if getattr(p, "is_flag", False) for name in p.opts} | set(HELP)
    places: list[str] = []
    options: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            places.append(word)
            continue
        name, equals, value = word.partition("=")
        name = name.replace("_", "-") if name.startswith("--") else name
        if name in SEVERAL:
            values = [value] if equals else []
            while rest and not rest[0].startswith("-") and rest[0] not in LEVELS:
                values.append(rest.pop(0))
            options += [part for one in values for part in (name, one)]
        elif _has_its_value(word) or equals or name in flags or not rest:
            options.append(f"{name}{equals}{value}")
        else:
            options += [name, rest.pop(0)]
    return places, options


def _has_its_value(word: str) -> bool:
    """Whether a short option and its value are one word, such as -j4."""
    return not word.startswith("--") and len(word) > 2

"""Words as people type them: lists of values after one option or between commas, and commands without their group."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from typer.core import TyperGroup

from lumirage.core.errors import UsageError

HELP = ("-h", "--help")
LABEL = re.compile(r"(sub-|ses-)?[0-9A-Za-z]+")
COMMA = re.compile(r",(?![^\[]*\])")
"""A comma that is not inside brackets."""


def one_by_one(words: Sequence[str]) -> list[str]:
    """`--participant-label 01 02` -> `--participant-label 01 --participant-label 02`, and so for every list option.

    Which of the words after an option belong to it: see the functions in `_LISTS`. Other words stay as they are.
    """
    done: list[str] = []
    rest = list(words)
    while rest and rest[0] != "--":
        word = rest.pop(0)
        done.append(word)
        name, equals, _ = word.partition("=")
        count = _LISTS.get(name.replace("_", "-") if name.startswith("--") else name)
        if count is None:
            continue
        if not equals and rest:
            done.append(rest.pop(0))
        for _ in range(count(_run(rest), words)):
            done += [name, rest.pop(0)]
    return done + rest


def _run(rest: Sequence[str]) -> list[str]:
    """The words up to the next option."""
    ends = next((n for n, word in enumerate(rest) if word.startswith("-")), len(rest))
    return list(rest[:ends])


def _leading(run: Sequence[str], belongs: Callable[[str], bool]) -> int:
    return next((n for n, word in enumerate(run) if not belongs(word)), len(run))


def _labels(run: Sequence[str], words: Sequence[str]) -> int:
    """Labels end where the dataset is; if it is elsewhere, the last word is OUT unless the dataset has such a label."""
    count = _leading(run, lambda word: bool(LABEL.fullmatch(word)) and not _is_dataset(word))
    if count < len(run) or not count or "--" in words:
        return count
    datasets = [word for word in words if _is_dataset(word)]
    if not datasets:  # none is given, or one that does not exist: it must not be taken for a label
        return _leading(run, lambda word: any(letter.isdigit() for letter in word))
    return count if any(_has(Path(dataset), run[-1]) for dataset in datasets) else count - 1


def _sources(run: Sequence[str], words: Sequence[str]) -> int:
    """Names of label sources end where the dataset is; if it is elsewhere, the last word is OUT."""
    count = _leading(run, lambda word: "/" not in word and not _is_dataset(word))
    if count < len(run) or "--" in words:
        return count
    return max(0, count - 1) if any(_is_dataset(word) for word in words) else 0


def _is_dataset(word: str) -> bool:
    return Path(word).is_dir() and not word.startswith(("sub-", "ses-", "-"))


def _has(dataset: Path, label: str) -> bool:
    bare = re.sub("^(sub|ses)-", "", label)
    return (dataset / f"sub-{bare}").is_dir() or any(dataset.glob(f"sub-*/ses-{bare}"))


def _methods(run: Sequence[str], _: Sequence[str]) -> int:
    return _leading(run, lambda word: not Path(word).exists() and is_method(word)) if run else 0


def _assignments(run: Sequence[str], _: Sequence[str]) -> int:
    return _leading(run, lambda word: "=" in word and not Path(word).exists())


def _pairs(run: Sequence[str], _: Sequence[str]) -> int:
    return _leading(run, lambda word: "," in word and not Path(word).exists())


def _presets(run: Sequence[str], _: Sequence[str]) -> int:
    from lumirage.scoring.presets import PRESETS

    return _leading(run, lambda word: word in PRESETS and not Path(word).exists())


_LISTS: Mapping[str, Callable[[Sequence[str], Sequence[str]], int]] = {
    "--participant-label": _labels,
    "--session-label": _labels,
    "--method": _methods,
    "-m": _methods,
    "--labels": _sources,
    "--derivatives": _assignments,
    "--data": _assignments,
    "--pair": _pairs,
    "--preset": _presets,
}
"""List option -> how many of the words after its first value are values too, given them and the whole command line."""


def is_method(word: str) -> bool:
    """Whether a word is the name of a method or variant; doses too."""
    from lumirage.planning.method_cards import all_methods
    from lumirage.planning.method_doses import WORD

    dose = WORD.fullmatch(word)
    name = dose["method"] if dose else word
    extra = [Path(part) for part in os.environ.get("LUMIRAGE_METHODS", "").split(os.pathsep) if part]
    return name.lower() in {known.lower() for known in all_methods(extra)}


def between_commas(words: list[str]) -> list[str]:
    """Values of a list option, where several may stand in one word with commas."""
    return [part.strip() for word in words for part in word.split(",") if part.strip()]


def methods_between_commas(words: list[str]) -> list[str]:
    """Methods, where several may stand in one word; the commas between the parameters of one method do not separate."""
    return [method for word in words for method in _methods_in(word)]


def _methods_in(word: str) -> Iterator[str]:
    if "," not in word or Path(word).exists():
        yield word
        return
    method = ""
    for part in filter(None, COMMA.split(word)):
        if method and re.match(r"\w+=", part):
            method += f",{part}"
            continue
        if method:
            yield method
        method = part.strip()
    if method:
        yield method


class QuickGroup(TyperGroup):
    """Commands whose `--help` imports nothing heavy."""

    def get_params(self, ctx: Any) -> Any:  # Any: typer brings a click of its own
        """See TyperGroup. A flag that is not given is False: with None, typer imports pydantic, 0.2 s at every start."""
        params = super().get_params(ctx)
        for option in params:
            if getattr(option, "is_flag", False) and option.default is None:
                option.default = False
        return params


class CommandGroup(QuickGroup):
    """All commands; for a word that is none of them, the error says what may have been meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """See TyperGroup; `phantom` alone is told to be `dataset phantom`."""
        word = args[0] if args else ""
        if word and not word.startswith("-") and word not in self.commands and not ctx.resilient_parsing:
            if inside := [f"{name} {word}" for name, group in self.commands.items() if word in _inside(group)]:
                raise UsageError(f"no command '{word}'; did you mean {' or '.join(map(repr, inside))}?")
            if word == "help":
                raise UsageError(f"no command '{word}'; did you mean '-h', or '-h' after a command?")
            if is_method(word):
                raise UsageError(f"no command '{word}'; did you mean 'evaluate --method {word}'?")
            if Path(word).is_dir():
                raise UsageError(
                    f"no command '{word}', which is a folder; did you mean 'evaluate --method NAME {word} OUT'? The BIDS "
                    "App form ends with 'participant' or 'group'"
                )
        return super().resolve_command(ctx, args)


def _inside(group: Any) -> Mapping[str, Any]:
    return getattr(group, "commands", {})

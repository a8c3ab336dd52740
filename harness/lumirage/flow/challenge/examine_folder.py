"""Validates a folder of fields: names, shapes, types, finite values, the convention. The same at home as at the desk."""

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.challenge import Problem, ProblemKind
from lumirage.core.checksums import file_digest
from lumirage.core.errors import DataError, InvalidAnswerError, UsageError
from lumirage.core.model import Convention
from lumirage.core.screen import Screen
from lumirage.core.space import Array
from lumirage.flow.challenge.expected_answers import ExpectedAnswer
from lumirage.methods.convention_by_images import AnsweredPair, Sample, read_otherwise
from lumirage.methods.field_conventions import Arrangement, describe
from lumirage.planning.method_cards import CARD

CONVENTION_PAIRS = 3
"""How many pairs show whether a submission is in another convention."""
SHOWN = 5
WHAT_TO_CHANGE: dict[ProblemKind, str] = {
    "shape": "store the field on the grid of the fixed image, with its three components first or last",
    "grid": "store the field on the grid of the fixed image that you were given, with its voxel-to-world matrix",
    "not_finite": "look for a division by zero or an overflow; store finite numbers only",
    "unreadable": "write the file again, and copy it again: it is damaged, cut off or no such image",
}


@dataclass(frozen=True)
class Examined:
    """What was found in a submission."""

    problems: tuple[Problem, ...]
    answers: Mapping[str, str]
    """Id of each pair with a valid answer -> its file, relative to the folder."""


def folder_contents(folder: Path) -> dict[str, str]:
    """File of a folder, relative -> SHA-256. Raises UsageError where there is no folder, DataError for links or none files."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give the folder with the fields")
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise DataError(f"{path}: a link or special file; a submission has regular files only")
        found[path.relative_to(folder).as_posix()] = file_digest(path)
    if not found:
        raise DataError(f"{folder}: empty; it should hold one field for each pair")
    return found


def is_method_folder(word: str) -> bool:
    """Whether a folder holds a method, and not fields."""
    return (Path(word) / CARD).is_file()


def examine_folder(
    folder: Path, contents: Mapping[str, str], expected: Sequence[ExpectedAnswer], screen: Screen
) -> Examined:
    """Every problem of a folder of fields, and its valid answers. Every file is unpacked once."""
    problems: list[Problem] = []
    answers: dict[str, str] = {}
    zero: list[str] = []
    samples: list[Sample] = []
    for done, answer in enumerate(expected):
        screen.progress("check", done, len(expected))
        found = [name for name in answer.names if name in contents]
        try:
            stored = _only(folder, answer, found)
        except _NoAnswerError as invalid:
            problems.append(invalid.problem)
            continue
        answers[answer.pair] = found[0]
        if not stored.any():
            zero.append(answer.pair)
        elif len(samples) < CONVENTION_PAIRS:
            samples += _samples(answer, stored)
    screen.progress("check", len(expected), len(expected))
    problems += _about_the_whole(contents, expected, answers, zero)
    problems += _convention(samples, expected[0].convention) if samples else ()
    return Examined(tuple(problems), answers)


class _NoAnswerError(Exception):
    """A pair has no valid answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def _only(folder: Path, answer: ExpectedAnswer, found: Sequence[str]) -> Array:
    """The numbers of a pair's one valid answer. Raises _NoAnswerError."""
    if not found:
        text = f"{answer.names[0]} is missing"
        raise _NoAnswerError(Problem(kind="missing", pair=answer.pair, text=text, mend=f"add {answer.names[0]}"))
    if len(found) > 1:
        text = f"there are {' and '.join(found)}, and nobody can say which one counts"
        raise _NoAnswerError(Problem(kind="duplicate", pair=answer.pair, text=text, mend="leave one of them"))
    try:
        return answer.stored(folder / found[0])
    except InvalidAnswerError as error:
        kind = _kind(str(error))
        mend = WHAT_TO_CHANGE.get(kind, "")
        raise _NoAnswerError(Problem(kind=kind, pair=answer.pair, text=f"{found[0]}: {error}", mend=mend)) from error


def _samples(answer: ExpectedAnswer, stored: Array) -> list[Sample]:
    """Some voxels of a valid answer and its images; none where the images are not here."""
    images = answer.images()
    if images is None:
        return []
    fixed, moving = images
    return [Sample(AnsweredPair(fixed.data, moving.data, stored, fixed.affine))]


def _kind(words: str) -> ProblemKind:
    """What sort of problem an error's words tell."""
    if "shape" in words:
        return "shape"
    if "matrix" in words:
        return "grid"
    return "not_finite" if "NaN" in words or "infinite" in words else "unreadable"


def _about_the_whole(
    contents: Mapping[str, str], expected: Sequence[ExpectedAnswer], answers: Mapping[str, str], zero: Sequence[str]
) -> Iterator[Problem]:
    known = {name for answer in expected for name in answer.names}
    extra = [name for name in contents if name not in known]
    if not answers and (inside := {Path(name).parent.as_posix() for name in extra if Path(name).name in known} - {"."}):
        text = f"the fields are in {sorted(inside)[0]}/, not in the folder that was handed in"
        yield Problem(kind="missing", text=text, mend=f"hand in the folder {sorted(inside)[0]}")
    elif extra:
        more = f" and {len(extra) - SHOWN} more" if len(extra) > SHOWN else ""
        text = f"no pair asks for {', '.join(extra[:SHOWN])}{more}; it is not used"
        yield Problem(kind="extra", text=text, mend="no need, unless a field has a wrong name", fatal=False)
    if zero:
        text = f"the field is zero everywhere for {len(zero)} of {len(expected)} pairs: it does nothing"
        yield Problem(kind="zero", text=text, mend="check that the method's answer was stored", fatal=False)
    same: dict[str, list[str]] = {}
    for pair, name in answers.items():
        if pair not in zero:
            same.setdefault(contents[name], []).append(name)
    for names in same.values():
        if len(names) > 1:
            text = f"{', '.join(names[:SHOWN])} are the same file, byte by byte, for different pairs"
            yield Problem(kind="duplicate", text=text, mend="check which pair it belongs to", fatal=False)


def _convention(samples: Sequence[Sample], declared: Convention) -> Iterator[Problem]:
    reading = read_otherwise(samples, declared)
    if reading.doubtful:
        wanted = describe(Arrangement(declared))
        text = (
            f"probably a wrong convention: read as {wanted}, as this challenge asks for, the fields hardly make the images "
            f"more alike than doing nothing, or less (mutual information {reading.declared:.3f} against "
            f"{reading.nothing:.3f}, {len(samples)} pair(s)); read as {reading.words} they make them much more alike "
            f"({reading.other:.3f})"
        )
        yield Problem(kind="convention", text=text, mend=f"store the fields as {wanted}", fatal=False)

"""Judges what a method left in its output folder: with lstat first, and only then by opening it."""

import json
import os
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from lumirage.core.errors import InvalidAnswerError, LumirageError
from lumirage.core.model import Convention, Grid
from lumirage.core.space import Displacement, read_displacement, spacing_of
from lumirage.running.method_contract import ExpectedAnswer
from lumirage.running.moved_image import MovedCheck
from lumirage.running.printable_text import readable

HEADER_ROOM_BYTES = 2**20
MAX_INFO_BYTES = 16 * 1024
MAX_INFO_KEYS = 50
MAX_NUMBER = sys.float_info.max
MAX_MESSAGE = 1000
FIELDS_OF_VIEW = 10
"""An answer that points farther than this many times the longest side of the working grid is invalid."""
Info = dict[str, str | float | int | bool | None]


@dataclass(frozen=True)
class Answer:
    """One pair's answer, judged."""

    state: Literal["valid", "absent", "invalid"]
    message: str = ""
    displacement: Displacement | None = None
    size_bytes: int | None = None
    moved_correlation: float | None = None
    info: Info = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_answer(expected: ExpectedAnswer, convention: Convention, grid: Grid, moving: Path) -> Answer:
    """Judge and read one pair's answer; `moving` is the prepared image, against which a moved image is checked."""
    size: int | None = None
    try:
        path = _regular(expected.folder, expected.fields)
        if path is None:
            return Answer("absent", f"there is no {' nor '.join(expected.fields)}")
        size = path.lstat().st_size
        refuse_too_large(path, size, grid)
        displacement = read_displacement(path, convention, grid)
        refuse_far(displacement, grid)
        moved = _moved(expected, displacement, grid, moving)
        info, warnings = _info(expected)
        return Answer("valid", "", displacement, size, moved, info, warnings)
    except InvalidAnswerError as error:
        message = str(error)
    except MemoryError:
        message = "the answer does not fit into memory"
    except LumirageError:
        raise  # of our own files
    except Exception as error:  # noqa: BLE001 -- whatever a file does to a library is the method's doing, not our end
        message = f"the answer cannot be judged: {type(error).__name__}: {error}"
    return Answer("invalid", readable(message)[:MAX_MESSAGE], size_bytes=size)


def exists(expected: ExpectedAnswer) -> bool:
    """Whether a file of any kind has the name of an answer."""
    return any(os.path.lexists(expected.folder / name) for name in expected.fields)


def changed_s(expected: ExpectedAnswer) -> float | None:
    """When an answer was last changed, by the kernel's clock, which a method cannot set; seconds since 1970."""
    for name in expected.fields:
        try:
            return (expected.folder / name).lstat().st_ctime
        except OSError:
            continue
    return None


def _regular(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of the names that is there. Raises InvalidAnswerError when it, or the folder, is no plain file (folder):
    the method could point it at any file of the host."""
    for name in names:
        place = folder
        parts = Path(name).parts
        for i, part in enumerate(("", *parts)):
            place = place / part if part else place
            try:
                status = place.lstat()
            except (FileNotFoundError, NotADirectoryError):
                break
            except OSError as error:
                raise InvalidAnswerError(f"{name} cannot be looked at: {error.strerror}") from error
            _refuse_strange(name, status, last=i == len(parts))
        else:
            return place
    return None


def _refuse_strange(name: str, status: os.stat_result, *, last: bool) -> None:
    mode = status.st_mode
    if last and not stat.S_ISREG(mode):
        kinds = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a pipe", stat.S_IFDIR: "a folder"}
        raise InvalidAnswerError(f"{name} is {kinds.get(stat.S_IFMT(mode), 'no plain file')}, not a file")
    if not last and not stat.S_ISDIR(mode):
        raise InvalidAnswerError(f"the folder of {name} is no folder")
    if last and status.st_nlink > 1:
        raise InvalidAnswerError(f"{name} is a hard link to a file with other names")


def largest_bytes(grid: Grid) -> int:
    """The largest size of a file that holds a field of double precision on this grid, bytes."""
    x, y, z = grid.shape
    return x * y * z * 3 * 8 + HEADER_ROOM_BYTES


def refuse_too_large(path: Path, size: int, grid: Grid) -> None:
    """Raise InvalidAnswerError when a file is larger than a field of double precision on this grid can be."""
    if size > (most := largest_bytes(grid)):
        raise InvalidAnswerError(f"{path.name} has {size} bytes; a field on this grid has at most {most}")


def refuse_far(displacement: Displacement, grid: Grid) -> None:
    """Raise InvalidAnswerError, with count and place, when a field points farther than FIELDS_OF_VIEW of its grid."""
    far = FIELDS_OF_VIEW * float((spacing_of(displacement.affine) * np.array(grid.shape)).max())
    u = displacement.u
    if max(-float(u.min()), float(u.max())) <= far:
        return
    beyond = (np.abs(u) > far).any(axis=-1)
    first = tuple(int(i) for i in np.argwhere(beyond)[0])
    raise InvalidAnswerError(
        f"the field points farther than {FIELDS_OF_VIEW} fields of view ({far:.0f} mm) at {int(beyond.sum())} voxels, the "
        f"first at {first}; does the card say the right unit?"
    )


def _moved(expected: ExpectedAnswer, displacement: Displacement, grid: Grid, moving: Path) -> float | None:
    path = _regular(expected.folder, expected.moved)
    if path is None:
        return None
    refuse_too_large(path, path.lstat().st_size, grid)
    return MovedCheck(path, moving, displacement).correlation()


def _info(expected: ExpectedAnswer) -> tuple[Info, tuple[str, ...]]:
    """The method's own notes: flat JSON of plain values, small; anything else is left out with a warning."""
    try:
        path = _regular(expected.folder, (expected.info,)) if expected.info else None
        if path is None:
            return {}, ()
        return _plain(path), ()
    except (InvalidAnswerError, OSError, ValueError, TypeError, RecursionError) as error:
        return {}, (f"info.json was left out: {readable(str(error))}",)


def _plain(path: Path) -> Info:
    if path.lstat().st_size > MAX_INFO_BYTES:
        raise ValueError(f"larger than {MAX_INFO_BYTES} bytes")
    read = json.loads(path.read_bytes(), parse_constant=lambda _: None)
    if not isinstance(read, dict):
        raise TypeError("no JSON object")
    plain = {
        readable(key[:80]): readable(value) if isinstance(value, str) else value
        for key, value in read.items()
        if isinstance(value, str | None) or (isinstance(value, int | float) and abs(value) <= MAX_NUMBER)
    }
    return dict(list(plain.items())[:MAX_INFO_KEYS])

"""The files of a dataset that an evaluation uses. They must not change once it has begun."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lumirage.core.errors import DataError
from lumirage.core.layout import file_digest
from lumirage.core.model import Pair
from lumirage.core.track import Evaluation

CHANGED = (
    "not what it was when this evaluation began to use it; if it is damaged, fetch it again; else give another OUT, as "
    "numbers from two versions of a file are not mixed"
)


def files_of_pair(pair: Pair) -> Iterator[Path]:
    """All files of both scans, and the true field if there is one."""
    for scan in (pair.fixed, pair.moving):
        yield scan.image
        yield from scan.labels.values()
        for structures in scan.structures.values():
            yield from structures.values()
        yield from filter(None, (scan.mask, scan.landmarks, scan.landmark_map))
    if pair.truth:
        yield pair.truth


def digest_now(path: Path) -> str:
    """SHA-256 of a file, computed once per process. Empty if it cannot be read: the code that needs the file reports that."""
    try:
        return file_digest(path)
    except OSError:
        return ""


def refuse_changed(pair: Pair, known: Mapping[str, str]) -> None:
    """Raise DataError if a file of the pair has changed. `known`: path -> SHA-256; files that are not in it are not checked."""
    for path in files_of_pair(pair):
        wanted = known.get(str(path))
        if wanted and path.exists() and digest_now(path) != wanted:
            raise DataError(f"{path}: {CHANGED}")


def with_files(evaluation: Evaluation, pairs: Sequence[Pair], conditions: Sequence[str]) -> Evaluation:
    """The evaluation with the hashes of all files of these pairs under these conditions.

    Raises DataError if a file has changed since it was first used: results of two versions would be mixed.
    """
    used = (evaluation.under(pair, condition) for pair in pairs for condition in conditions)
    paths = dict.fromkeys(path for pair in used for path in files_of_pair(pair))
    now = {str(path): digest_now(path) for path in paths}
    changed = sorted(path for path, found in now.items() if evaluation.files.get(path, found) != found)
    if changed:
        raise DataError("\n".join(f"{path}: {CHANGED}" for path in changed))
    now = {path: found for path, found in now.items() if found}
    return evaluation.model_copy(update={"files": evaluation.files | now})

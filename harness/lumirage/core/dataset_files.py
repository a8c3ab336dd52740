"""The files of a dataset that an evaluation uses: they must stay what they were when it began."""

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
    """All files of both scans, and the true field."""
    for scan in (pair.fixed, pair.moving):
        yield scan.image
        yield from scan.labels.values()
        for structures in scan.structures.values():
            yield from structures.values()
        yield from filter(None, (scan.mask, scan.landmarks, scan.landmark_map))
    if pair.truth:
        yield pair.truth


def digest_now(path: Path) -> str:
    """SHA-256 of a file, read once a process; empty where there is none to read, as whoever needs it says."""
    try:
        return file_digest(path)
    except OSError:
        return ""


def refuse_changed(pair: Pair, known: Mapping[str, str]) -> None:
    """Raise DataError where a file of a pair has changed; each is read once a process. Of an old tree nothing is `known`."""
    for path in files_of_pair(pair):
        wanted = known.get(str(path))
        if wanted and path.exists() and digest_now(path) != wanted:
            raise DataError(f"{path}: {CHANGED}")


def with_files(evaluation: Evaluation, pairs: Sequence[Pair], conditions: Sequence[str]) -> Evaluation:
    """The evaluation, with the hashes of all files of these pairs under these conditions. Raises DataError where one has
    changed since it was used first: damaged or mended, its numbers would be mixed with others."""
    used = (evaluation.under(pair, condition) for pair in pairs for condition in conditions)
    paths = dict.fromkeys(path for pair in used for path in files_of_pair(pair))
    now = {str(path): digest_now(path) for path in paths}
    changed = sorted(path for path, found in now.items() if evaluation.files.get(path, found) != found)
    if changed:
        raise DataError("\n".join(f"{path}: {CHANGED}" for path in changed))
    now = {path: found for path, found in now.items() if found}
    return evaluation.model_copy(update={"files": evaluation.files | now})

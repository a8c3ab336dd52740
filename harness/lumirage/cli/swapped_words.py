"""What was probably meant where words stand in each other's place; told before anything is planned."""

from pathlib import Path
from typing import TYPE_CHECKING

from lumirage.cli.typed_words import is_method
from lumirage.core.errors import UsageError

if TYPE_CHECKING:
    from lumirage.flow.request import EvaluationRequest


def check_request(request: "EvaluationRequest") -> None:
    """Raises UsageError for BIDS_DIR and OUT in the other order, and for a method or track in the place of another word."""
    if request.bids is not None:
        _check_places(request.bids, request.out)
    if isinstance(request.track, str):
        check_track(request.track)
    for word in request.methods:
        check_method(word)


def check_track(word: str) -> None:
    """Raises UsageError for the name of a method."""
    from lumirage.planning.track_files import is_track

    if not is_track(word) and is_method(word):
        raise UsageError(f"'{word}' is a method, not a track; did you mean '--method {word}' or 'methods show {word}'?")


def check_method(word: str) -> None:
    """Raises UsageError for the name of a track."""
    from lumirage.planning.track_files import is_track

    if "/" not in word and is_track(word) and not is_method(word):
        raise UsageError(f"'{word}' is a track, not a method; did you mean '--track {word}' or 'tracks show {word}'?")


def _check_places(bids: Path, out: Path | None) -> None:
    if not bids.exists():
        _check_name(str(bids))
    if out is not None and _is_dataset(out) and (not bids.exists() or _is_evaluation(bids)):
        raise UsageError(
            f"BIDS_DIR {bids} and OUT {out} look swapped: {out} is a BIDS dataset; did you mean '... {out} {bids}'?"
        )
    if _is_evaluation(bids):
        raise UsageError(
            f"BIDS_DIR {bids} is the output folder of an evaluation; give the dataset first: '... BIDS_DIR {bids}'"
        )


def _check_name(word: str) -> None:
    from lumirage.planning.track_files import is_track

    if is_method(word):
        raise UsageError(f"'{word}' is where BIDS_DIR is expected; did you mean '--method {word}'?")
    if is_track(word):
        raise UsageError(f"'{word}' is where BIDS_DIR is expected; did you mean '--track {word}'?")


def _is_evaluation(folder: Path) -> bool:
    from lumirage.core.layout import Layout

    return Layout(folder).evaluation.is_file()


def _is_dataset(folder: Path) -> bool:
    from lumirage.core.layout import Layout

    return Layout(folder).description.is_file() and any(folder.glob("sub-*")) and not _is_evaluation(folder)

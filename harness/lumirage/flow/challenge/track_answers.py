"""What a submission has to hold on a track: a field on the working grid of every pair."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.errors import DataError, UsageError
from lumirage.core.layout import Layout
from lumirage.core.model import Convention, Pair, Prepared
from lumirage.core.space import (
    Array,
    Displacement,
    Volume,
    displacement_of,
    read_displacement,
    read_field_numbers,
    read_volume,
)
from lumirage.core.track import Evaluation, MethodUse
from lumirage.flow.challenge.desk import Desk
from lumirage.flow.challenge.expected_answers import ENDINGS
from lumirage.planning.evaluation_plan import PlanInputs, make_plan
from lumirage.planning.method_cards import MethodSource
from lumirage.planning.preparation import Preparer
from lumirage.planning.track_files import load_track


@dataclass(frozen=True)
class TrackAnswer:
    """A field on the working grid of a track's pair."""

    of: Pair
    prepared: Prepared
    convention: Convention

    @property
    def pair(self) -> str:
        """As in pairs.tsv."""
        return self.of.id

    @property
    def names(self) -> Sequence[str]:
        """disp_FIX_MOV, of the scans' names without signs."""
        return [f"disp_{self.of.fixed.label}_{self.of.moving.label}{ending}" for ending in ENDINGS]

    def read(self, path: Path, convention: Convention | None = None) -> Displacement:
        """The answer in millimetres. Raises InvalidAnswerError."""
        return read_displacement(path, convention or self.convention, self.prepared.grid)

    def stored(self, path: Path) -> Array:
        """See `ExpectedAnswer`."""
        numbers = read_field_numbers(path, self.convention, self.prepared.grid)
        displacement_of(numbers, self.convention, self.prepared.grid)
        return numbers

    def images(self) -> tuple[Volume, Volume] | None:
        """See `ExpectedAnswer`."""
        return read_volume(self.prepared.fixed), read_volume(self.prepared.moving)


def track_answers(desk: Desk, cache: Layout) -> Iterator[TrackAnswer]:
    """One for each pair, in order. Raises DataError for a dataset that cannot be used."""
    evaluation, chosen = track_evaluation(desk)
    preparer, prepare = Preparer(cache), evaluation.track.cells()[0].prepare
    for pair in chosen:
        yield TrackAnswer(pair, preparer.prepare(pair, prepare), desk.challenge.answers)


def track_evaluation(desk: Desk) -> tuple[Evaluation, tuple[Pair, ...]]:
    """The track on its dataset as it would be evaluated, without methods, and the challenge's pairs.

    Raises DataError where the dataset is not there or cannot be used.
    """
    assert desk.challenge.dataset is not None  # the declaration saw to it
    bids = desk.path(desk.challenge.dataset)
    if not bids.is_dir():
        raise DataError(f"{bids}: no such folder; 'dataset' in {desk.layout.challenge} names it, relative to the desk")
    track = load_track(desk.track)
    if len(track.cells()) > 1:
        raise UsageError(
            f"track '{track.name}' has conditions, and a challenge has one task; give a track without them"
        )
    if desk.challenge.presets:
        track = track.model_copy(update={"presets": desk.challenge.presets})
    inputs = PlanInputs(
        bids=bids, out=desk.layout.prepared.root / "plan", track=track, methods=(), runtime="", pairs=desk.challenge.pairs,
        derivatives={name: desk.path(path) for name, path in desk.challenge.derivatives.items()},
    )  # fmt: skip
    plan = make_plan(inputs, _no_method, read_images=True)
    return plan.evaluation, plan.pairs


def _no_method(source: MethodSource) -> MethodUse:
    raise AssertionError(source)

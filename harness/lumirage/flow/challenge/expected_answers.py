"""What a submission has to hold: a field for every pair of its phase, under an official configuration or on a track."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from lumirage.core.challenge import Phase
from lumirage.core.errors import DataError, UsageError, nearest
from lumirage.core.layout import Layout
from lumirage.core.model import Convention, Pair, Prepared
from lumirage.core.space import Displacement, read_displacement, read_stored, read_volume, refuse_not_finite
from lumirage.core.track import Evaluation, MethodUse
from lumirage.flow.challenge.desk import Desk
from lumirage.methods.convention_by_images import AnsweredPair
from lumirage.methods.field_conventions import with_channels_last
from lumirage.planning.evaluation_plan import PlanInputs, make_plan
from lumirage.planning.method_cards import MethodSource
from lumirage.planning.preparation import Preparer
from lumirage.planning.track_files import load_track
from lumirage.scoring.challenge_submission import SubmissionTask, field_of, submission_tasks

ENDINGS = (".nii.gz", ".nii")


class ExpectedAnswer(Protocol):
    """One pair of a challenge, and how its answer is stored and judged."""

    @property
    def pair(self) -> str:
        """Its id."""

    @property
    def names(self) -> Sequence[str]:
        """The file names that are taken, the usual one first."""

    @property
    def convention(self) -> Convention:
        """How the field is to be stored."""

    def check(self, path: Path) -> bool:
        """Raise InvalidAnswerError unless the file is a valid answer; gives whether it is zero everywhere."""

    def beside_images(self, path: Path) -> AnsweredPair | None:
        """The stored field with the two images that it is to align; none where the images are not here."""


@dataclass(frozen=True)
class OfficialAnswer:
    """A field in voxels, disp_FIX_MOV, as an official configuration wants it."""

    task: SubmissionTask
    convention = Convention(unit="voxel")

    @property
    def pair(self) -> str:
        """As in metrics.json."""
        return self.task[1].key

    @property
    def names(self) -> Sequence[str]:
        """As the challenge wants them; .nii and .npz are read too."""
        return self.task[1].field_names((*ENDINGS, ".npz"))

    def check(self, path: Path) -> bool:
        """See `ExpectedAnswer`."""
        field = field_of(path, *self.task)
        refuse_not_finite(np.moveaxis(field, 0, -1))
        return not field.any()

    def beside_images(self, path: Path) -> AnsweredPair | None:
        """See `ExpectedAnswer`."""
        truth, pair = self.task
        images = [truth.path(named, "images") for named in (pair.fixed, pair.moving)]
        if not all(image.is_file() for image in images):
            return None
        fixed, moving = map(read_volume, images)
        if fixed.data.shape != moving.data.shape:
            return None
        stored = np.moveaxis(field_of(path, truth, pair), 0, -1)
        return AnsweredPair(fixed.data, moving.data, stored, fixed.affine)


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

    def check(self, path: Path) -> bool:
        """See `ExpectedAnswer`."""
        return not self.read(path).u.any()

    def beside_images(self, path: Path) -> AnsweredPair | None:
        """See `ExpectedAnswer`."""
        fixed, moving = (read_volume(image).data for image in (self.prepared.fixed, self.prepared.moving))
        stored = with_channels_last(read_stored(path), self.convention)
        return AnsweredPair(fixed, moving, stored, np.array(self.prepared.grid.affine))


def phase_at(desk: Desk, name: str, moment: str) -> Phase:
    """The phase of this name; without a name the one that is open at a moment (ISO 8601), else the last one that was.

    Raises UsageError for a phase that does not exist or has not begun.
    """
    phases, now = desk.challenge.phases, datetime.fromisoformat(moment)
    if name:
        found = desk.challenge.phase(name)
        if found is None:
            raise UsageError(f"no phase '{name}'{nearest(name, [p.name for p in phases])}")
        if found.starts and now < found.starts:
            raise UsageError(f"phase '{name}' begins on {found.starts:%Y-%m-%d %H:%M} UTC")
        return found
    begun = [p for p in phases if not p.starts or p.starts <= now]
    if not begun:
        raise UsageError(f"no phase has begun; the first begins on {phases[0].starts:%Y-%m-%d %H:%M} UTC")
    return next((p for p in begun if not p.ends or now <= p.ends), begun[-1])


def expected_answers(desk: Desk, phase: Phase | None, cache: Layout) -> list[ExpectedAnswer]:
    """One for each pair of the phase (none: of all phases), in order. `cache`: where prepared images of a track lie.

    Raises DataError for a configuration or dataset that cannot be used, UsageError for a pair that does not exist.
    """
    every: dict[str, ExpectedAnswer] = {}
    if desk.challenge.official:
        for task in submission_tasks(desk.truth):
            every.setdefault(task[1].key, OfficialAnswer(task))
    else:
        evaluation, chosen = track_evaluation(desk)
        preparer, prepare = Preparer(cache), evaluation.track.cells()[0].prepare
        for pair in chosen:
            every[pair.id] = TrackAnswer(pair, preparer.prepare(pair, prepare), desk.challenge.answers)
    if phase is None or not phase.pairs:
        return list(every.values())
    if unknown := [name for name in phase.pairs if name not in every]:
        raise UsageError(f"phase '{phase.name}': no pair '{unknown[0]}'{nearest(unknown[0], every)}")
    return [every[name] for name in phase.pairs]


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

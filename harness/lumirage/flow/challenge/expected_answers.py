"""What a submission has to hold: a field for every pair of its phase, under an official configuration or on a track."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from lumirage.core.challenge import Phase
from lumirage.core.errors import UsageError, nearest
from lumirage.core.layout import Layout
from lumirage.core.model import Convention
from lumirage.core.space import Array, Volume, read_volume, refuse_not_finite
from lumirage.flow.challenge.desk import Desk
from lumirage.scoring.challenge_truth import SubmissionTask, submission_tasks
from lumirage.scoring.submitted_field import submitted_field

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

    def stored(self, path: Path) -> Array:
        """The numbers of a valid answer, (X, Y, Z, 3), as `convention` has them. Raises InvalidAnswerError for another one."""

    def images(self) -> tuple[Volume, Volume] | None:
        """The fixed and the moving image on the field's grid; none where they are not here."""


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

    def stored(self, path: Path) -> Array:
        """See `ExpectedAnswer`."""
        field = submitted_field(path, *self.task)
        refuse_not_finite(field)
        return field

    def images(self) -> tuple[Volume, Volume] | None:
        """See `ExpectedAnswer`."""
        truth, pair = self.task
        images = [truth.path(named, "images") for named in (pair.fixed, pair.moving)]
        if not all(image.is_file() for image in images):
            return None
        fixed, moving = map(read_volume, images)
        return (fixed, moving) if fixed.data.shape == moving.data.shape else None


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
        from lumirage.flow.challenge.track_answers import track_answers  # late: half of the time of a start

        every |= {answer.pair: answer for answer in track_answers(desk, cache)}
    if phase is None or not phase.pairs:
        return list(every.values())
    if unknown := [name for name in phase.pairs if name not in every]:
        raise UsageError(f"phase '{phase.name}': no pair '{unknown[0]}'{nearest(unknown[0], every)}")
    return [every[name] for name in phase.pairs]

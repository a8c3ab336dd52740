"""The answers of a submission that are scored: those of its archived folder, or those that its image gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from lumirage.core.challenge import Submission
from lumirage.core.checksums import file_checksum
from lumirage.core.errors import DataError
from lumirage.core.layout import Layout
from lumirage.core.model import Convention, Grid, Outcome, Run
from lumirage.core.packed_files import on_disk
from lumirage.core.space import (
    Displacement,
    make_grid,
    open_image,
    points,
    read_displacement,
    read_grid,
    same_grid,
    write_displacement,
)
from lumirage.flow.challenge.desk import Desk, submissions_of
from lumirage.flow.challenge.expected_answers import ExpectedAnswer, OfficialAnswer
from lumirage.flow.challenge.track_answers import TrackAnswer
from lumirage.flow.stored_evaluation import load_evaluation, load_runs

INVALID = {"missing": Outcome.NO_ANSWER}
"""Kind of problem -> how a run without that answer is counted; all others are invalid answers."""


@dataclass(frozen=True)
class AnswerFiles:
    """A folder, the files in it by pair, and why the other pairs have none."""

    folder: Path
    files: Mapping[str, str]
    failed: Mapping[str, tuple[Outcome, str]] = field(default_factory=dict)
    """Pair -> how it failed, and why."""
    convention: Convention | None = None
    """How they are stored; none: as the challenge asks for."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Pair -> SHA-256 with which its file was received, so that a run that finds all scored reads none of them."""


def handed_in(desk: Desk, submission: Submission) -> AnswerFiles:
    """The answers of an archived folder: for every phase and team that handed in the same content, as all share its scores."""
    same = [s for s in submissions_of(desk) if s.id == submission.id and s.verdict != "refused"]
    answers = {pair: name for one in same for pair, name in one.answers.items()}
    problems = [problem for one in same for problem in one.problems if problem.pair and problem.fatal]
    failed = {p.pair: (INVALID.get(p.kind, Outcome.INVALID_ANSWER), p.text) for p in problems}
    digests = {pair: of for pair, name in answers.items() if (of := submission.contents.get(name))}
    return AnswerFiles(desk.layout.archive(submission.id), answers, failed, digests=digests)


def answered_by_image(tree: Layout, fields: Path, expected: list[ExpectedAnswer]) -> AnswerFiles:
    """The answers in the output tree of an image's evaluation, written into `fields` as this challenge stores them."""
    evaluation = load_evaluation(tree)
    pairs = {pair.id: pair for pair in evaluation.pairs}
    runs = {key[3]: (key, run) for key, run in load_runs(tree, evaluation).items()}
    files, failed = {}, {}
    for answer in expected:
        name = pair_in_dataset(answer, list(pairs))
        if name not in runs:
            continue
        (method, condition, repeat, _), run = runs[name]
        if run.outcome is not Outcome.OK:
            failed[answer.pair] = (run.outcome, _why(run))
            continue
        stored = tree.run_files(method, pairs[name], condition, repeat).field
        files[answer.pair] = answer.names[-1] if isinstance(answer, TrackAnswer) else answer.names[0]
        _write(answer, stored, fields / files[answer.pair])
    return AnswerFiles(fields, files, failed, Convention())


def pair_in_dataset(answer: ExpectedAnswer, ids: list[str]) -> str:
    """The id of a pair in the dataset on which images are run. Raises DataError where the dataset does not have it."""
    if isinstance(answer, TrackAnswer):
        return answer.pair
    fixed, moving = answer.pair.split("<--")
    (f, f_modality), (m, m_modality) = (part.rsplit("_", 1) for part in (fixed, moving))
    found = [one for one in ids if _is_subject(one.split("-")[0], f) and _is_subject(one.split("-")[1], m)]
    if len(found) > 1:  # several contrasts of the same two people
        raise DataError(
            f"{answer.pair}: the dataset has {', '.join(found)}; images cannot be run where contrasts differ"
        )
    if not found:
        raise DataError(
            f"{answer.pair}: the dataset and track of challenge.yaml have no such pair, so images cannot be run on it "
            f"(modalities {f_modality}, {m_modality})"
        )
    return found[0]


def _is_subject(label: str, subject: str) -> bool:
    """Whether a scan's name without signs, such as sub3455T1w, is of a subject."""
    return label.startswith(f"sub{subject}") and not label[len(subject) + 3 :][:1].isdigit()


def _why(run: Run) -> str:
    return f"the run ended as {run.outcome.value}" + (f": {run.message}" if run.message else "")


def _write(answer: ExpectedAnswer, stored: Path, target: Path) -> None:
    """One answer of ours as the challenge stores it; nothing is done where it is there already.

    Of a jittered run it is read linearly on the challenge's own grid, and held at its edge outside of the jittered one."""
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with on_disk(stored) as file:
        image = open_image(file)
        field = read_displacement(file, Convention(), make_grid(image.shape[:3], image.affine))
    if isinstance(answer, TrackAnswer):
        write_displacement(target, _on_grid(field, answer.prepared.grid))
        return
    assert isinstance(answer, OfficialAnswer)
    truth, pair = answer.task
    native = read_grid(truth.path(pair.fixed, "images"))
    shape = truth.configuration.expected_shape[:3]
    if native.shape != shape:
        raise DataError(f"{answer.pair}: the image is {native.shape}, and the configuration asks for {shape}")
    affine = np.array(native.affine)
    voxels = _on_grid(field, native).u @ np.linalg.inv(affine[:3, :3]).T.astype(np.float32)
    write_displacement(target, Displacement(np.ascontiguousarray(voxels, np.float32), affine))


def _on_grid(field: Displacement, grid: Grid) -> Displacement:
    if same_grid(make_grid(field.u.shape[:3], field.affine), grid):
        return field
    index = np.moveaxis(np.indices(grid.shape, dtype=np.float64), 0, -1)
    at = np.moveaxis(points(np.linalg.inv(field.affine) @ np.array(grid.affine), index), -1, 0)
    parts = [map_coordinates(field.u[..., k], at, order=1, mode="nearest") for k in range(3)]
    return Displacement(np.stack(parts, axis=-1).astype(np.float32), np.array(grid.affine))


def checksum_of(answers: AnswerFiles, pair: str) -> str:
    """Of the file of a pair's answer. Whether an archived file still has it is for 'challenge verify' to say."""
    return answers.digests.get(pair) or file_checksum(answers.folder / answers.files[pair])

"""Scores a challenge submission without containers: a folder of disp_FIX_MOV.nii.gz against the challenge's truth
folder."""

import functools
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lumirage.core.errors import DataError, InvalidAnswerError
from lumirage.core.space import read_grid, read_labels, read_volume, refuse_not_finite, spacing_of
from lumirage.scoring.challenge_truth import (
    Configuration,
    EvalPair,
    Method,
    SubmissionTask,
    Truth,
    submission_tasks,
)
from lumirage.scoring.displacement_planes import Field, component_planes
from lumirage.scoring.official_numbers import (
    OfficialLabels,
    official_centroid_tre,
    official_folding,
    official_point_tre,
    official_regularity,
)
from lumirage.scoring.pair_case import to_plain
from lumirage.scoring.presets import SCORER_VERSION, preset_named
from lumirage.scoring.submitted_field import submitted_field

Numbers = dict[str, dict[str, Any]]
"""Name of an evaluation method -> mean and detailed."""


@dataclass(frozen=True)
class SubmissionOptions:
    """Settings for scoring a submission."""

    preset: str = "lumir25"
    """lumir24, lumir25 or learn2reg."""
    as_official: bool = False
    """Do everything as the challenge does: one missing or misshapen file fails all, NaN is scored, a pair in two tracks
    is overwritten."""
    workers: int = 1
    """Number of processes."""
    nothing: bool = False
    """Score doing nothing (zero fields) instead of the folder's answers."""


@dataclass(frozen=True)
class PairResult:
    """One pair of one configuration."""

    truth: Truth
    pair: EvalPair
    numbers: Numbers
    """Empty if the answer cannot be scored."""
    problem: str = ""
    """Why it cannot be scored."""


def score_submission(submission: Path, truth: Path, options: SubmissionOptions) -> Iterator[PairResult]:
    """Every pair of every configuration in `truth`, in order, as soon as each is done.

    A missing, misshapen or non-finite answer gives a result that says so; with `as_official` it raises
    InvalidAnswerError. Raises DataError if the truth is damaged, UsageError for a preset that belongs to no challenge.
    """
    yield from score_tasks(submission, submission_tasks(truth), options)


def score_tasks(
    submission: Path, tasks: Sequence[SubmissionTask], options: SubmissionOptions
) -> Generator[PairResult, None, None]:
    """Some pairs, as `score_submission` does all."""
    preset_named(options.preset)
    score = partial(_score_pair, submission, options)
    if options.as_official:
        for _, pair in tasks:
            find_answer(submission, pair, options)
    if options.workers <= 1:
        yield from map(score, tasks)
        return
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(score, tasks)


def metrics_json(results: Sequence[PairResult], options: SubmissionOptions) -> dict[str, Any]:
    """The challenge's metrics.json. Unless `as_official`: null for NaN and inf, and `problems` of pairs without
    numbers."""
    cases: dict[str, Numbers] = {}
    for result in results:
        if result.numbers:
            before = {} if options.as_official else cases.get(result.pair.key, {})
            cases[result.pair.key] = before | result.numbers
    name = results[-1].truth.configuration.name if results else ""
    content = {
        "name": name,
        "aggregates": _aggregates(cases, options.preset) | _tracks(results, options.preset),
        "cases": cases,
        "eval_version": "3.0" if options.preset == "lumir25" else "2.0",
    }
    if options.as_official:
        return content
    problems = {result.pair.key: result.problem for result in results if result.problem}
    told = {"problems": problems, "preset": options.preset, "scorer": SCORER_VERSION}
    return dict(to_plain(content, as_official=False)) | told | {"settings": preset_named(options.preset).settings}


def _aggregates(cases: Mapping[str, Numbers], preset: str) -> dict[str, Any]:
    """Mean, standard deviation and the quantile that the challenge calls robustness, over the pairs that have a
    metric."""
    found = {}
    for metric in sorted({metric for numbers in cases.values() for metric in numbers}):
        means = np.array([numbers[metric]["mean"] for numbers in cases.values() if metric in numbers])
        found[metric] = _aggregate(means, 0.7 if preset == "lumir25" and metric == "TRE_lm" else 0.3)
    return found


def _tracks(results: Sequence[PairResult], preset: str) -> dict[str, Any]:
    """The 2025 challenge's Dice of each of its tracks."""
    found = {}
    for track in ("ID", "OOD", "MM") if preset == "lumir25" else ():
        means = [r.numbers["DSC"]["mean"] for r in results if r.truth.track == track and "DSC" in r.numbers]
        if means:
            found[f"{track}_dice"] = _aggregate(np.array(means), 0.3)
    return found


def _aggregate(means: NDArray[np.float64], quantile: float) -> dict[str, float]:
    with np.errstate(invalid="ignore"):
        return {"mean": float(means.mean()), "std": float(means.std()), "30": float(np.quantile(means, quantile))}


def _score_pair(submission: Path, options: SubmissionOptions, task: SubmissionTask) -> PairResult:
    truth, pair = task
    try:
        if options.nothing:
            field = np.zeros((3, *truth.configuration.expected_shape[:3]), np.float32)
        else:
            field = component_planes(submitted_field(find_answer(submission, pair, options), truth, pair))
        if not options.as_official:
            refuse_not_finite(np.moveaxis(field, 0, -1))
    except InvalidAnswerError as error:
        if options.as_official:
            raise
        return PairResult(truth, pair, {}, str(error))
    return PairResult(truth, pair, _Evaluation(truth, pair, field, options).numbers())


def find_answer(submission: Path, pair: EvalPair, options: SubmissionOptions) -> Path:
    """The answer's file. Raises InvalidAnswerError in the challenge's words."""
    suffixes = (".nii.gz",) if options.preset == "lumir25" else (".npz", ".nii.gz")
    names = pair.field_names(suffixes if options.as_official else (".nii.gz", ".nii", ".npz"))
    for name in names:
        if (submission / name).is_file():
            return submission / name
    raise InvalidAnswerError(
        f"The displacement field {names[0]} is missing. Please provide all required displacement fields."
    )


def _labels(path: Path) -> NDArray[Any]:
    """A label map of the truth. Raises DataError."""
    changed_ns = path.stat().st_mtime_ns if path.exists() else 0  # a missing file is told by its reader
    return _cached_labels(path, changed_ns)


@functools.lru_cache(maxsize=4)
def _cached_labels(path: Path, _changed_ns: int) -> NDArray[Any]:
    """Cached: a subject takes part in pairs that follow one another."""
    return read_labels(path).data


class _Evaluation:
    """The numbers of one pair under one configuration."""

    def __init__(self, truth: Truth, pair: EvalPair, field: Field, options: SubmissionOptions) -> None:
        self.truth, self.pair, self.field, self.options = truth, pair, field, options
        scored = {label for m in self._configuration.evaluation_methods for label in m.labels}
        self.labels = OfficialLabels(self._label_maps(), field, sorted(scored), 1) if scored else None

    @property
    def _configuration(self) -> Configuration:
        return self.truth.configuration

    def numbers(self) -> Numbers:
        """The numbers of all evaluation methods, in order."""
        found: Numbers = {}
        for method in self._configuration.evaluation_methods:
            found |= self._of(method)
        return found

    def _label_maps(self) -> tuple[NDArray[Any], NDArray[Any]]:
        fixed, moving = (_labels(self.truth.path(p, "labels")) for p in (self.pair.fixed, self.pair.moving))
        return fixed, moving

    def _of(self, method: Method) -> Numbers:
        if method.metric in ("dice", "hd95") and self.labels:
            found = self.labels.dice(method.labels) if method.metric == "dice" else self.labels.hd95(method.labels)
            return {method.name: vars(found)}
        if method.metric == "ndv":
            return {method.name: _single(self._folding_percent())}
        if method.metric == "sdlogj":
            if self._configuration.masked_evaluation:
                raise DataError(f"{self.truth.file}: masked_evaluation of sdlogj is not supported; set it to false")
            spread = official_regularity(self.field, [], 1).inner
            return {method.name: _single(spread.sd_log_offset3), "num_foldings": _single(0.0)}
        if method.metric == "tre":
            return {method.name: self._landmarks(method)}
        return {}

    def _folding_percent(self) -> float:
        image = self.pair.moving if self.options.preset == "lumir24" else self.pair.fixed
        mask = read_volume(self.truth.path(image, "images")).data
        return official_folding(self.field, mask, 1).percent

    def _landmarks(self, method: Method) -> dict[str, Any]:
        paths = [self.truth.path(p, method.dest) for p in (self.pair.fixed, self.pair.moving)]
        if self.options.preset != "learn2reg":
            fixed, moving = (_labels(path) for path in paths)
            return _single(official_centroid_tre(fixed, moving, self.field, 1))
        tables = [path.with_name(path.name.removesuffix(".nii.gz") + ".csv") for path in paths]
        fixed_points, moving_points = (_read_points(table) for table in tables)
        spacing = spacing_of(np.array(read_grid(self.truth.path(self.pair.moving, "images")).affine))
        return vars(official_point_tre(self.field, (fixed_points, moving_points), spacing))


def _single(value: float) -> dict[str, Any]:
    return {"mean": value, "detailed": value}


def _read_points(path: Path) -> NDArray[np.float64]:
    try:
        points = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected landmarks as lines of x,y,z in voxels ({error})") from error
    if points.shape[1:] != (3,) or not math.isfinite(points.sum()):
        raise DataError(f"{path}: expected landmarks as lines of x,y,z in voxels")
    return points

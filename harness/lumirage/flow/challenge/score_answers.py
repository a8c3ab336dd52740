"""Scores the answers of one submission into a folder of its own; what is scored already is not scored again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path
from typing import Any

import pandas as pd

from lumirage.core.checksums import checksum, file_digest
from lumirage.core.dataset_files import files_of
from lumirage.core.label_files import shared_sources
from lumirage.core.layout import Layout, digest, write_text
from lumirage.core.model import SENTINELS, Outcome, Record
from lumirage.core.records import read_json, write_json
from lumirage.core.screen import Screen
from lumirage.core.space import write_displacement
from lumirage.core.track import Evaluation
from lumirage.flow.challenge.answer_files import AnswerFiles, checksum_of
from lumirage.flow.challenge.desk import SENTINELS_ID, Desk
from lumirage.flow.challenge.expected_answers import expected_answers
from lumirage.flow.challenge.track_answers import TrackAnswer, track_evaluation
from lumirage.scoring.challenge_rows import rows_of_result
from lumirage.scoring.challenge_submission import (
    PairResult,
    SubmissionOptions,
    metrics_json,
    score_tasks,
)
from lumirage.scoring.challenge_truth import SubmissionTask, submission_tasks
from lumirage.scoring.parallel_scoring import score_many
from lumirage.scoring.presets import Preset, preset_named
from lumirage.scoring.score_files import Direction, ScoreTask
from lumirage.scoring.score_store import STORED_COLUMNS, Parts, read_part, score_parts, scored_runs
from lumirage.scoring.score_table import rows_of_failures, write_tables

NOTHING = AnswerFiles(Path(), {})
"""Of the sentinels."""


class StoredResult(Record):
    """The numbers of one pair under one configuration."""

    pair: str
    numbers: dict[str, dict[str, Any]]  # as the challenge writes them: numbers and lists of numbers
    problem: str


@dataclass(frozen=True)
class ScoringPlace:
    """Where scores are written, and those of the sentinels; how many processes score."""

    out: Layout
    sentinels: Layout
    workers: int = 1


def score_sentinels(desk: Desk, place: ScoringPlace, screen: Screen) -> pd.DataFrame:
    """Doing nothing, and on a track the prepared affine alone, on every pair of every phase."""
    return _score(desk, SENTINELS_ID, NOTHING, replace(place, out=place.sentinels), screen)


def score_answers(desk: Desk, identity: str, answers: AnswerFiles, place: ScoringPlace, screen: Screen) -> pd.DataFrame:
    """The scores of a submission, which `method` names by its id, with null rows for its failed pairs."""
    return _score(desk, identity, answers, place, screen)


def _score(desk: Desk, identity: str, answers: AnswerFiles, place: ScoringPlace, screen: Screen) -> pd.DataFrame:
    score = _official if desk.challenge.official else _on_track
    table = score(desk, identity, answers, place, screen)
    if identity != SENTINELS_ID and answers.failed:
        nothing = pd.read_parquet(place.sentinels.score_table)
        table = pd.concat([table, _failures(identity, answers, nothing)], ignore_index=True)
    return write_tables(place.out, table)


def _failures(identity: str, answers: AnswerFiles, nothing: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for condition in nothing["condition"].unique():
        failed = {(identity, str(condition), 0, pair): outcome for pair, (outcome, _) in answers.failed.items()}
        rows = rows_of_failures(nothing, failed)
        why = rows["pair"].map({pair: text for pair, (_, text) in answers.failed.items()})
        parts.append(rows.assign(undefined=why))
    return pd.concat(parts, ignore_index=True)


# -- an official configuration ------------------------------------------------------------------------------------------


def _official(desk: Desk, identity: str, answers: AnswerFiles, place: ScoringPlace, screen: Screen) -> pd.DataFrame:
    (preset,) = desk.challenge.scored_by
    nothing = identity == SENTINELS_ID
    options = SubmissionOptions(preset=preset, workers=place.workers, nothing=nothing)
    tasks = submission_tasks(desk.truth)
    sums = {pair: checksum_of(answers, pair) for pair in answers.files}
    files = {_name(task): _stored_at(place, task, sums.get(task[1].key, ""), preset) for task in tasks}
    wanted = [t for t in tasks if not files[_name(t)].is_file() and (nothing or t[1].key in sums)]
    with closing(score_tasks(answers.folder, wanted, options)) as made:
        for done, result in enumerate(made):
            screen.progress(f"score {identity[:8]}", done, len(wanted))
            stored = StoredResult(pair=result.pair.key, numbers=result.numbers, problem=result.problem)
            write_json(files[_name((result.truth, result.pair))], stored)
    found = [_read_result(files[_name(task)], task, answers) for task in tasks]
    write_text(place.out.root / "metrics.json", dumps(metrics_json(found, options), indent=1) + "\n")
    method = SENTINELS[0] if nothing else identity
    rows = [row for result in found for row in rows_of_result(result, preset, method, desk.challenge.name)]
    return pd.DataFrame(rows, columns=list(STORED_COLUMNS))


def _name(task: SubmissionTask) -> tuple[str, str]:
    return task[0].file.stem, task[1].key


def _stored_at(place: ScoringPlace, task: SubmissionTask, answer: str, preset: str) -> Path:
    """The file of a result; another answer, truth or preset has another file."""
    truth, pair = task
    parts = [truth.path(p, folder) for p in (pair.fixed, pair.moving) for folder in ("labels", "landmarks", "images")]
    contents = [file_digest(path) for path in parts if path.is_file()]
    key = digest(answer, file_digest(truth.file), preset_named(preset).settings, *contents)
    return place.out.root / "pairs" / f"{truth.file.stem}-{pair.key.replace('<--', '-')}-{key}.json"


def _read_result(path: Path, task: SubmissionTask, answers: AnswerFiles) -> PairResult:
    truth, pair = task
    if path.is_file():
        stored = read_json(path, StoredResult)
        return PairResult(truth, pair, stored.numbers, stored.problem)
    _, why = answers.failed.get(pair.key, (Outcome.NO_ANSWER, "no answer"))
    return PairResult(truth, pair, {}, why)


# -- a track ------------------------------------------------------------------------------------------------------------


def _on_track(desk: Desk, identity: str, answers: AnswerFiles, place: ScoringPlace, screen: Screen) -> pd.DataFrame:
    evaluation, _ = track_evaluation(desk)
    presets = [preset_named(name) for name in evaluation.track.presets]
    expected = [a for a in expected_answers(desk, None, desk.layout.prepared) if isinstance(a, TrackAnswer)]
    tasks = list(_tasks(evaluation, identity, answers, expected, place))
    have = {preset: scored_runs(place.out, preset, answers=_sums(tasks)) for preset in presets}
    lacking = [(t, tuple(p for p in presets if _key(t) not in have[p])) for t in tasks]
    todo = [(task, wanted) for task, wanted in lacking if wanted]
    with Parts(place.out) as parts, closing(score_many(todo, place.workers)) as made:
        for done, (task, scores) in enumerate(made):
            screen.progress(f"score {identity[:8]}", done, len(todo))
            parts.add(task, scores)
    return _gathered(place.out, presets, _sums(tasks))


def _tasks(
    evaluation: Evaluation,
    identity: str,
    answers: AnswerFiles,
    expected: Sequence[TrackAnswer],
    place: ScoringPlace,
) -> Iterator[ScoreTask]:
    cell = evaluation.track.cells()[0]
    for answer in expected:
        pair = answer.of
        if identity == SENTINELS_ID:
            fields: list[tuple[str, Path | None, str]] = [(sentinel, None, "") for sentinel in SENTINELS]
        elif answer.pair in answers.files:
            fields = [(identity, *_in_millimetres(answer, answers, place))]
        else:
            continue
        for method, path, summed in fields:
            yield ScoreTask(
                method=method, condition=cell.name, repeat=0, forward=Direction(pair, answer.prepared, path, summed),
                track=evaluation.track, names=evaluation.label_names,
                choices={source: evaluation.labels_of(source) for source in shared_sources(pair)},
                known={name: of for name in files_of([pair]) if (of := evaluation.contents.get(name))},
            )  # fmt: skip


def _in_millimetres(answer: TrackAnswer, answers: AnswerFiles, place: ScoringPlace) -> tuple[Path, str]:
    """The answer as the harness stores fields, named after the checksum of what was handed in; and its own checksum."""
    handed = answers.folder / answers.files[answer.pair]
    converted = place.out.root / "fields" / f"{answer.pair}-{checksum_of(answers, answer.pair)}.nii"
    if not converted.is_file():
        write_displacement(converted, answer.read(handed, answers.convention))
    return converted, checksum(converted.read_bytes())


def _key(task: ScoreTask) -> tuple[str, str, int, str]:
    return task.method, task.condition, task.repeat, task.pair.id


def _sums(tasks: Sequence[ScoreTask]) -> Mapping[tuple[str, str, int, str], str]:
    return {_key(task): task.answers for task in tasks}


def _gathered(
    layout: Layout, presets: Sequence[Preset], answers: Mapping[tuple[str, str, int, str], str]
) -> pd.DataFrame:
    """The rows of the current answers, from all parts."""
    tables = [read_part(part).to_pandas() for preset in presets for part in score_parts(layout, preset)]
    if not tables:
        return pd.DataFrame(columns=list(STORED_COLUMNS))
    table = pd.concat(tables, ignore_index=True)
    keys = zip(table["method"], table["condition"], table["repeat"], table["pair"], strict=True)
    now = [answers.get(key) == of for key, of in zip(keys, table["answers"], strict=True)]
    return table[now].drop(columns="answers")

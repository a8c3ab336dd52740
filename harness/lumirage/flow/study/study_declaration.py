"""What was written down before looking: the study's record in its output tree, and every later change of it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from lumirage import __version__
from lumirage.core.errors import DataError, UsageError
from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.records import read_json, write_json
from lumirage.core.study import Declared, Study, StudyRecord
from lumirage.core.study_layout import StudyLayout
from lumirage.flow.status import QueueState, Status, evaluation_status
from lumirage.flow.study.study_request import StudyRequest


def read_study_record(layout: StudyLayout) -> StudyRecord:
    """The record of a study's output tree. Raises DataError where there is none, or it is damaged."""
    if not layout.record.is_file():
        raise DataError(f"{layout.root}: no study there; begin one with 'lumirage-harness study run'")
    return read_json(layout.record, StudyRecord)


def declare(
    request: StudyRequest, named: Mapping[str, str], left_out: Mapping[str, str], refused: Iterable[str] = ()
) -> StudyRecord:
    """Write down the study as it is now. What was declared first stays; a change of what decides a claim is added to it.

    Raises UsageError where the tree belongs to another study.
    """
    layout, study = request.layout, request.study
    known = read_study_record(layout) if layout.record.is_file() else None
    if known and known.study.name != study.name:
        raise UsageError(f"{layout.root} has the study '{known.study.name}', not '{study.name}'; choose another OUT")
    folders = {name: path.absolute() for name, path in request.data.items()}
    record = StudyRecord(
        harness=__version__,
        declared=_declared(known, study, layout),
        data={**(known.data if known else {}), **folders},
        derivatives={
            **(known.derivatives if known else {}),
            **{
                name: {source: path.absolute() for source, path in of.items()}
                for name, of in request.derivatives.items()
            },
        },
        methods=request.methods,
        named={**(known.named if known else {}), **named},
        left_out=dict(left_out),
        refused=tuple(refused),
    )
    write_json(layout.record, record)
    return record


def _declared(known: StudyRecord | None, study: Study, layout: StudyLayout) -> tuple[Declared, ...]:
    earlier = known.declared if known else ()
    now = study.claims_hash()
    if earlier and earlier[-1].claims_hash == now:  # words that decide nothing may have changed
        return (*earlier[:-1], earlier[-1].model_copy(update={"study": study}))
    when = datetime.now(UTC).isoformat(timespec="seconds")
    names = {*study.tracks, *(name for one in earlier for name in one.study.tracks)}
    runs = sum(
        status.total("done") + status.total("failed") for status in tracks_status(layout, sorted(names)).values()
    )
    return (*earlier, Declared(when=when, claims_hash=now, runs_before=runs, study=study))


def tracks_status(
    layout: StudyLayout, names: list[str], queued: dict[str, QueueState] | None = None
) -> dict[str, Status]:
    """Track -> its runs by state, of those that were begun."""
    found = {}
    for name in names:
        track = layout.track(name)
        if track.evaluation.is_file():
            found[name] = evaluation_status(track, read_evaluation(track), (queued or {}).get(name, QueueState()))
    return found


def study_folder(out: Path | None, study: Study) -> StudyLayout:
    """Where a study is carried out; by default in a folder with its name."""
    return StudyLayout(out or Path(f"lumirage-study-{study.name}"))

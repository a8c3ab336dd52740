"""Compares the files of an output tree with their checksums: what is damaged or missing, and what would be done about it.

At the start of a command only the quick checks are made: records, parts of scores and tables, which are small; and fields,
logs and prepared images that changed after their record. All others are checked when they are used, or by `verify`.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal, TypeVar

from lumirage.core.errors import DamagedFileError, DataError
from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout, RunFiles
from lumirage.core.manifest import PARTS, is_whole, listed_files, what_is_wrong
from lumirage.core.model import Outcome, Prepared, Record, Run
from lumirage.core.packed_files import ARCHIVE_ENDING, is_kept, is_younger, place_of, read_kept
from lumirage.core.records import read_json, without_checksum
from lumirage.core.set_aside import exists
from lumirage.core.time_spent import TimesKept
from lumirage.core.track import Evaluation
from lumirage.running.executors.cluster_tasks import Submission

Kind = Literal["evaluation", "record", "answer", "log", "archive", "prepared", "scores", "table", "submission", "times"]
R = TypeVar("R", bound=Record)
REMEDY: dict[Kind, str] = {
    "evaluation": "set aside and made again from the command; methods that it does not name come back when they are named",
    "record": "set aside, and the run executed again",
    "answer": "set aside, and the run executed again",
    "log": "left as it is: no number depends on it",
    "archive": "set aside, and its runs executed again",
    "prepared": "made again",
    "scores": "set aside, and its runs scored again",
    "table": "made again",
    "times": "set aside; where time went before is not known any more",
    "submission": "set aside; what it submitted is submitted again where it is missing",
}
"""What `evaluate` does about it."""


@dataclass(frozen=True)
class Finding:
    """A file that is not as it was written."""

    path: Path
    kind: Kind
    problem: str

    @property
    def remedy(self) -> str:
        """What `evaluate` does about it."""
        return REMEDY[self.kind]


@dataclass
class Examination:
    """What was found, how many files were looked at, and of how many nothing is known: an older harness wrote them."""

    findings: list[Finding] = field(default_factory=list)
    checked: int = 0
    not_recorded: int = 0


def kind_of(layout: Layout, path: Path) -> Kind:
    """The kind of file."""
    if path == layout.evaluation:
        return "evaluation"
    if path == layout.times:
        return "times"
    if path.is_relative_to(layout.jobs):
        return "submission"
    if path.is_relative_to(layout.work):
        return "prepared"
    if path.is_relative_to(layout.scores("", "").parent):
        return "scores"
    return next((kind for ending, kind in _ENDINGS.items() if path.name.endswith(ending)), "table")


_X = RunFiles(Path("x"))
_ENDINGS: dict[str, Kind] = {
    _X.field.name.removeprefix("x"): "answer",
    _X.record.name.removeprefix("x"): "record",
    _X.log.name.removeprefix("x"): "log",
    _X.memory.name.removeprefix("x"): "log",
    ARCHIVE_ENDING: "archive",
}


def record_beside(field: Path) -> Path:
    """The record of the run of which this is the answer."""
    return RunFiles(field.with_name(field.name.removesuffix(_X.field.name.removeprefix("x")))).record


def examine(layout: Layout, *, deep: bool) -> Examination:
    """Look at all files of a tree (`deep`), or at what is quick. Reads each at most once; changes nothing."""
    found = Examination()
    try:
        evaluation = read_evaluation(layout)
    except DamagedFileError as error:
        found.findings.append(Finding(error.path, "evaluation", error.why))
        return found
    found.checked += 1
    archives: dict[Path, str] = {}
    for files in _all_runs(layout, evaluation):
        try:
            _examine_run(files, found, deep=deep)
        except DamagedFileError as error:  # the archive beside it, which all runs of the folder meet
            archives[error.path] = error.why
    found.findings += [Finding(path, "archive", why) for path, why in archives.items()]
    for part in sorted(layout.scores("", "").parent.rglob("[!.]*.parquet")):
        _examine_part(part, found)
    for name in PARTS:
        try:
            for path, wanted in listed_files(layout, name).items():
                _compare(path, wanted, "table", found)
        except DamagedFileError as error:
            found.findings.append(Finding(error.path, "table", error.why))
    if exists(layout.times):
        _read(layout.times, TimesKept, "times", found)
    for record in sorted(layout.jobs.glob("*/submission.json")):
        _read(record, Submission, "submission", found)
    _examine_work(layout, found, deep=deep)
    return found


def _all_runs(layout: Layout, evaluation: Evaluation) -> Iterator[RunFiles]:
    cells = [cell.name for cell in evaluation.track.cells()]
    for method, cell, repeat, pair in product(evaluation.methods, cells, range(evaluation.repeats), evaluation.pairs):
        yield layout.run_files(method, evaluation.under(pair, cell), cell, repeat)


def _examine_run(files: RunFiles, found: Examination, *, deep: bool) -> None:
    if not exists(files.record) and not is_kept(files.record):
        return
    run = _read(files.record, Run, "record", found)
    if run is None:
        return
    written = place_of(files.record).file.stat().st_mtime_ns
    for name, kind in (("field", "answer"), ("log", "log"), ("memory", "log")):
        path: Path = getattr(files, name)
        if name == "field" and run.outcome is not Outcome.OK:
            continue
        wanted = run.checksums.get(name, "")  # type: ignore[call-overload]  # the names are those of its keys
        if not deep and (kind == "log" or is_kept(path)) and not is_younger(path, written):
            continue  # nobody wrote to it since; of logs that are gone only `verify` speaks
        if name == "field" and not wanted and run.answer_sha256 and is_kept(path):
            whole = hashlib.sha256(read_kept(path)).hexdigest() == run.answer_sha256
            found.checked += 1
            if not whole:
                found.findings.append(Finding(path, "answer", "damaged: its content is not that of its SHA-256"))
        elif wanted or name == "field":
            _compare(path, wanted, kind, found)  # type: ignore[arg-type]  # as above
        else:
            found.not_recorded += 1


def _examine_part(part: Path, found: Examination) -> None:
    from lumirage.scoring.score_store import SUMMED, read_part  # late: where there are no scores it is not needed

    try:
        read_part(part)
        found.checked += 1
        found.not_recorded += not part.stem.startswith(SUMMED)
    except DamagedFileError as error:
        found.findings.append(Finding(part, "scores", error.why))


def _examine_work(layout: Layout, found: Examination, *, deep: bool) -> None:
    for saved in sorted(layout.affine("x").parent.glob("[!.]*.json")):
        _examine_json(saved, found)
    for folder in sorted(layout.prepared("x").parent.glob("[!.]*")):
        record = layout.prepared_record(folder.name)
        prepared = _read(record, Prepared, "prepared", found) if exists(record) else None
        if prepared is None:
            continue  # what has no record is made again
        if not prepared.checksums:
            found.not_recorded += 1
        written = record.stat().st_mtime_ns
        for name, wanted in prepared.checksums.items():
            path = folder / getattr(prepared, name)
            if deep or not path.is_file() or is_younger(path, written):
                _compare(path, wanted, "prepared", found)


def _examine_json(path: Path, found: Examination) -> None:
    try:
        whole, content = without_checksum(path.read_bytes())
        json.loads(content)
    except (OSError, ValueError) as error:
        whole = False
        found.findings.append(Finding(path, "prepared", f"damaged, or cut off ({error})"))
    else:
        found.checked += 1
        found.not_recorded += whole is None
        if whole is False:
            found.findings.append(Finding(path, "prepared", "damaged: its content does not match its checksum"))


def _read(path: Path, record: type[R], kind: Kind, found: Examination) -> R | None:
    """A complete record; None if it is not complete."""
    try:
        read = read_json(path, record)
    except DamagedFileError as error:
        found.findings.append(Finding(path, kind, error.why))
        return None
    except DataError:
        return None  # of another version: whoever reads it says so
    found.checked += 1
    return read


def _compare(path: Path, wanted: str, kind: Kind, found: Examination) -> None:
    found.checked += 1
    if not wanted and is_kept(path):
        found.not_recorded += 1
    elif not is_whole(path, wanted):
        found.findings.append(Finding(path, kind, what_is_wrong(path)))

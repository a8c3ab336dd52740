"""Stores scores on disk, as parts that are only added; `score_assembly` makes the table from them.

scores/<preset>-<settings>/<method>/<part>.parquet holds the scores of some runs under one preset, its settings and scorer in
the name and in every row. Parts are never changed: another preset, setting or scorer adds parts beside the old ones. A part
is named after the checksum of its bytes. Its rows name the answers that they belong to: rows of an answer that no longer
exists, because its run was executed again, are ignored.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lumirage.core.checksums import checksum
from lumirage.core.errors import DamagedFileError
from lumirage.core.layout import Layout, written_aside
from lumirage.core.model import SCORE_COLUMNS, Outcome, Score
from lumirage.scoring.presets import SCORER_VERSION, Preset
from lumirage.scoring.score_files import ScoreTask

RunKey = tuple[str, str, int, str]
"""Method, condition, repeat, pair id."""
INVERSE = "inverse_consistency_mm"
"""The only metric that needs another run: the run of the reversed pair."""
PART = 64
"""Number of runs whose scores are written together: the most that a crash can lose."""

STORED_COLUMNS = (*SCORE_COLUMNS, "pair_warning")
"""Columns on disk. The last one describes the pair, not a value; tables of older harnesses lack it."""
TABLE_SCHEMA = pa.schema(
    [
        pa.field(
            name,
            {"value": pa.float64(), "label": pa.int32(), "repeat": pa.int32(), "n": pa.int64()}.get(name, pa.string()),
        )
        for name in STORED_COLUMNS
    ]
)
SUMMED = "xxh3-"
"""Prefix of the name of a part that is named after its checksum."""
RUN = ("method", "condition", "repeat", "pair")
"""The columns that name a run."""


PART_SCHEMA = TABLE_SCHEMA.append(pa.field("answers", pa.string()))
"""Columns of a part: also the checksums of the answers that were scored, as in `ScoreTask.answers`."""


def rows_of(task: ScoreTask, preset: Preset, scores: Iterable[Score]) -> list[dict[str, object]]:
    """The rows of one run under one preset."""
    common = {
        "track": task.track.name, "condition": task.condition, "repeat": task.repeat, "method": task.method,
        "pair": task.pair.id, "fixed": task.pair.fixed.name, "moving": task.pair.moving.name,
        "fixed_subject": task.pair.fixed.subject, "moving_subject": task.pair.moving.subject,
        "outcome": Outcome.OK.value, "preset": preset.name, "settings": preset.settings, "scorer": SCORER_VERSION,
        "pair_warning": "; ".join(task.forward.prepared.warnings),
        "answers": task.answers,
    }  # fmt: skip
    return [common | score.model_dump() for score in scores]


def add_part(layout: Layout, preset: Preset, method: str, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write the scores of some runs of one method, all or nothing; gives the part."""
    return write_part(layout, preset, method, pa.Table.from_pylist(list(rows), PART_SCHEMA))


def write_part(layout: Layout, preset: Preset, method: str, rows: pa.Table) -> Path:
    """As `add_part`, from a table as PART_SCHEMA."""
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    raw = buffer.getvalue()
    path = layout.scores(preset.name, preset.settings) / method / f"{SUMMED}{checksum(raw)}.parquet"
    with written_aside(path) as aside:
        aside.write_bytes(raw)
    return path


def read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A part, or some columns of it. Raises DamagedFileError."""
    try:
        raw = path.read_bytes()
        if path.stem.startswith(SUMMED) and path.stem.removeprefix(SUMMED) != checksum(raw):
            raise DamagedFileError(path, "damaged: its content does not match its checksum")
        file = pq.ParquetFile(io.BytesIO(raw))
        there = file.schema_arrow.names
        table = file.read([name for name in columns if name in there] if columns else None)
    except (OSError, ValueError, pa.ArrowException) as error:  # an ArrowInvalid is a ValueError
        raise DamagedFileError(path, f"damaged, or cut off ({error})") from error
    if "answers" not in table.column_names:  # written by an older harness
        table = table.append_column("answers", pa.array([""] * len(table), pa.string()))
    return table.select(list(columns)) if columns else table


class Parts:
    """Gathers the scores of runs into parts that are not too small. A context manager: when it ends, all are on disk.

    `journal`: a file to which the path of each part is added, relative to the tree.
    """

    def __init__(self, layout: Layout, journal: Path | None = None) -> None:
        self._layout, self._journal = layout, journal
        self._pending: dict[tuple[Preset, str], list[list[dict[str, object]]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._pending):
            self._write(key)

    def add(self, task: ScoreTask, scores: Mapping[Preset, Iterable[Score]]) -> None:
        """The scores of one run, by preset."""
        for preset, rows in scores.items():
            key = preset, task.method
            self._pending.setdefault(key, []).append(rows_of(task, preset, rows))
            if len(self._pending[key]) == PART:
                self._write(key)

    def _write(self, key: tuple[Preset, str]) -> None:
        part = add_part(self._layout, *key, [row for rows in self._pending.pop(key) for row in rows])
        if self._journal:
            with self._journal.open("a", encoding="utf-8") as lines:
                lines.write(f"{part.relative_to(self._layout.root)}\n")


class ScoredRow(NamedTuple):
    """A run that has scores under a preset, the answers that they belong to, and whether inverse consistency is among them."""

    run: RunKey
    answers: str
    inverse: bool


def scored_rows(parts: Iterable[Path]) -> list[ScoredRow]:
    """What these parts hold. Raises DamagedFileError."""
    found: list[ScoredRow] = []
    for part in parts:
        table = read_part(part, [*RUN, "answers", "metric"])
        table = table.append_column("inverse", pc.equal(table["metric"], INVERSE))
        runs = table.group_by([*RUN, "answers"]).aggregate([("inverse", "any")])
        columns = (runs.column(name).to_pylist() for name in (*RUN, "answers", "inverse_any"))
        found += [ScoredRow(key_of(run), answers, inverse) for *run, answers, inverse in zip(*columns, strict=True)]
    return found


def scored_runs(layout: Layout, preset: Preset, answers: Mapping[RunKey, str] = MappingProxyType({})) -> set[RunKey]:
    """The runs that have scores under this preset, its settings and this scorer. `answers`: the current ones, by run;
    scores of others are ignored. Raises DamagedFileError."""
    return runs_in(scored_rows(score_parts(layout, preset)), answers)


def runs_in(rows: Iterable[ScoredRow], answers: Mapping[RunKey, str], *, inverse: bool = False) -> set[RunKey]:
    """The runs of these rows whose scores belong to the current answers; with `inverse`, only those that have that one."""
    return {
        row.run
        for row in rows
        if (row.inverse or not inverse) and not is_outdated(row.answers, answers.get(row.run, ""))
    }


def key_of(run: Sequence[object]) -> RunKey:
    """The run that the values of the columns RUN name."""
    method, condition, repeat, pair = run
    return str(method), str(condition), int(str(repeat)), str(pair)


def is_outdated(scored: str, now: str) -> bool:
    """Whether scores belong to answers other than the current ones; False if either is unknown."""
    pairs = zip(scored.split("+"), now.split("+"), strict=False)
    return any(old and new and old != new for old, new in pairs)


def score_parts(layout: Layout, preset: Preset) -> Iterator[Path]:
    """The complete parts of a preset; parts that are being written, or were left unfinished, begin with a dot."""
    return iter(sorted(layout.scores(preset.name, preset.settings).rglob("[!.]*.parquet")))

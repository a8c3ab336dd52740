"""Stores scores on disk: parts that are only added, and the table made from them.

scores/<preset>-<settings>/<method>/<part>.parquet holds the scores of some runs under one preset, its settings and scorer in
the name and in every row. Parts are never changed: another preset, setting or scorer adds parts beside the old ones. A part
is named after the checksum of its bytes. Its rows name the answers that they belong to: rows of an answer that no longer
exists, because its run was executed again, are ignored.
"""

import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lumirage.core.checksums import checksum
from lumirage.core.errors import DamagedFileError
from lumirage.core.layout import Layout, write_text, written_aside
from lumirage.core.manifest import list_files
from lumirage.core.model import SCORE_COLUMNS, Outcome, Score
from lumirage.scoring.presets import SCORER_VERSION, Preset
from lumirage.scoring.score_files import ScoreTask
from lumirage.scoring.score_rows import missing_row

RunKey = tuple[str, str, int, str]
"""Method, condition, repeat, pair id."""
INVERSE = "inverse_consistency_mm"
"""The only metric that needs another run: the run of the reversed pair."""
PART = 64
"""Number of runs whose scores are written together: the most that a crash can lose."""

STORED_COLUMNS = (*SCORE_COLUMNS, "pair_warning")
"""Columns on disk. The last one describes the pair, not a value; tables of older harnesses lack it."""
_SCHEMA = pa.schema(
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
_RUN = ("method", "condition", "repeat", "pair")
_ORDER = ["track", "condition", "repeat", "method", "pair", "preset", "settings", "metric", "source", "label"]


PART_SCHEMA = _SCHEMA.append(pa.field("answers", pa.string()))
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
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), PART_SCHEMA), buffer, compression="zstd")
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
        table = pq.read_table(io.BytesIO(raw))
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
        table = read_part(part, [*_RUN, "answers", "metric"])
        table = table.append_column("inverse", pc.equal(table["metric"], INVERSE))
        runs = table.group_by([*_RUN, "answers"]).aggregate([("inverse", "any")])
        columns = (runs.column(name).to_pylist() for name in (*_RUN, "answers", "inverse_any"))
        found += [ScoredRow(_key(run), answers, inverse) for *run, answers, inverse in zip(*columns, strict=True)]
    return found


def scored_runs(layout: Layout, preset: Preset, answers: Mapping[RunKey, str] = MappingProxyType({})) -> set[RunKey]:
    """The runs that have scores under this preset, its settings and this scorer. `answers`: the current ones, by run;
    scores of others are ignored. Raises DamagedFileError."""
    return runs_in(scored_rows(score_parts(layout, preset)), answers)


def runs_in(rows: Iterable[ScoredRow], answers: Mapping[RunKey, str], *, inverse: bool = False) -> set[RunKey]:
    """The runs of these rows whose scores belong to the current answers; with `inverse`, only those that have that one."""
    return {
        row.run for row in rows if (row.inverse or not inverse) and not _outdated(row.answers, answers.get(row.run, ""))
    }


def _key(run: Sequence[object]) -> RunKey:
    method, condition, repeat, pair = run
    return str(method), str(condition), int(str(repeat)), str(pair)


def _outdated(scored: str, now: str) -> bool:
    """Whether scores belong to answers other than the current ones; False if either is unknown."""
    pairs = zip(scored.split("+"), now.split("+"), strict=False)
    return any(old and new and old != new for old, new in pairs)


def score_parts(layout: Layout, preset: Preset) -> Iterator[Path]:
    """The complete parts of a preset; parts that are being written, or were left unfinished, begin with a dot."""
    return iter(sorted(layout.scores(preset.name, preset.settings).rglob("[!.]*.parquet")))


def assemble(
    layout: Layout,
    presets: Sequence[Preset],
    failed: Mapping[RunKey, Outcome],
    returned: Collection[RunKey] = (),
    answers: Mapping[RunKey, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Write scores.parquet, scores.tsv and their dictionary from the parts of these presets; gives the table.

    A failed run gets a row for every pair-level metric that the sentinels have on its pair, null, with its outcome as the
    reason; a run whose reversed pair was registered too (`returned`) and whose inverse consistency was not scored gets a
    null with the reason. The order of rows depends only on their content. Raises DamagedFileError.
    """
    tables = [read_part(part) for preset in presets for part in score_parts(layout, preset)]
    table = (
        pa.concat_tables(tables, promote_options="default").to_pandas()
        if tables
        else pd.DataFrame(columns=PART_SCHEMA.names)
    )
    table = _of_now(table, failed, answers).drop(columns="answers")
    more = [rows_of_failures(table, failed) if failed else None, _rows_without_inverse(table, returned, presets)]
    return write_tables(layout, pd.concat([table, *(rows for rows in more if rows is not None and len(rows))]))


def write_tables(layout: Layout, table: pd.DataFrame) -> pd.DataFrame:
    """Write scores.parquet, scores.tsv and their dictionary from rows in any order (STORED_COLUMNS); gives the table."""
    table = table.drop_duplicates(subset=_ORDER).sort_values(
        _ORDER, kind="stable", na_position="first", ignore_index=True
    )
    arrow = pa.Table.from_pandas(table, _SCHEMA, preserve_index=False)
    with written_aside(layout.score_table) as aside:
        pq.write_table(arrow, aside, compression="zstd")
    with written_aside(layout.score_tsv) as aside:
        table.astype({"label": "Int64"}).to_csv(aside, sep="\t", index=False, na_rep="n/a")
    write_text(layout.score_dictionary, json.dumps(DICTIONARY, indent=1) + "\n")
    list_files(layout, "scores", (layout.score_table, layout.score_tsv, layout.score_dictionary))
    return table


def _of_now(table: pd.DataFrame, failed: Collection[RunKey], answers: Mapping[RunKey, str]) -> pd.DataFrame:
    """The rows without those of answers that no longer exist, because their runs were executed again."""
    runs = table[[*_RUN, "answers"]].drop_duplicates()
    gone = [
        tuple(row)
        for row in runs.itertuples(index=False)
        if (key := _key(row[:4])) in failed or _outdated(row[4], answers.get(key, ""))
    ]
    if not gone:
        return table
    return table[~pd.MultiIndex.from_frame(table[[*_RUN, "answers"]]).isin(gone)]


def rows_of_failures(table: pd.DataFrame, failed: Mapping[RunKey, Outcome]) -> pd.DataFrame:
    """The null rows of failed runs: one for each pair-level row that doing nothing has on that pair."""
    sentinel = table[(table["method"] == "identity") & table["label"].isna()].drop(
        columns=["method", "repeat", "outcome"]
    )
    keys = pd.DataFrame(
        [(*key, outcome.value) for key, outcome in failed.items()],
        columns=["method", "condition", "repeat", "pair", "outcome"],
    )
    rows = keys.merge(sentinel, on=["condition", "pair"], how="inner")
    rows["value"] = float("nan")
    rows["undefined"] = "the run ended as " + rows["outcome"]
    return rows[list(STORED_COLUMNS)]


def _rows_without_inverse(table: pd.DataFrame, returned: Collection[RunKey], presets: Sequence[Preset]) -> pd.DataFrame:
    wanted = table[table["preset"].isin([preset.name for preset in presets if INVERSE in preset.metrics])]
    run = ["preset", "settings", "condition", "repeat", "method", "pair"]
    there = {tuple(key) for key in wanted.loc[wanted["metric"] == INVERSE, run].to_numpy()}
    first = wanted.drop_duplicates(subset=run)
    lost = [
        (method, condition, repeat, pair) in returned and (*how, condition, repeat, method, pair) not in there
        for *how, condition, repeat, method, pair in first[run].itertuples(index=False)
    ]
    missing = missing_row(
        INVERSE, "the reversed pair was registered after this one was scored, and its images are gone"
    )
    return first[lost].assign(**missing.model_dump())


DICTIONARY = {
    "track": {"Description": "the experiment"},
    "condition": {"Description": "the preparation; 'reference' is the track's own"},
    "repeat": {"Description": "0 for the first run of a pair"},
    "method": {
        "Description": "method or variant; 'identity' (nothing done) and 'affine' are scored by the harness itself"
    },
    "pair": {"Description": "id of the ordered pair, as in pairs.tsv"},
    "fixed": {"Description": "BIDS name of the fixed scan"},
    "moving": {"Description": "BIDS name of the moving scan"},
    "fixed_subject": {"Description": "subject label of the fixed scan"},
    "moving_subject": {"Description": "subject label of the moving scan"},
    "outcome": {"Description": "how the run ended", "Levels": {o.value: "" for o in Outcome}},
    "preset": {"Description": "the way of scoring"},
    "settings": {"Description": "hash of all that the preset means"},
    "scorer": {"Description": "version of the scorer"},
    "metric": {"Description": "defined in specs/metrics.md"},
    "source": {"Description": "label source; empty for metrics of the field and of landmarks"},
    "label": {"Description": "label value; below 0 a group of labels taken as one; n/a for values of the whole pair"},
    "name": {"Description": "name of the label or landmark"},
    "value": {"Description": "the value, in the unit of its row; n/a where it does not exist"},
    "unit": {"Description": "unit of the value"},
    "undefined": {"Description": "why there is no value, or what a mean leaves out"},
    "pair_warning": {"Description": "what is doubtful about the pair, whatever the method; empty where nothing is"},
}

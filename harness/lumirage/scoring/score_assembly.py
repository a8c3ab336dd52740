"""Makes the table of all scores from the parts on disk, in pieces, so that memory does not grow with the number of pairs.

The rows of all parts are first sorted into heaps on disk: those of one method under one condition and repeat, and of a range
of pairs in the order of their ids. Then heap after heap is read, completed, sorted and added to the table.
"""

import bisect
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lumirage.core.layout import Layout, aside_of
from lumirage.core.model import Outcome
from lumirage.scoring.presets import Preset
from lumirage.scoring.score_rows import missing_row
from lumirage.scoring.score_store import (
    INVERSE,
    PART_SCHEMA,
    RUN,
    TABLE_SCHEMA,
    RunKey,
    is_outdated,
    key_of,
    read_part,
    score_parts,
)
from lumirage.scoring.score_table import in_order, rows_of_failures, score_table

ROWS = 400_000
"""Rows held at once, about: 100 MB."""
NO_ANSWERS: Mapping[RunKey, str] = MappingProxyType({})


class Heap(NamedTuple):
    """Which rows a heap has; heaps are sorted as their rows are in the table."""

    track: str
    condition: str
    repeat: int
    method: str
    range: int
    """Of the ranges of pairs, by number."""


class Heaps:
    """Rows on disk, sorted into heaps."""

    def __init__(self, file: Path, bounds: Sequence[str]) -> None:
        self._file, self.bounds = file, bounds
        self._writer = pa.ipc.new_file(file, PART_SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4"))
        self._places: dict[Heap, list[int]] = defaultdict(list)
        self._batches = 0

    def range_of(self, pair: str) -> int:
        """The number of the range of pairs that this one belongs to."""
        return bisect.bisect_right(self.bounds, pair)

    def add(self, rows: pa.Table) -> None:
        """Put each row on its heap."""
        words = rows.select(["track", "condition", "repeat", "method", "pair"]).to_pandas(strings_to_categorical=True)
        for name in ("track", "condition", "method"):
            words[name] = (
                words[name].cat.add_categories([""] if "" not in words[name].cat.categories else []).fillna("")
            )
        pairs = words.pop("pair").cat
        words["range"] = np.array([self.range_of(pair) for pair in pairs.categories], dtype=np.int64)[pairs.codes]
        for key, places in words.groupby(list(words.columns), observed=True, sort=False).indices.items():
            track, condition, repeat, method, number = key
            self._write(Heap(track, condition, int(repeat), method, int(number)), rows.take(pa.array(places)))

    def _write(self, heap: Heap, rows: pa.Table) -> None:
        for batch in rows.combine_chunks().to_batches():
            self._writer.write_batch(batch)
            self._places[heap].append(self._batches)
            self._batches += 1

    @contextmanager
    def complete(self) -> Iterator["CompleteHeaps"]:
        """Them for reading, when all rows were added."""
        self._writer.close()
        with pa.OSFile(str(self._file)) as source:  # not mapped: its pages would count as memory
            yield CompleteHeaps(pa.ipc.open_file(source), self._places)


class CompleteHeaps:
    """All heaps, for reading one after the other."""

    def __init__(self, reader: pa.RecordBatchFileReader, places: Mapping[Heap, Sequence[int]]) -> None:
        self._reader, self._places = reader, places

    def __iter__(self) -> Iterator[Heap]:
        return iter(self._places)

    def rows(self, heap: Heap) -> pa.Table:
        """The rows of one, in the order in which they were added."""
        batches = [self._reader.get_batch(place) for place in self._places.get(heap, ())]
        return pa.Table.from_batches(batches, PART_SCHEMA)


def assemble(
    layout: Layout,
    presets: Sequence[Preset],
    failed: Mapping[RunKey, Outcome],
    returned: Collection[RunKey] = (),
    answers: Mapping[RunKey, str] = NO_ANSWERS,
    most_rows: int = ROWS,
) -> None:
    """Write scores.parquet, scores.tsv and their dictionary from the parts of these presets.

    A failed run gets a row for every pair-level metric that the sentinels have on its pair, null, with its outcome as the
    reason; a run whose reversed pair was registered too (`returned`) and whose inverse consistency was not scored gets a
    null with the reason. The order of rows depends only on their content. `most_rows`: about so many are held at once.
    Raises DamagedFileError.
    """
    parts = [part for preset in presets for part in score_parts(layout, preset)]
    with_inverse = [preset.name for preset in presets if INVERSE in preset.metrics]
    spill = aside_of(layout.score_table)
    try:
        heaps = Heaps(spill, _bounds(parts, most_rows))
        for rows in _some_at_a_time(parts, most_rows):
            heaps.add(_of_now(rows, failed, answers))
        with heaps.complete() as complete, score_table(layout) as table:
            lost = _failed_by_heap(complete, failed, heaps)
            for heap in sorted({*complete, *lost}):
                rows = complete.rows(heap)
                more = [_without_inverse(rows, returned, with_inverse)] if returned else []
                if heap in lost:
                    more.append(_failures(complete.rows(_nothing_of(heap)), lost[heap]))
                table.add(in_order(pa.concat_tables([rows.drop_columns("answers"), *more])))
    finally:
        spill.unlink(missing_ok=True)


def _bounds(parts: Iterable[Path], most_rows: int) -> list[str]:
    """The first pairs of all ranges but the first; each range has at most so many rows, or one pair."""
    counts: Counter[str] = Counter()
    for part in parts:
        for found in pc.value_counts(read_part(part, ["pair"])["pair"]).to_pylist():
            counts[found["values"]] += found["counts"]
    bounds, rows = [], 0
    for pair in sorted(counts):
        rows += counts[pair]
        if rows > most_rows and rows > counts[pair]:
            bounds.append(pair)
            rows = counts[pair]
    return bounds


def _some_at_a_time(parts: Iterable[Path], most_rows: int) -> Iterator[pa.Table]:
    """The rows of the parts in their order, those of some parts together."""
    some: list[pa.Table] = []
    for part in parts:
        some.append(read_part(part))
        if sum(map(len, some)) >= most_rows:
            yield _together(some)
            some = []
    if some:
        yield _together(some)


def _together(some: Sequence[pa.Table]) -> pa.Table:
    """As one table; older parts lack columns."""
    return pa.concat_tables([PART_SCHEMA.empty_table(), *some], promote_options="default").select(PART_SCHEMA.names)


def _of_now(rows: pa.Table, failed: Collection[RunKey], answers: Mapping[RunKey, str]) -> pa.Table:
    """The rows without those of answers that no longer exist, because their runs were executed again."""
    key = [*RUN, "answers"]
    runs = rows.group_by(key).aggregate([]).select(key).to_pylist()
    gone = [
        tuple(run.values())
        for run in runs
        if (at := key_of([run[name] for name in RUN])) in failed or is_outdated(run["answers"], answers.get(at, ""))
    ]
    if not gone:
        return rows
    there = pd.MultiIndex.from_frame(rows.select(key).to_pandas())
    return rows.filter(pa.array(~there.isin(gone)))


def _nothing_of(heap: Heap) -> Heap:
    """The heap with the scores of doing nothing on the same pairs."""
    return heap._replace(repeat=0, method="identity")


def _failed_by_heap(
    heaps: Iterable[Heap], failed: Mapping[RunKey, Outcome], ranges: Heaps
) -> dict[Heap, dict[RunKey, Outcome]]:
    """The failed runs, by the heap that their rows belong to; those without a sentinel have none."""
    tracks: dict[tuple[str, int], list[str]] = defaultdict(list)
    for heap in heaps:
        if heap == _nothing_of(heap):
            tracks[heap.condition, heap.range].append(heap.track)
    found: dict[Heap, dict[RunKey, Outcome]] = defaultdict(dict)
    for (method, condition, repeat, pair), outcome in failed.items():
        number = ranges.range_of(pair)
        for track in tracks[condition, number]:
            found[Heap(track, condition, repeat, method, number)][method, condition, repeat, pair] = outcome
    return found


def _failures(nothing: pa.Table, failed: Mapping[RunKey, Outcome]) -> pa.Table:
    pairs = pa.array([pair for *_, pair in failed], pa.string())
    sentinel = nothing.filter(pc.is_null(nothing["label"])).filter(pc.field("pair").isin(pairs))
    return pa.Table.from_pandas(rows_of_failures(sentinel.to_pandas(), failed), TABLE_SCHEMA, preserve_index=False)


def _without_inverse(rows: pa.Table, returned: Collection[RunKey], presets: Sequence[str]) -> pa.Table:
    """A row without a value for each run that should have an inverse consistency and has none."""
    run = ["preset", "settings", *RUN]
    frame = rows.select([*run, "metric"]).to_pandas(strings_to_categorical=True)
    frame = frame[frame["preset"].isin(presets)]
    first = frame.drop_duplicates(run)
    there = {tuple(key) for key in frame.loc[frame["metric"] == INVERSE, run].astype(object).to_numpy()}
    lost = [
        key_of(own) in returned and (preset, settings, *own) not in there
        for preset, settings, *own in first[run].astype(object).itertuples(index=False)
    ]
    missing = missing_row(
        INVERSE, "the reversed pair was registered after this one was scored, and its images are gone"
    )
    made = rows.take(pa.array(first.index[lost].to_numpy())).to_pandas().assign(**missing.model_dump())
    return pa.Table.from_pandas(made, TABLE_SCHEMA, preserve_index=False)

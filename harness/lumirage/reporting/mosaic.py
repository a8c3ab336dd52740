"""Makes the mosaic: one small picture of every moved image with outlines, the worst pairs first, as far as the time goes.

Pictures are kept from report to report under names that hold the answer's checksum, so that each `report` makes more of
them, and an answer that changed gets a new one. The page reads their list only when the mosaic is opened, and loads a picture
only when it is scrolled to.
"""

import json
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from lumirage.core.errors import DataError
from lumirage.core.layout import Layout, write_text, written_aside
from lumirage.core.model import Pair
from lumirage.core.space import Array, Single
from lumirage.core.stored_images import read_stored_displacement
from lumirage.reporting.image_planes import Cut
from lumirage.reporting.pair_panels import planes_of
from lumirage.reporting.pair_pictures import PairImages, Result, fixed_labels, inverse, moved_labels, read_pair_images
from lumirage.reporting.report_inputs import Inputs, files_of, read_run
from lumirage.reporting.report_problems import ReportProblems
from lumirage.reporting.slice_pictures import png_file

FOLDER = "mosaic"
INDEX = "index.js"
"""The list of pictures in that folder, a script, because a local page may not fetch files."""

PIXELS = 192
"""About the longer side of a picture."""

FIXED_COLOR = (0.35, 0.76, 0.84)
MOVED_COLOR = (1.0, 0.71, 0.28)


@dataclass(frozen=True)
class Tile:
    """The picture of one method on one pair, both by index, and the name of its file."""

    method: int
    pair: int
    file: str


@dataclass(frozen=True)
class Effort:
    """How much a report does for pictures that are not there yet."""

    seconds: float = 30.0
    """About so long; infinite for all of them."""
    workers: int = 1
    """Processes; each holds the images of a pair, and a field."""


@dataclass(frozen=True)
class _Missing:
    """The pictures of one pair that are to be made: run record and path of each."""

    layout: Layout
    pair: Pair
    prepared: str
    pictures: tuple[tuple[Path, Path], ...]


def make_mosaic(
    inputs: Inputs,
    folder: Path,
    effort: Effort,
    problems: ReportProblems,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Tile]:
    """The tiles that exist after this effort; those of answers that are gone are removed. Also writes their list."""
    end = time.monotonic() + effort.seconds
    folder.mkdir(parents=True, exist_ok=True)
    wanted = list(_worst_first(inputs))
    there = {path.name for path in folder.glob("*.png")}
    todo = list(_missing(inputs, folder, [row for row in wanted if row[0].file not in there]))
    for done, (pair, why) in enumerate(_made(todo, end, effort.workers), start=1):
        on_progress(done, len(todo))
        for reason in why:
            problems.attempt(f"mosaic of {pair}", partial(_raise, reason), lambda _: None)
    there = {path.name for path in folder.glob("*.png")}
    found = [tile for tile, _, _ in wanted if tile.file in there]
    for stale in there - {tile.file for tile in found}:
        (folder / stale).unlink()
    write_text(folder / INDEX, _index(inputs, found))
    return found


def _raise(why: str) -> None:
    raise DataError(why)


def _index(inputs: Inputs, tiles: Sequence[Tile]) -> str:
    """For each method by index the pairs by index and the names of their files, without what is the same in all."""
    pairs = list(inputs.pairs)
    held: dict[int, list[list[int | str]]] = {}
    for tile in tiles:
        start = f"{inputs.methods[tile.method]}_{pairs[tile.pair]}_"
        held.setdefault(tile.method, []).append([tile.pair, tile.file.removeprefix(start).removesuffix(".png")])
    return f"window.LUMIRAGE_MOSAIC = {json.dumps(held, separators=(',', ':'))};\n"


def _missing(inputs: Inputs, folder: Path, rows: Sequence[tuple[Tile, Path, str]]) -> Iterator[_Missing]:
    """By pair, whose images are read once, in the order of the rows."""
    pairs = list(inputs.pairs.values())
    for k, of_pair in groupby(rows, key=lambda row: row[0].pair):
        mine = list(of_pair)
        pictures = tuple((record, folder / tile.file) for tile, record, _ in mine)
        yield _Missing(inputs.layout, pairs[k], mine[0][2], pictures)


def _made(todo: Sequence[_Missing], end: float, workers: int) -> Iterator[tuple[str, list[str]]]:
    """Each pair when its pictures are made, as far as the time goes, and what could not be made."""
    if workers == 1 or not math.isinf(end):
        for missing in todo:
            if time.monotonic() > end:
                return
            yield missing.pair.id, _make(missing, end)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            yield from zip((of.pair.id for of in todo), pool.map(_make, todo), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _make(missing: _Missing, end: float = math.inf) -> list[str]:
    """Make the pictures of a pair; gives the reasons for those that could not be made."""
    try:
        images = read_pair_images(missing.layout, missing.pair, missing.prepared)
    except (DataError, OSError):
        return []  # work was deleted: the page says how many pictures there are
    problems = ReportProblems()
    for record, path in missing.pictures:
        if time.monotonic() <= end:
            problems.attempt(path.name, partial(_write, images, record, path), lambda _: None)
    return problems.told


def _worst_first(inputs: Inputs) -> Iterator[tuple[Tile, Path, str]]:
    """Every answer under the first condition, pair by pair, the pair with the worst value of any method first."""
    condition, measure = inputs.conditions[0], inputs.measures[0]
    values = inputs.matrix(measure, condition) * (1 if measure.higher_is_better else -1)
    competing = [i for i, m in enumerate(inputs.methods) if m not in inputs.references]
    worst = np.where(np.isfinite(values[competing]), values[competing], np.inf).min(axis=0, initial=np.inf)
    place = {pair: k for k, pair in enumerate(inputs.pairs)}
    well = inputs.well(condition).sort_values("repeat").drop_duplicates(["method", "pair"])
    known = well[well["pair"].isin(list(place)) & well["method"].isin(inputs.methods)]
    rows = [
        (place[p], m, Path(record), sum_, prepared)
        for p, m, record, sum_, prepared in known[["pair", "method", "record", "field_sum", "prepared"]].itertuples(
            index=False, name=None
        )
    ]
    pairs = list(inputs.pairs)
    for k, method, record, sum_, prepared in sorted(rows, key=lambda row: (worst[row[0]], row[0], row[1])):
        file = f"{method}_{pairs[k]}_{sum_[-12:] or 'unsummed'}.png"
        yield Tile(inputs.methods.index(method), k, file), record, prepared


def _write(images: PairImages, record: Path, path: Path) -> None:
    run = read_run(record)
    u = images.turn(
        read_stored_displacement(files_of(record).field, images.prepared.grid, run.checksums.get("field", "")).u
    )
    cut = planes_of(images).cuts[0]
    with written_aside(path) as aside:
        aside.write_bytes(png_file(tile_picture(images, u, cut)))


def tile_picture(images: PairImages, u: Single, cut: Cut) -> Array:
    """The moved image in a plane, rows x columns x RGB of 0..1, with the outlines of fixed and moved labels."""
    shift = cut.take(u) @ inverse(images.affine)[:3, :3].T
    moved = map_coordinates(images.moving, np.moveaxis(_plane_index(cut) + shift, -1, 0), order=1, mode="constant")
    rgb = np.repeat(_scaled(cut, np.clip(moved, 0, 1))[..., None], 3, axis=-1)
    if images.source:
        result = Result("", u, images.moving)
        layers = ((fixed_labels(images, cut), FIXED_COLOR), (moved_labels(images, result, cut), MOVED_COLOR))
        for labels, color in layers:
            rgb[_edges(_scaled(cut, labels))] = color
    return rgb


def _scaled(cut: Cut, plane: Array) -> Array:
    """The shown window of a plane, thinned or repeated by a whole factor to about `PIXELS`, so that outlines are thin."""
    left, top, columns, rows = cut.window
    shown = cut.picture(plane)[top : top + rows, left : left + columns]
    step = max(1, int(np.ceil(max(rows, columns) / PIXELS)))
    times = max(1, PIXELS // max(rows, columns, 1))
    return shown[::step, ::step].repeat(times, axis=0).repeat(times, axis=1)


def _plane_index(cut: Cut) -> Array:
    """Indices (A, B, 3) of the plane's voxels."""
    index = np.full((*cut.size, 3), float(cut.index))
    index[..., cut.axes[0]], index[..., cut.axes[1]] = np.indices(cut.size)
    return index


def _edges(labels: Array) -> Array:
    """Pixels of a label whose neighbour at the right or below has another one."""
    edges = np.zeros(labels.shape, dtype=np.bool_)
    edges[:-1] |= labels[:-1] != labels[1:]
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return edges

"""Makes the mosaic: one small picture of every moved image with outlines, the worst pairs first, as far as the time goes.

Pictures are kept from report to report under names that hold the answer's checksum, so that each `report` makes more of
them, and an answer that changed gets a new one. The page loads them only when they are scrolled to.
"""

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from scipy.ndimage import map_coordinates

from lumirage.core.errors import DataError
from lumirage.core.layout import written_aside
from lumirage.core.space import Array, Single
from lumirage.core.stored_images import read_stored_displacement
from lumirage.reporting.image_planes import Cut
from lumirage.reporting.pair_panels import planes_of
from lumirage.reporting.pair_pictures import PairImages, Result, fixed_labels, inverse, moved_labels, read_pair_images
from lumirage.reporting.report_inputs import Inputs, files_of, read_run
from lumirage.reporting.report_problems import ReportProblems

FOLDER = "mosaic"
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


def make_mosaic(inputs: Inputs, folder: Path, seconds: float, problems: ReportProblems) -> list[Tile]:
    """The tiles that exist after at most about so many seconds; those of answers that are gone are removed."""
    end = time.monotonic() + seconds
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Tile] = []
    images: dict[str, PairImages | None] = {}
    for wanted, record, prepared in _worst_first(inputs):
        path = folder / wanted.file
        if not path.is_file():
            if time.monotonic() > end:
                continue
            pair = list(inputs.pairs)[wanted.pair]
            if pair not in images:
                images = {pair: _images(inputs, pair, prepared)}
            of = images[pair]
            if of is None or not problems.attempt(
                f"mosaic of {pair}", partial(_write, of, record, path), lambda _: False
            ):
                continue
        found.append(wanted)
    for stale in {path.name for path in folder.glob("*.png")} - {tile.file for tile in found}:
        (folder / stale).unlink()
    return found


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
        (place[p], m, Path(r)) for p, m, r in known[["pair", "method", "record"]].itertuples(index=False, name=None)
    ]
    for k, method, record in sorted(rows, key=lambda row: (worst[row[0]], row[0], row[1])):
        run = read_run(record)
        sum_ = run.checksums.get("field", "")[-12:] or "unsummed"
        yield Tile(inputs.methods.index(method), k, f"{method}_{run.pair}_{sum_}.png"), record, run.prepared


def _images(inputs: Inputs, pair: str, prepared: str) -> PairImages | None:
    try:
        return read_pair_images(inputs.layout, inputs.pairs[pair], prepared)
    except (DataError, OSError):
        return None  # work was deleted: the page says how many pictures there are


def _write(images: PairImages, record: Path, path: Path) -> bool:
    run = read_run(record)
    u = images.turn(
        read_stored_displacement(files_of(record).field, images.prepared.grid, run.checksums.get("field", "")).u
    )
    cut = planes_of(images).cuts[0]
    held = io.BytesIO()
    imsave(held, tile_picture(images, u, cut), format="png", pil_kwargs={"optimize": True})
    with written_aside(path) as aside:
        aside.write_bytes(held.getvalue())
    return True


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

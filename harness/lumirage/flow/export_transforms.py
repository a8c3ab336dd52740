"""Answers of an evaluation as transform files for other tools: `lumirage-harness export transforms OUT`."""

from pathlib import Path

import numpy as np

from lumirage.core.errors import DataError, UsageError, nearest
from lumirage.core.layout import Layout, write_text
from lumirage.core.model import Outcome
from lumirage.core.screen import Screen
from lumirage.core.space import read_grid
from lumirage.core.stored_images import read_stored_displacement
from lumirage.flow.job_inputs import InputPreparer
from lumirage.flow.stored_evaluation import load_evaluation, load_runs
from lumirage.reporting.transform_files import FORMATS, HOW, FoundMap

_README = """{name}, track {track}: what the methods found, for {fmt}.

One folder a method; files are named as the answers in OUT are. {how}
A map takes a point of the fixed image's world to the moving image's, so it resamples the moving image onto the fixed one,
labels too (nearest neighbour). Outside of the working grid a deformation says nothing.
"""


def export_transforms(layout: Layout, fmt: str, target: Path, screen: Screen, *, apart: bool) -> list[Path]:
    """Write the transform of every successful run into the folder `target`. Gives the files.

    Raises UsageError for an unknown format, DataError if there is nothing to export.
    """
    if fmt not in FORMATS:
        raise UsageError(f"unknown format of transforms '{fmt}'{nearest(fmt, FORMATS)}")
    evaluation = load_evaluation(layout)
    pairs = {pair.id: pair for pair in evaluation.pairs}
    runs = load_runs(layout, evaluation)
    good = [key for key, run in runs.items() if run.outcome is Outcome.OK]
    if not good:
        raise DataError(f"{layout.root}: no run has succeeded, so there is no transform to export")
    inputs, written = InputPreparer(layout, evaluation), []
    for done, (method, condition, repeat, pair_id) in enumerate(sorted(good)):
        screen.progress("export", done, len(good))
        pair = evaluation.under(pairs[pair_id], condition)
        prepared = inputs.for_pair(pair_id, condition).prepared
        field = layout.run_files(method, pair, condition, repeat).field
        found = FoundMap(
            np.array(prepared.affine),
            read_stored_displacement(
                field, prepared.grid, runs[method, condition, repeat, pair_id].checksums.get("field", "")
            ),
            read_grid(pair.fixed.image),
            read_grid(pair.moving.image),
        )
        written += FORMATS[fmt](found, target / method / field.stem, apart)
    screen.progress("export", len(good), len(good))
    how = _README.format(name=evaluation.dataset_name, track=evaluation.track.name, fmt=fmt, how=HOW[fmt])
    write_text(target / "README.txt", how)
    return written

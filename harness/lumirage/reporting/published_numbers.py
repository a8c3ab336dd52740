"""Tabulates published numbers beside those measured here, on a challenge's tracks, with the differences in words."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lumirage.core.layout import shipped
from lumirage.reporting.axes import NONE, short
from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.policy_means import filled_means
from lumirage.reporting.report_inputs import Inputs

CHALLENGE = "LUMIR"
"""A track belongs to the challenge if one of its `datasets` begins with this."""

SAME = ""
"""The text if nothing differs."""


@dataclass(frozen=True)
class Quantity:
    """A published quantity, and our corresponding metrics: the first that was scored, and how it differs."""

    column: str
    title: str
    metrics: tuple[tuple[str, str], ...]


DICE = (
    "Published Dice counts the background as a label and pulls labels on the working grid, where what leaves the volume "
    "becomes background; ours is without background, from native labels."
)
TRE = "Published TRE is between centroids of warped landmark volumes, in voxels; ours is of points, in millimetres."
HD95 = (
    "Published HD95 is in voxels and counts the background; ours is in millimetres, without it, and a label that the "
    "warp lost costs a penalty."
)
NDV_FIXED = "Published NDV is where the moving image is above 0; ours, as in LUMIR 2025, where the fixed image is."
NDV_MASK = "Published NDV is where the moving image is above 0; ours is in the mask of the fixed image."

QUANTITIES = (
    Quantity("dice", "Dice", (("dice_lumir", SAME), ("dice_nearest_fg", DICE))),
    Quantity("tre", "TRE", (("tre_vox_lumir", SAME), ("tre_mm_linear", TRE))),
    Quantity("hd95", "HD95", (("hd95_vox_lumir", SAME), ("hd95_mm", HD95))),
    Quantity(
        "ndv_percent",
        "NDV, %",
        (("ndv_percent_lumir24", SAME), ("ndv_percent_lumir25", NDV_FIXED), ("ndv_percent", NDV_MASK)),
    ),
)


@dataclass(frozen=True)
class Result:
    """One published row, as printed, and our corresponding methods."""

    source: str
    set: str
    method: str
    values: dict[str, str]
    """Values by quantity, as published text."""
    dice_sd: str
    ours: tuple[str, ...]


@dataclass(frozen=True)
class Ours:
    """One method as measured here, in the order of QUANTITIES."""

    method: str
    about: str
    """Version, whether its weights are random, and its training data."""
    values: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """The table: published rows, each followed by its counterparts here."""

    rows: tuple[tuple[Result, tuple[Ours, ...]], ...]
    quantities: tuple[Quantity, ...]
    metrics: tuple[str, ...]
    """Our metrics, in the order of the quantities; an en dash if none was scored."""
    differences: tuple[str, ...]
    """The differences in words, in the same order; empty if the definitions agree."""
    source: str
    on_its_data: bool
    """Whether the measured dataset has the name of the challenge's."""


def is_for_challenge(datasets: Iterable[str]) -> bool:
    """Whether a track was made for the challenge's data."""
    return any(name.upper().startswith(CHALLENGE) for name in datasets)


def published_of(inputs: Inputs) -> Published | None:
    """The table for this evaluation; None if its track does not belong to the challenge."""
    if not is_for_challenge(inputs.evaluation.track.datasets):
        return None
    results = read_published(shipped("specs") / "published" / "lumir24.tsv")
    chosen = [_metric(inputs, quantity) for quantity in QUANTITIES]
    rows = tuple(
        (result, tuple(_ours(inputs, chosen, m) for m in inputs.methods if _stands_for(m, result)))
        for result in results
    )
    return Published(
        rows=rows,
        quantities=QUANTITIES,
        metrics=tuple(_named(measure) if measure else NONE for measure, _ in chosen),
        differences=tuple(told for _, told in chosen),
        source=", ".join(dict.fromkeys(result.source for result in results)),
        on_its_data=CHALLENGE in inputs.evaluation.dataset_name.upper().replace("LUMIRAGE", ""),
    )


def read_published(path: Path) -> list[Result]:
    """The rows of a table of published numbers, in its order."""
    with path.open(newline="", encoding="utf-8") as handle:
        return [
            Result(
                source=row["source"],
                set=row["set"],
                method=row["method"],
                values={quantity.column: row[quantity.column] for quantity in QUANTITIES},
                dice_sd=row["dice_sd"],
                ours=tuple(filter(None, row["ours"].split(","))),
            )
            for row in csv.DictReader(handle, delimiter="\t")
        ]


def _stands_for(method: str, result: Result) -> bool:
    return method.lower() in {name.lower() for name in result.ours}


def _named(measure: Measure) -> str:
    """The name with the label source used, even if there is only one."""
    told = not measure.source or measure.source in measure.title
    return measure.title if told else f"{measure.title} (labels: {measure.source})"


def _metric(inputs: Inputs, quantity: Quantity) -> tuple[Measure | None, str]:
    """The counterpart of a published quantity here, and how it differs."""
    for name, told in quantity.metrics:
        for measure in inputs.measures:
            if measure.metric == name and np.isfinite(inputs.matrix(measure, inputs.conditions[0])).any():
                return measure, told
    return None, SAME


def _ours(inputs: Inputs, chosen: Sequence[tuple[Measure | None, str]], method: str) -> Ours:
    condition = inputs.conditions[0]
    values = (short(filled_means(inputs, measure, condition)[method], 4) if measure else NONE for measure, _ in chosen)
    use = inputs.evaluation.methods.get(method)
    told = [use.card.version] if use else []
    told += ["random weights"] if use and use.card.untrained else []
    told += [f"trained on {', '.join(use.card.trained_on)}"] if use and use.card.trained_on else []
    return Ours(method, "; ".join(told), tuple(values))

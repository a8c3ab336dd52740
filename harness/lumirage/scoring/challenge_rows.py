"""A challenge's own numbers of one answer as rows of scores, so that they are compared and ranked like all others."""

import math
from collections.abc import Iterator

from lumirage.core.metrics import METRICS
from lumirage.core.model import Outcome
from lumirage.scoring.challenge_submission import PairResult
from lumirage.scoring.challenge_truth import Method
from lumirage.scoring.presets import SCORER_VERSION, preset_named

REFERENCE = "reference"
"""The condition of pairs that belong to no track of the 2025 challenge."""


def metric_name(method: Method, preset: str) -> str:
    """The name in scores.tsv of an entry of evaluation_methods."""
    points = "tre_mm_cubic_l2r" if preset == "learn2reg" else "tre_vox_lumir"
    folded = "ndv_percent_lumir24" if preset == "lumir24" else "ndv_percent_lumir25"
    names = {"dice": "dice_lumir", "hd95": "hd95_vox_lumir", "tre": points, "ndv": folded, "sdlogj": "sdlogj_offset3"}
    return names[method.metric]


def rows_of_result(result: PairResult, preset: str, method: str, track: str) -> list[dict[str, object]]:
    """The rows of one pair under one configuration, columns STORED_COLUMNS; none without numbers.

    `method` and `track` are what the rows are to be called. The condition is the challenge's track (ID, OOD, MM).
    """
    fixed, moving = result.pair.key.split("<--")
    common = {
        "track": track, "condition": result.truth.track or REFERENCE, "repeat": 0, "method": method,
        "pair": result.pair.key, "fixed": fixed, "moving": moving,
        "fixed_subject": fixed.rsplit("_", 1)[0], "moving_subject": moving.rsplit("_", 1)[0],
        "outcome": Outcome.OK.value, "preset": preset, "settings": preset_named(preset).settings,
        "scorer": SCORER_VERSION, "name": "", "n": None, "note": "", "pair_warning": "",
    }  # fmt: skip
    found = [m for m in result.truth.configuration.evaluation_methods if m.name in result.numbers]
    return [common | row for entry in found for row in _rows(entry, result, preset)]


def _rows(entry: Method, result: PairResult, preset: str) -> Iterator[dict[str, object]]:
    name, numbers = metric_name(entry, preset), result.numbers[entry.name]
    source = {"dice": "labels", "hd95": "labels", "tre": entry.dest}.get(entry.metric, "")
    common = {"metric": name, "unit": METRICS[name].unit, "source": source}
    yield common | {"label": None} | _value(numbers["mean"], "the official mean")
    if entry.metric in ("dice", "hd95"):
        for label, value in zip(entry.labels, numbers["detailed"], strict=True):
            yield common | {"label": label} | _value(value, "the official value")


def _value(value: float, what: str) -> dict[str, object]:
    """Never NaN or infinite: then null, and the reason."""
    if math.isfinite(value):
        return {"value": float(value), "undefined": ""}
    return {"value": None, "undefined": f"{what} is {'infinite' if math.isinf(value) else 'not a number'}"}

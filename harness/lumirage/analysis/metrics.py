"""What is good in a metric: which way is better, and whether it speaks of accuracy or of regularity."""

from typing import Literal

Direction = Literal[1, 0, -1]
"""1: higher is better; -1: lower is better; 0: descriptive, neither."""

METRIC_DIRECTIONS: dict[str, Direction] = {
    "dice": 1,
    "jaccard": 1,
    "nsd": 1,
    "hd": -1,
    "msd": -1,
    "tre": -1,
    "displacement_error": -1,
    "ndv": -1,
    "non_diffeo": -1,
    "det_le0": -1,
    "sdlogj": -1,
    "inverse_consistency": -1,
    "ncc": 1,
    "mi_": 1,
}
"""Beginning of a metric's name -> direction; the longest beginning that fits counts."""

REGULARITY = ("ndv", "non_diffeo", "det_", "sdlogj")
"""Beginnings of the metrics that judge the field alone. Doing nothing is perfect in them: a gate, never a reward."""

NOT_ACCURACY = ("inverse_consistency", "ncc", "mi_")
"""Beginnings of the metrics that are not a measure of accuracy, and are not ranked."""


def direction(metric: str) -> Direction:
    """Which way is better; 0 for a metric that nobody gave a direction."""
    name = metric.lower() + "_"
    fitting = [start for start in METRIC_DIRECTIONS if name.startswith(start)]
    return METRIC_DIRECTIONS[max(fitting, key=len)] if fitting else 0


def is_regularity(metric: str) -> bool:
    """Whether the metric judges the field alone, so that doing nothing would win."""
    return metric.lower().startswith(REGULARITY)


def is_ranked(metric: str) -> bool:
    """Whether methods are ranked by it: it has a direction and speaks of accuracy."""
    return direction(metric) != 0 and not is_regularity(metric) and not f"{metric.lower()}_".startswith(NOT_ACCURACY)

"""The page of metrics says what the code does."""

import os
from pathlib import Path

from lumirage.core.metrics import METRICS
from lumirage.scoring.metric_page import metrics_page
from lumirage.scoring.pair_scores import FIELD_METRICS, LABEL_METRICS, LANDMARK_METRICS
from lumirage.scoring.presets import PRESETS

PAGE = Path(__file__).parents[3] / "specs" / "metrics.md"


def test_the_page_is_made_from_the_registry() -> None:
    """Made again with LUMIRAGE_REMAKE=1."""
    if os.environ.get("LUMIRAGE_REMAKE") == "1":
        PAGE.write_text(metrics_page())
    assert PAGE.read_text() == metrics_page()


def test_every_metric_is_measured_and_every_preset_names_metrics_that_are() -> None:
    assert METRICS.keys() == LABEL_METRICS.keys() | LANDMARK_METRICS.keys() | FIELD_METRICS.keys()
    assert {name for preset in PRESETS.values() for name in preset.metrics} == METRICS.keys()
    assert {name for metric in METRICS.values() for name in metric.presets} == PRESETS.keys()
    assert {n for n, m in METRICS.items() if m.of == "label"} == LABEL_METRICS.keys()
    assert {n for n, m in METRICS.items() if m.of == "landmark"} == LANDMARK_METRICS.keys()

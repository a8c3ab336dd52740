"""Parts of the scores on disk."""

from pathlib import Path

from lumirage.layout import Layout, written_aside
from lumirage.model import SCORE_COLUMNS
from lumirage.scoring.presets import preset_named
from lumirage.scoring.store import add_part, scored_runs

ROW = dict.fromkeys(SCORE_COLUMNS) | {"method": "m", "condition": "c", "repeat": 0, "pair": "p", "metric": "x"}


def test_a_part_that_is_being_written_is_not_read(tmp_path: Path):
    layout, preset = Layout(tmp_path), preset_named("strict")
    add_part(layout, preset, "m", [ROW])
    (part,) = layout.scores(preset.name, preset.settings).rglob("*.parquet")
    with written_aside(part.with_name("other.parquet")) as aside:
        aside.write_bytes(part.read_bytes()[:100])
        assert scored_runs(layout, preset) == {("m", "c", 0, "p")}

"""Parts of the scores on disk."""

from pathlib import Path

from lumirage.core.layout import Layout, written_aside
from lumirage.core.model import SCORE_COLUMNS
from lumirage.scoring.presets import preset_named
from lumirage.scoring.score_store import INVERSE, add_part, assemble, scored_runs

ROW = dict.fromkeys(SCORE_COLUMNS) | {"method": "m", "condition": "c", "repeat": 0, "pair": "p", "metric": "x"}


def test_a_part_that_is_being_written_is_not_read(tmp_path: Path):
    layout, preset = Layout(tmp_path), preset_named("strict")
    add_part(layout, preset, "m", [ROW])
    (part,) = layout.scores(preset.name, preset.settings).rglob("*.parquet")
    with written_aside(part.with_name("other.parquet")) as aside:
        aside.write_bytes(part.read_bytes()[:100])
        assert scored_runs(layout, preset) == {("m", "c", 0, "p")}


def test_a_run_whose_inverse_could_not_be_scored_says_so(tmp_path: Path):
    layout, preset = Layout(tmp_path), preset_named("strict")
    whole = ROW | {"track": "t", "preset": preset.name, "settings": preset.settings, "metric": "sdlogj", "value": 0.5}
    add_part(layout, preset, "m", [whole, whole | {"pair": "q"}, whole | {"pair": "q", "metric": INVERSE}])
    runs = [("m", "c", 0, "p"), ("m", "c", 0, "q")]
    table = assemble(layout, [preset], {}, runs).set_index(["metric", "pair"])
    assert table.loc[(INVERSE, "p"), "unit"] == "mm"
    assert table.loc[(INVERSE, "p"), "undefined"].startswith("the reversed pair was registered after")
    assert table.loc[("sdlogj", "p"), "value"] == 0.5
    assert INVERSE in assemble(layout, [preset], {}, runs[1:])["metric"].to_numpy()
    assert len(assemble(layout, [preset], {}, runs[1:])) == len(table) - 1

"""Parts of the scores on disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lumirage.core.errors import DamagedFileError
from lumirage.core.layout import Layout, written_aside
from lumirage.core.model import SCORE_COLUMNS, Outcome
from lumirage.scoring.presets import preset_named
from lumirage.scoring.score_store import INVERSE, add_part, assemble, scored_runs

RUN = {"method": "m", "condition": "c", "repeat": 0, "pair": "p"}
ROW = dict.fromkeys(SCORE_COLUMNS) | RUN | {"metric": "x", "answers": ""}


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


@pytest.mark.parametrize(
    ("scored", "now", "counts"),
    [("a", "a", True), ("a", "b", False), ("a", "", True), ("", "a", True), ("a+b", "a+b", True), ("a+b", "a+c", False),
     ("a", "a+b", True), ("a+b", "a", True)],
)  # fmt: skip
def test_scores_of_an_answer_that_is_not_there_any_more_do_not_count(
    tmp_path: Path, scored: str, now: str, counts: bool
):
    layout, preset = Layout(tmp_path), preset_named("strict")
    whole = ROW | {"track": "t", "preset": preset.name, "settings": preset.settings, "metric": "sdlogj", "value": 0.5}
    add_part(layout, preset, "m", [whole | {"answers": scored}])
    key = ("m", "c", 0, "p")
    assert scored_runs(layout, preset, answers={key: now}) == ({key} if counts else set())
    assert len(assemble(layout, [preset], {}, (), {key: now})) == counts
    assert "answers" not in assemble(layout, [preset], {})
    assert not len(assemble(layout, [preset], {key: Outcome.CRASHED})), "a run that failed has no answer"


@pytest.mark.parametrize("spoil", [lambda raw: raw[:-9], lambda raw: b"", lambda raw: raw[:200] + b"x" + raw[201:]])
@pytest.mark.parametrize("named", [True, False])
def test_a_damaged_part_is_named(tmp_path: Path, spoil: Callable[[bytes], bytes], named: bool):
    layout, preset = Layout(tmp_path), preset_named("strict")
    add_part(layout, preset, "m", [ROW])
    (part,) = layout.scores(preset.name, preset.settings).rglob("*.parquet")
    if not named:  # as an older harness did: what can be read of it is believed
        part = part.rename(part.with_name("0123456789abcdef0123456789abcdef.parquet"))
        assert scored_runs(layout, preset) == {("m", "c", 0, "p")}
    part.write_bytes(spoil(part.read_bytes()))
    if named or len(part.read_bytes()) < 300:
        with pytest.raises(DamagedFileError) as told:
            scored_runs(layout, preset)
        assert told.value.path == part

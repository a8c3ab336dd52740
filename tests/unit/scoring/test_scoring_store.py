"""Parts of the scores on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lumirage.core.errors import DamagedFileError
from lumirage.core.layout import Layout, written_aside
from lumirage.core.model import SCORE_COLUMNS, Outcome
from lumirage.scoring.presets import preset_named
from lumirage.scoring.score_assembly import assemble
from lumirage.scoring.score_store import INVERSE, RunKey, add_part, scored_runs

RUN = {"method": "m", "condition": "c", "repeat": 0, "pair": "p"}
ROW = dict.fromkeys(SCORE_COLUMNS) | RUN | {"metric": "x", "answers": ""}


def assembled(layout: Layout, *made_from: Any, **settings: Any) -> pd.DataFrame:
    """The table of all scores, as it is on disk."""
    assemble(layout, [preset_named("strict")], *made_from, **settings)
    return pd.read_parquet(layout.score_table)


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
    table = assembled(layout, {}, runs).set_index(["metric", "pair"])
    assert table.loc[(INVERSE, "p"), "unit"] == "mm"
    assert table.loc[(INVERSE, "p"), "undefined"].startswith("the reversed pair was registered after")
    assert table.loc[("sdlogj", "p"), "value"] == 0.5
    assert INVERSE in assembled(layout, {}, runs[1:])["metric"].to_numpy()
    assert len(assembled(layout, {}, runs[1:])) == len(table) - 1


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
    assert len(assembled(layout, {}, (), {key: now})) == counts
    assert "answers" not in assembled(layout, {})
    assert not len(assembled(layout, {key: Outcome.CRASHED})), "a run that failed has no answer"


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


def _tree_of_many_pairs(layout: Layout) -> tuple[dict[RunKey, Outcome], list[RunKey]]:
    """Parts of two methods and doing nothing on eight pairs, in no order and partly twice; gives what failed and what should
    have an inverse consistency."""
    preset = preset_named("strict")
    common = ROW | {"track": "t", "preset": preset.name, "settings": preset.settings, "outcome": "ok", "unit": "mm"}
    pairs = ["f", "b", "g", "a", "h", "c", "e", "d"]
    for method in ("identity", "m", "n"):
        rows = [
            common | {"method": method, "pair": pair, "metric": metric, "label": label, "value": value, "n": n}
            for value, pair in enumerate(pairs)
            for metric, label, n in (("tre_mm", None, 3), ("dice", 7, None), ("dice", -1, None), ("dice", None, 2))
            if (method, pair) != ("m", "c")
        ]
        add_part(layout, preset, method, rows[:17])
        add_part(layout, preset, method, rows[9:])
    return {("m", "c", 0, "c"): Outcome.TIMEOUT}, [("n", "c", 0, "a"), ("n", "c", 0, "h")]


@pytest.mark.parametrize("most_rows", [1, 7, 40])
def test_the_table_is_the_same_however_few_rows_are_held_at_once(tmp_path: Path, most_rows: int):
    layout = Layout(tmp_path)
    failed, returned = _tree_of_many_pairs(layout)
    table = assembled(layout, failed, returned)
    text = layout.score_tsv.read_bytes()
    key = ["method", "pair", "metric", "label"]
    assert list(table[key].fillna(-9).itertuples(index=False)) == sorted(table[key].fillna(-9).itertuples(index=False))
    assert len(table) == 3 * 8 * 4 - 4 + 2 + 2, "the failed run has two rows of pairs, two runs lack their inverse"
    assert set(table.loc[table["undefined"] == "the run ended as timeout", "method"]) == {"m"}
    assert b"\tdice\tn/a\t7\tn/a\t3.0\tmm\t" in text
    again = assembled(layout, failed, returned, most_rows=most_rows)
    pd.testing.assert_frame_equal(again, table)
    assert layout.score_tsv.read_bytes() == text


def test_the_text_of_the_table_is_as_pandas_writes_it(tmp_path: Path):
    layout, preset = Layout(tmp_path), preset_named("strict")
    common = ROW | {"track": "t", "preset": preset.name, "settings": preset.settings, "metric": "dice", "repeat": 0}
    texts = ["", "plain", 'a "b"', "tab\tin it", "two\nlines", "\r", "ä", None, " blank "]
    values = [0.1, 1 / 3, 1e-7, 1e22, -0.0, float("inf"), None, 5e-324, 27.0]
    rows = [
        common | {"pair": f"p{i}", "label": i or None, "name": text, "value": value, "n": 10**12 * i}
        for i, (text, value) in enumerate(zip(texts, values, strict=True))
    ]
    add_part(layout, preset, "m", rows)
    table = assembled(layout, {}).astype({"label": "Int64"})
    assert table["name"].isna().sum() == 1
    assert layout.score_tsv.read_bytes().decode() == table.to_csv(sep="\t", index=False, na_rep="n/a")


def test_a_table_that_is_not_finished_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    layout = Layout(tmp_path)
    failed, returned = _tree_of_many_pairs(layout)
    assembled(layout, {})
    there = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("lumirage.scoring.score_assembly.rows_of_failures", full)
    with pytest.raises(OSError, match="no space left"):
        assembled(layout, failed, returned, most_rows=1)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == there

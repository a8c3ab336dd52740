"""Where the time went: added up over commands, and said."""

from pathlib import Path

from lumirage.core.layout import Layout
from lumirage.core.time_spent import TimeSpent, in_words, note_time, time_spent


def test_commands_are_added_up(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert time_spent(layout) is None
    note_time(layout, TimeSpent(method_s=6.0, preparation_s=1.0))
    note_time(layout, TimeSpent(scoring_s=2.0, waiting_s=1.0))
    spent = time_spent(layout)
    assert spent == TimeSpent(method_s=6.0, preparation_s=1.0, scoring_s=2.0, waiting_s=1.0)
    assert in_words(spent).startswith("methods 6 s (60 %); scoring 2 s (20 %)")
    assert in_words(TimeSpent()) == ""


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.times.write_text("{")
    assert time_spent(layout) is None
    note_time(layout, TimeSpent(scoring_s=2.0))
    assert time_spent(layout) == TimeSpent(scoring_s=2.0)

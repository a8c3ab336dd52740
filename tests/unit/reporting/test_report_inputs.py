"""What the report reads of an output tree."""

from pathlib import Path

from lumirage.core.layout import Layout, written_aside
from lumirage.reporting.report_inputs import run_records


def test_a_record_that_is_being_written_is_none_yet(tmp_path: Path):
    layout = Layout(tmp_path)
    record = layout.method("m") / "sub-1" / "anat" / "sub-1_run.json"
    with written_aside(record) as aside:
        aside.write_text("{")
        assert list(run_records(layout, ["m"])) == []
    assert list(run_records(layout, ["m"])) == [record]

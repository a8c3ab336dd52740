"""The secret of --jitter: another one for each OUT, the same when the command is typed again."""

from pathlib import Path

from lumirage.core.layout import Layout
from lumirage.core.records import write_json
from lumirage.core.track import Conditions, Evaluation, Track
from lumirage.flow.jittered_track import JITTERED, jittered_throughout, with_jitter_condition

TRACK = Track(name="t", conditions=Conditions(axes={"spacing_mm": (2,)}))


def store(layout: Layout, track: Track) -> None:
    record = Evaluation(
        harness="1", contract=1, created="2026-01-01T00:00:00+00:00", dataset=Path("/bids"), dataset_name="d",
        runtime="local", track=track, methods={}, pairs=(),
    )  # fmt: skip
    write_json(layout.evaluation, record)


def test_as_a_condition_beside_the_tracks_own(tmp_path: Path) -> None:
    here, there = (Layout(tmp_path / name) for name in ("here", "there"))
    one, two = (with_jitter_condition(TRACK, layout) for layout in (here, there))
    assert [cell.name for cell in one.cells()] == ["reference", "spacing_mm-2", JITTERED]
    secrets = [track.cells()[2].prepare.jitter for track in (one, two)]
    assert len(set(secrets)) == 2
    assert len(secrets[0]) == 32
    store(here, one)
    assert with_jitter_condition(TRACK, here) == one


def test_throughout(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    track = jittered_throughout(TRACK, layout)
    assert all(cell.prepare.jitter for cell in track.cells())
    assert jittered_throughout(TRACK, layout) != track
    store(layout, track)
    assert jittered_throughout(TRACK, layout) == track

"""The status of a study: the runs of every track by state."""

from lumirage.core.errors import UnavailableError
from lumirage.core.study import StudyRecord
from lumirage.core.study_layout import StudyLayout
from lumirage.flow.status import QueueState, Status, in_queue
from lumirage.flow.study.study_declaration import tracks_status


def study_status(layout: StudyLayout, record: StudyRecord) -> tuple[dict[str, Status], list[str]]:
    """Track -> its runs by state, of those that were begun; and what could not be seen."""
    queued: dict[str, QueueState] = {}
    try:
        for name in record.study.tracks:
            if layout.track(name).jobs.is_dir():
                queued[name] = in_queue(layout.track(name))
    except UnavailableError as error:
        return tracks_status(layout, [*record.study.tracks]), [
            f"queue unknown, so what is missing may be waiting or running there: {error}"
        ]
    return tracks_status(layout, [*record.study.tracks], queued), []

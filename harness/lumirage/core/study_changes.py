"""Says what of a study's declaration was changed after it was first written down."""

from lumirage.core.errors import DataError
from lumirage.core.layout import Layout
from lumirage.core.records import read_json
from lumirage.core.study import Claim, Study, StudyRecord
from lumirage.core.study_layout import StudyLayout


def changes_told(record: StudyRecord) -> list[str]:
    """A sentence for each later change of what decides the claims; none where nothing was changed."""
    found = []
    for before, after in zip(record.declared, record.declared[1:], strict=False):
        what = _changed(before.study, after.study)
        looked = f"after {after.runs_before} runs" if after.runs_before else "before any run"
        found.append(f"{after.when[:16].replace('T', ' ')} UTC, {looked}: {'; '.join(what)}")
    return found


def _changed(before: Study, after: Study) -> list[str]:
    old, new = ({claim.id: claim for claim in study.claims} for study in (before, after))
    words = [f"claim {key} added" for key in new if key not in old]
    words += [f"claim {key} removed" for key in old if key not in new]
    words += [
        f"claim {key}: {_fields(old[key], claim)} changed"
        for key, claim in new.items()
        if key in old and old[key] != claim
    ]
    for part in ("families", "methods", "tracks"):
        if getattr(before, part) != getattr(after, part):
            words.append(f"{part} changed")
    return words or ["order of the claims changed"]


def _fields(before: Claim, after: Claim) -> str:
    return ", ".join(name for name in Claim.model_fields if getattr(before, name) != getattr(after, name))


def changes_around(track: Layout) -> list[str]:
    """The changes after the first run of the study that this output tree is a track of; none where it is of no study."""
    study = StudyLayout(track.root.parent.parent)
    if study.track(track.root.name).root != track.root or not study.record.is_file():
        return []
    try:
        record = read_json(study.record, StudyRecord)
    except DataError:  # the study's own commands say so; this tree's numbers do not depend on it
        return []
    seen = [one.runs_before > 0 for one in record.declared[1:]]
    return [words for words, after_runs in zip(changes_told(record), seen, strict=True) if after_runs]

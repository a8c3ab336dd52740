"""The label sources of a plan, and which labels of theirs will be scored."""

from collections.abc import Mapping, Sequence

from lumirage.core.label_files import shared_sources
from lumirage.core.label_words import SourceLabels
from lumirage.core.model import Pair, Record, Scan
from lumirage.flow.forecast.scan_findings import Looked
from lumirage.planning.evaluation_plan import Plan
from lumirage.planning.label_choice import label_counts


class LabelPlan(Record):
    """One label that will be scored."""

    label: int
    name: str = ""


class LabelSourcePlan(Record):
    """One label source: the number of scans that have it, of pairs that have it for both scans, and the labels to be scored.

    The labels are those that the track selects in the maps that were read; maps that were not read may have more.
    """

    source: str
    scans: int
    pairs: int
    maps_looked_at: int
    labels: tuple[LabelPlan, ...]


def label_sources(
    plan: Plan, scans: Sequence[Scan], pairs: Sequence[Pair], looked: Looked
) -> tuple[LabelSourcePlan, ...]:
    """One for each source that a scan of the plan has."""
    names = plan.evaluation.label_names
    found = []
    for source, count in label_counts(scans).items():
        seen = [labels[source] for labels in looked.labels.values() if source in labels]
        scored = _scored({label for labels in seen for label in labels}, plan.evaluation.labels_of(source))
        found.append(
            LabelSourcePlan(
                source=source,
                scans=count,
                pairs=len({pair.id for pair in pairs if source in shared_sources(pair)}),
                maps_looked_at=len(seen),
                labels=tuple(LabelPlan(label=n, name=_name(names, source, n)) for n in scored),
            )
        )
    return tuple(found)


def _name(names: Mapping[str, Mapping[int, str]], source: str, label: int) -> str:
    return names.get(source, {}).get(label, "")


def _scored(seen: set[int], choice: SourceLabels) -> list[int]:
    """As the scorer takes them: those that the track names, else all but the background."""
    there = {choice.mapped.get(label, 0) for label in seen} if choice.mapped else seen
    return sorted((set(choice.include) or there - {0}) - set(choice.exclude))

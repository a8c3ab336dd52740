"""The label sources of a plan, and which labels of theirs will be scored."""

from collections.abc import Mapping, Sequence

from lumirage.core.model import Pair, Record, Scan
from lumirage.core.track import Labels
from lumirage.flow.scan_findings import Looked
from lumirage.planning.evaluation_plan import Plan


class LabelPlan(Record):
    """One label that will be scored."""

    label: int
    name: str = ""


class LabelSourcePlan(Record):
    """One label source: how many scans have it, how many pairs on both sides, and the labels that will be scored.

    Labels are those of the maps that were looked at, after the track's choice: where not all maps were, there may be more.
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
    names, wanted = plan.evaluation.label_names, plan.evaluation.track.labels
    found = []
    for source in sorted({source for scan in scans for source in scan.labels}):
        seen = [labels[source] for labels in looked.labels.values() if source in labels]
        scored = _scored({label for labels in seen for label in labels}, wanted)
        found.append(
            LabelSourcePlan(
                source=source,
                scans=sum(source in scan.labels for scan in scans),
                pairs=len({pair.id for pair in pairs if source in pair.fixed.labels and source in pair.moving.labels}),
                maps_looked_at=len(seen),
                labels=tuple(LabelPlan(label=n, name=_name(names, source, n)) for n in scored),
            )
        )
    return tuple(found)


def _name(names: Mapping[str, Mapping[int, str]], source: str, label: int) -> str:
    return names.get(source, {}).get(label, "")


def _scored(seen: set[int], wanted: Labels) -> list[int]:
    """As the scorer takes them: those that the track names, else all but the background."""
    return sorted((set(wanted.include) or seen - {0}) - set(wanted.exclude))

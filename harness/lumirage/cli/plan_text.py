"""What --dry-run prints for people: a plan in lines of at most 80 columns."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from lumirage.flow.forecast.label_forecast import LabelSourcePlan
from lumirage.flow.forecast.plan_overview import MethodPlan, PlanOverview
from lumirage.flow.forecast.plan_words import (
    NOT_KNOWN,
    costs,
    counted,
    duration,
    grids,
    lacking,
    size,
    too_slow,
    warnings,
)

COLUMNS = 80
INDENT = 12
LABELS_SHOWN = 6
PAIRS_SHOWN = 3
FINDINGS_SHOWN = 20


def plan_text(plan: PlanOverview) -> str:
    """All of it, a heading and its words a line; --json has every label and job."""
    lines = [line for heading, words in _entries(plan) for line in _wrapped(heading, words)]
    title = f"plan of {plan.track} on {plan.dataset_name}; nothing was made"
    return "\n".join([*textwrap.wrap(title, COLUMNS), *lines])


def _entries(plan: PlanOverview) -> Iterator[tuple[str, str]]:
    contrasts = ", ".join(f"{count} {suffix}" for suffix, count in plan.contrasts.items())
    pairs, conditions, repeats = len(plan.pairs), len(plan.conditions), plan.repeats
    yield "dataset", f"{plan.dataset}{' (will be made first)' if plan.dataset_is_made_first else ''}"
    yield "OUT", f"{plan.out}{' (new)' if plan.out_is_new else ''}"
    yield "runtime", plan.runtime
    yield "scans", f"{plan.scans} of {counted(plan.subjects, 'subject')}{_sessions(plan)}: {contrasts}"
    shown = ", ".join(plan.pairs[:PAIRS_SHOWN]) + (" ..." if pairs > PAIRS_SHOWN else "")
    yield "pairs", f"{pairs} of the track's {plan.track_pairs}: {shown}"
    yield (
        "runs",
        (
            f"{plan.runs_to_do} to do in {counted(len(plan.jobs), 'job')}, {plan.runs_complete} complete: "
            f"{counted(len(plan.methods), 'method')} x {counted(pairs, 'pair')} x {counted(conditions, 'condition')}"
            + (f" x {repeats} repeats" if repeats > 1 else "")
        ),
    )
    for source in plan.label_sources:
        yield "labels", _labels(source, plan)
    if not plan.label_sources:
        yield "labels", "none: no overlap will be measured"
    yield (
        "landmarks",
        f"{plan.scans_with_landmarks} of {counted(plan.scans, 'scan')}, {plan.pairs_with_landmarks} pairs",
    )
    yield "masks", f"{plan.scans_with_mask} of {counted(plan.scans, 'scan')}, {plan.pairs_with_masks} pairs"
    yield "true fields", f"{plan.pairs_with_true_field} of {counted(pairs, 'pair')}"
    for words in grids(plan):
        yield "grid", words
    for method in plan.methods:
        yield method.name, "; ".join(_method(method))
    for note in plan.notes:
        yield "note", note
    yield "expected", costs(plan)
    yield "check", warnings(plan)
    for finding in plan.findings[:FINDINGS_SHOWN]:
        yield "", f"{finding.severity}: {Path(finding.path).name}: {finding.message}"
    if len(plan.findings) > FINDINGS_SHOWN:
        yield "", f"... and {len(plan.findings) - FINDINGS_SHOWN} more; --json has all"


def _sessions(plan: PlanOverview) -> str:
    return f" in {counted(plan.sessions, 'session')}" if plan.sessions else ""


def _labels(source: LabelSourcePlan, plan: PlanOverview) -> str:
    shown = [f"{label.label} {label.name}".rstrip() for label in source.labels[:LABELS_SHOWN]]
    more = " ..." if len(source.labels) > LABELS_SHOWN else ""
    seen = "" if source.maps_looked_at >= source.scans else f" seen in {counted(source.maps_looked_at, 'map')}"
    which = f"{counted(len(source.labels), 'label')}{seen} will be scored: {', '.join(shown)}{more}"
    if not source.labels:
        which = "which labels it has is seen when a map is read"
    return f"{source.source}: {source.scans} of {counted(plan.scans, 'scan')}, {source.pairs} pairs; {which}"


def _method(method: MethodPlan) -> Iterator[str]:
    yield f"version {method.version}"
    yield from lacking(method)
    yield counted(method.runs_to_do, "run")
    if method.expected.cpu_s is None:
        yield f"CPU time and memory {NOT_KNOWN}"
    elif method.runs_to_do:
        cost = f"CPU {duration(method.expected.cpu_s)}, wall {duration(method.expected.wall_s)}"
        yield f"{cost}, memory {size(method.expected.peak_memory_bytes)} (by {method.expected.known_from})"
    if slow := too_slow(method):
        yield slow.removeprefix(f"{method.name} ")


def _wrapped(heading: str, words: str) -> list[str]:
    first = f"{heading:<{INDENT}}" if len(heading) < INDENT else f"{heading} "
    return textwrap.wrap(
        words, COLUMNS, initial_indent=first, subsequent_indent=" " * INDENT, break_on_hyphens=False
    ) or [heading]

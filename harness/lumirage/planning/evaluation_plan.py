"""Request -> Plan: the parts of this evaluation and its remaining jobs. Nothing is started here."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lumirage import __version__
from lumirage.core.dataset_files import changed_files, every_pair, files_of, with_contents
from lumirage.core.errors import DamagedFileError, UsageError
from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.known_digests import KnownDigests
from lumirage.core.layout import Layout, digests_kept
from lumirage.core.model import CONTRACT_VERSION, Job, Pair, Run, Scan
from lumirage.core.packed_files import is_kept
from lumirage.core.records import read_json
from lumirage.core.set_aside import exists, was_set_aside
from lumirage.core.track import Condition, Evaluation, MethodUse, Track
from lumirage.planning import scans as dataset
from lumirage.planning.jobs import GpuUse, JobSettings, make_jobs
from lumirage.planning.label_choice import choose_labels, with_sources
from lumirage.planning.landmark_names import landmark_notes
from lumirage.planning.method_cards import MethodSource
from lumirage.planning.pairing import choose, located, make_pairs
from lumirage.planning.preparation import prepared_key
from lumirage.planning.scan_examination import check_grids, examine_pairs
from lumirage.planning.scan_exchange import exchange, widened
from lumirage.planning.session_order import session_order

SHOWN = 5
"""How many files a message lists at most."""
Resolve = Callable[[MethodSource], MethodUse]
"""A method's image as the chosen runtime would start it, with its digest (empty if unknown before the image is built).
Planning knows no engine."""


Changed = Callable[[Evaluation], list[str]]  # the names of used files whose content is not the one that it knows


@dataclass(frozen=True)
class PlanInputs:
    """What the user asked for, parsed into records."""

    bids: Path
    out: Path
    track: Track
    methods: tuple[MethodSource, ...]
    runtime: str
    derivatives: Mapping[str, Path] = field(default_factory=dict)
    pairs: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    limit: int | None = None
    batch: int = 1
    repeats: int = 1
    seed: int = 0
    gpu_use: GpuUse = "needed"


@dataclass(frozen=True)
class Plan:
    """The evaluation, and the part of it to execute now."""

    layout: Layout
    evaluation: Evaluation
    pairs: tuple[Pair, ...]
    conditions: tuple[Condition, ...]
    jobs: tuple[Job, ...]
    complete: int = field(metadata={"note": "runs that were found done"})
    participants: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), metadata={"note": "what the user should know of the labels"})


def make_plan(inputs: PlanInputs, resolve: Resolve, *, read_images: bool = False) -> Plan:
    """Plan an evaluation, or the rest of one that has begun; `read_images` reads all images of the remaining pairs.

    Raises DataError for an unusable dataset, UsageError if OUT has another evaluation in it, with the differences.
    """
    _check_places(inputs)
    wanted, notes = _evaluation(inputs)
    wanted, said = _looked_over(inputs, wanted, read_images=read_images)
    wanted = wanted.model_copy(update={"methods": {source.card.name: resolve(source) for source in inputs.methods}})
    chosen = choose(wanted.pairs, inputs.pairs, inputs.participants, inputs.limit, inputs.sessions)
    files = files_of(wanted.under(pair, cell.name) for pair in chosen for cell in inputs.track.cells())
    with KnownDigests(digests_kept(inputs.bids) if read_images else None) as digests:
        merged = _merged(Layout(inputs.out), wanted, lambda found: changed_files(files, found.contents, digests))
        plan = _planned(inputs, with_contents(merged, files, digests))
    pairs = [plan.evaluation.under(pair, cell.name) for pair in plan.pairs for cell in plan.conditions]
    return replace(plan, notes=(*notes, *said, *landmark_notes({pair.id: pair for pair in pairs}.values())))


def _looked_over(inputs: PlanInputs, wanted: Evaluation, *, read_images: bool) -> tuple[Evaluation, tuple[str, ...]]:
    """The evaluation without pairs of unusable scans, and notes for the user; nothing has been built yet."""
    chosen = choose(wanted.pairs, inputs.pairs, inputs.participants, inputs.limit, inputs.sessions)
    waiting = {pair.id for pair in chosen if read_images and _waits(inputs, wanted, pair)}
    found = examine_pairs(wanted, chosen, waiting)
    check_grids(wanted, [pair for pair in chosen if pair.id not in found.left_out])
    return _without(wanted, found.left_out), found.notes


def _waits(inputs: PlanInputs, wanted: Evaluation, pair: Pair) -> bool:
    """Whether a pair has runs left to execute."""
    layout = Layout(inputs.out)
    return not all(
        is_kept(layout.run_files(source.card.name, wanted.under(pair, cell.name), cell.name, repeat).record)
        for source in inputs.methods
        for cell in wanted.track.cells()
        for repeat in range(inputs.repeats)
    )


def _without(evaluation: Evaluation, left_out: Mapping[str, str]) -> Evaluation:
    pairs = tuple(pair for pair in evaluation.pairs if pair.id not in left_out)
    return evaluation.model_copy(update={"pairs": pairs, "left_out": dict(left_out)})


def plan_of_pairs(inputs: PlanInputs, resolve: Resolve, name: str, pairs: tuple[Pair, ...]) -> Plan:
    """The plan for a dataset that does not exist yet: its name, and the pairs that it will have."""
    evaluation = _made_of(inputs, name, pairs)
    return _planned(
        inputs, evaluation.model_copy(update={"methods": {s.card.name: resolve(s) for s in inputs.methods}})
    )


def scans_of(plan: Plan) -> list[Scan]:
    """The scans that the plan's pairs need under its conditions, each once."""
    taken = [plan.evaluation.under(pair, cell.name) for pair in plan.pairs for cell in plan.conditions]
    return list({s.name: s for p in taken for s in (p.fixed, p.moving)}.values())


def _planned(inputs: PlanInputs, evaluation: Evaluation) -> Plan:
    chosen = choose(evaluation.pairs, inputs.pairs, inputs.participants, inputs.limit, inputs.sessions)
    conditions = inputs.track.cells()
    layout = Layout(inputs.out)
    uses = [evaluation.methods[source.card.name] for source in inputs.methods]
    done = _Completed(layout, evaluation)
    settings = JobSettings(inputs.track.limits, inputs.batch, inputs.repeats, inputs.seed, inputs.gpu_use)
    jobs = make_jobs(uses, conditions, chosen, settings, done)
    return Plan(layout, evaluation, chosen, conditions, jobs, done.count, tuple(sorted(inputs.participants)))


def _check_places(inputs: PlanInputs) -> None:
    bids, out = inputs.bids.resolve(), inputs.out.resolve()
    if out == bids or (bids in out.parents and "derivatives" not in out.relative_to(bids).parts):
        raise UsageError(f"OUT {out} is inside BIDS_DIR {bids}; choose a folder outside it, or under its derivatives/")
    if out.exists() and not out.is_dir():
        raise UsageError(f"OUT {out} is a file; give a folder")
    if (
        out.is_dir()
        and any(not p.name.startswith(".lock") for p in out.iterdir())
        and not exists(Layout(out).evaluation)
        and not was_set_aside(Layout(out).evaluation)
        and not Layout(out).checksums("descriptions").exists()
    ):
        raise UsageError(f"OUT {out} is not empty and has no evaluation in it; give a new folder")


def _evaluation(inputs: PlanInputs) -> tuple[Evaluation, tuple[str, ...]]:
    """The parts of the evaluation, and what the user should know about the labels."""
    name = dataset.dataset_name(inputs.bids)
    derivatives = dataset.find_derivatives(inputs.bids, inputs.derivatives)
    survey = dataset.survey(inputs.bids, derivatives)
    selected = survey.scans(inputs.track.select)
    choice = choose_labels(selected, inputs.track.labels, derivatives, inputs.bids)
    scans = with_sources(selected, choice.choices)
    order, _ = session_order(scans, inputs.bids) if inputs.track.pairing.sessions == "between" else ({}, ())
    pairs = dataset.with_truth(make_pairs(scans, located(inputs.track.pairing, inputs.bids), order), derivatives)
    cells = [cell for cell in inputs.track.cells() if cell.scans]
    others = with_sources(survey.scans(widened(inputs.track.select, cells)), choice.choices) if cells else []
    exchanged = {cell.name: dataset.with_truth(exchange(pairs, cell, others), derivatives) for cell in cells}
    found = {
        "caution": dataset.caution(inputs.bids),
        "derivatives": {key: path.resolve() for key, path in derivatives.items()},
        "exchanged": {name: {pair.id: pair for pair in those} for name, those in exchanged.items()},
        "label_names": choice.names,
        "label_choices": choice.choices,
    }
    return _made_of(inputs, name, pairs).model_copy(update=found), (*survey.found.notes, *choice.notes)


def _made_of(inputs: PlanInputs, name: str, pairs: tuple[Pair, ...]) -> Evaluation:
    return Evaluation(
        harness=__version__,
        contract=CONTRACT_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=inputs.bids.resolve(),
        dataset_name=name,
        runtime=inputs.runtime,
        track=inputs.track,
        methods={},
        pairs=pairs,
        seed=inputs.seed,
        repeats=inputs.repeats,
    )


def _merged(layout: Layout, wanted: Evaluation, changed: Changed) -> Evaluation:
    """The evaluation in OUT with the new methods added, or the requested one if OUT is new.

    Raises UsageError, with the differences, if OUT holds another one, or if files have `changed` since.
    """
    if not exists(layout.evaluation):
        return wanted
    found = read_evaluation(layout)
    if differ := list(_differences(found, wanted, changed)):
        told = "\n  ".join([f"{layout.root} has another evaluation in it:", *differ])
        raise UsageError(f"{told}\ngive another OUT, or remove this one")
    new = {n: use for n, use in wanted.methods.items() if use.digest or n not in found.methods}
    # the same content may be in another place now
    names = ("dataset", "derivatives", "pairs", "exchanged", "track")
    here: dict[str, Any] = {name: getattr(wanted, name) for name in names}
    merged = found.model_copy(
        update=here | {"methods": found.methods | new, "repeats": max(found.repeats, wanted.repeats)}
    )
    return _without(merged, found.left_out | wanted.left_out)


def _differences(found: Evaluation, wanted: Evaluation, changed: Changed) -> Iterator[str]:
    for name in ("contract", "seed"):
        if getattr(found, name) != getattr(wanted, name):
            yield f"{name}: {getattr(found, name)} there, {getattr(wanted, name)} now"
    yield from _fields("track", _track_alone(found.track), _track_alone(wanted.track))
    if found.label_choices and found.label_choices != wanted.label_choices:
        yield "track.labels: it selects other labels now (did a mapping or a table of names change?)"
    yield from _data_differences(found, wanted, changed)
    for name, use in wanted.methods.items():
        there = found.methods.get(name, use)
        if use.digest and there.digest != use.digest:
            yield f"image of {name}: {there.digest[:19]} there, {use.digest[:19]} now"
        if there.card.parameters != use.card.parameters:
            yield f"parameters of {name}: {there.card.parameters} there, {use.card.parameters} now"
        if there.weights and use.weights and there.weights != use.weights:
            yield f"weights of {name}: SHA-256 {there.weights} there, {use.weights} now"


def _data_differences(found: Evaluation, wanted: Evaluation, changed: Changed) -> Iterator[str]:
    before, now = ({*(pair.id for pair in those.pairs), *those.left_out} for those in (found, wanted))
    if before != now:
        yield f"pairs: {len(before - now)} of them are gone, {len(now - before)} are new (did the dataset change?)"
        return
    if found.left_out.keys() == wanted.left_out.keys():
        then, here = (files_of(every_pair(those)).keys() for those in (found, wanted))
        yield from _listed("gone", then - here)
        yield from _listed("new", here - then)
    for line in _listed("of another content", changed(found)):
        yield f"{line} (if they are damaged, fetch them again)"


def _listed(what: str, names: Collection[str]) -> Iterator[str]:
    """One line for these files, if there are any."""
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        yield f"files {what}: {', '.join(sorted(names)[:SHOWN])}{more}"


def _track_alone(track: Track) -> dict[str, Any]:
    """The track without the paths of its list of pairs and its mapping; their contents are compared."""
    pairing = track.pairing.model_copy(update={"file": None})
    labels = track.labels.model_copy(update={"mapping": None})
    return track.model_copy(update={"pairing": pairing, "labels": labels}).model_dump()


def _fields(prefix: str, found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    for key in sorted(found.keys() | wanted.keys()):
        old, new = found.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _fields(f"{prefix}.{key}", old, new)
        elif old != new:
            yield f"{prefix}.{key}: {old} there, {new} now"


class _Completed:
    """Finds and counts the runs that are complete and were made from the same inputs."""

    def __init__(self, layout: Layout, evaluation: Evaluation) -> None:
        self._layout = layout
        self._evaluation = evaluation
        self.count = 0

    def __call__(self, method: str, pair: Pair, condition: Condition, repeat: int) -> bool:
        pair = self._evaluation.under(pair, condition.name)
        record = self._layout.run_files(method, pair, condition.name, repeat).record
        if not is_kept(record):
            return False
        try:
            run = read_json(record, Run)
        except DamagedFileError:
            return False  # it is set aside, and told, before anything is executed
        digest = self._evaluation.methods[method].digest
        if run.image != digest:
            raise UsageError(f"{record}: made by image {run.image[:19]}, not {digest[:19]}; give another OUT")
        if run.prepared != prepared_key(pair, condition.prepare):
            raise UsageError(
                f"{record}: {pair.fixed.image.name} or {pair.moving.image.name} has changed since this run was made; "
                "give another OUT, or remove this method's folder there"
            )
        self.count += 1
        return True

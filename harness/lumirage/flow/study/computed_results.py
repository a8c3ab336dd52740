"""Computes the results of a study from the output trees of its tracks: claims, differences of families, and the matrix."""

from collections.abc import Iterator
from itertools import product

import pandas as pd

from lumirage.analysis.family_contrasts import FamilyContrast, family_contrast
from lumirage.analysis.family_scores import FamilySettings, Measure
from lumirage.analysis.ranking import AGGREGATE
from lumirage.analysis.score_matrices import RawCell, cells_of
from lumirage.core.errors import UsageError
from lumirage.core.metrics import METRICS, is_accuracy
from lumirage.core.model import SENTINELS, Outcome
from lumirage.core.study import OF_RUNS, Place, Study, StudyRecord
from lumirage.core.study_layout import StudyLayout
from lumirage.core.study_results import FamilyDifference, Interval, MethodOnTrack, StudyResults, TrackFacts
from lumirage.flow.stored_evaluation import load_runs
from lumirage.flow.study.judged_claims import interval, judged_claims, left_out, number
from lumirage.flow.study.study_scores import ScoredTrack, StudyScores, read_study_scores

SHOWN = ("displacement_error_mm", "dice_nearest_fg", "tre_mm_linear", "hd95_mm")
"""A track is summed up by the first of these that it has, else by its first measure of accuracy: a known truth says most."""

FOLDS = "det_le0_percent"
REGULARITY = (FOLDS, "sdlogj")


def study_results(layout: StudyLayout, record: StudyRecord) -> StudyResults:
    """All numbers of a study, from what lies on disk."""
    scores = read_study_scores(layout, record)
    study = record.study
    return StudyResults(
        name=study.name,
        title=study.title or study.name,
        claims_hash=record.declared[-1].claims_hash,
        earlier_hashes=tuple(one.claims_hash for one in record.declared[:-1]),
        left_out=record.left_out,
        tracks=tuple(_facts(scores, track) for track in scores.tracks.values()),
        families=scores.families,
        family_titles={name: family.title or name for name, family in study.families.items()},
        claims=judged_claims(scores),
        differences=tuple(found for track in scores.tracks.values() for found in _differences(scores, track)),
        matrix=tuple(row for track in scores.tracks.values() for row in _matrix(scores, track)),
    )


def _facts(scores: StudyScores, track: ScoredTrack) -> TrackFacts:
    of, rows = track.evaluation, track.scores
    people = set(rows["fixed_subject"].astype(str)) | set(rows["moving_subject"].astype(str))
    return TrackFacts(
        name=track.name,
        dataset=scores.study.tracks[track.name].dataset,
        track=of.track.name,
        summary=of.track.summary,
        dataset_name=of.dataset_name,
        conditions=len(of.track.cells()),
        pairs=int(rows["pair"].nunique()),
        planned_pairs=len(of.pairs),
        people=len(people),
        policy=of.track.on_failure,
        memory_bytes=of.track.limits.memory_bytes,
        runtime=of.runtime,
        caution=of.caution,
    )


def _differences(scores: StudyScores, track: ScoredTrack) -> Iterator[FamilyDifference]:
    """Every two families of the study (the first two where there are more), in every measure and condition."""
    names = [name for name, methods in scores.families.items() if methods][:2]
    if len(names) < 2:
        return
    shared = set(scores.families[names[0]]) & set(scores.families[names[1]])
    if shared:
        return
    for metric, preset, source in _measures(track):
        for cell in track.evaluation.track.cells():
            settings = FamilySettings(names[0], names[1], track.evaluation.track.on_failure)
            measure = Measure(metric, track.name, cell.name, preset, source=source)
            try:
                found = family_contrast(track.scores, scores.families, measure, settings)
            except UsageError:  # no scores of that measure under that condition
                continue
            yield _difference(found, Place(track=track.name, condition=cell.name), (names[0], names[1]))


def _measures(track: ScoredTrack) -> list[tuple[str, str, str]]:
    """The measures of accuracy, and of the regularity of the field."""
    rows = track.scores[track.scores["value"].notna()]
    found = rows[["metric", "preset", "source"]].drop_duplicates().astype(str).itertuples(index=False, name=None)
    return sorted((m, p, s) for m, p, s in found if is_accuracy(m) or m in REGULARITY)


def _difference(of: FamilyContrast, place: Place, names: tuple[str, str]) -> FamilyDifference:
    lit = of.literature
    return FamilyDifference(
        place=place,
        metric=of.key["metric"],
        preset=of.key["preset"],
        settings=of.key["settings"],
        source=of.key["source"],
        unit=METRICS[of.key["metric"]].unit if of.key["metric"] in METRICS else "",
        direction=of.direction,
        first=names[0],
        second=names[1],
        methods=dict(of.families),
        mean_first=number(of.mean_first),
        mean_second=number(of.mean_second),
        difference=interval(of.difference),
        over_methods=interval(of.over_methods),
        without=left_out(of.without),
        d_z=Interval(value=number(of.d_z.value), low=number(of.d_z.low), high=number(of.d_z.high)),
        d_av=Interval(value=number(of.d_av.value), low=number(of.d_av.low), high=number(of.d_av.high)),
        literature=Interval(
            value=number(lit.difference), low=number(lit.ci_low), high=number(lit.ci_high), p=number(lit.p_t)
        ),
        literature_d=number(lit.cohen_d),
        n_people=of.n_people,
        n_pairs=of.n_pairs,
        dropped=of.dropped,
        failed=dict(of.failed),
        filled=dict(of.filled),
        policy=of.policy,
        design=of.design,
        notes=of.notes,
    )


def _matrix(scores: StudyScores, track: ScoredTrack) -> Iterator[MethodOnTrack]:
    """The methods on one track under each condition, by the measure that sums the track up."""
    runs: dict[tuple[str, str], list[Outcome]] = {}
    for (method, condition, _, _), run in load_runs(track.layout, track.evaluation).items():
        runs.setdefault((method, condition), []).append(run.outcome)
    chosen, policy = _summed_up(scores.study, track), track.evaluation.track.on_failure
    accuracy = _by_condition(track, *chosen) if chosen else {}
    folds = _by_condition(track, FOLDS, chosen[1] if chosen else "strict", "")
    ranks = _ranks(track, chosen, policy) if chosen else {}
    spacings = _spacings(track)
    for cell, method in product(track.evaluation.track.cells(), (*SENTINELS, *track.evaluation.methods)):
        mean, folded = (
            of[cell.name].runs.means(policy, of[cell.name].cell.metric).get(method) if cell.name in of else None
            for of in (accuracy, folds)
        )
        outcomes = runs.get((method, cell.name), [])
        bad = [outcome.value for outcome in outcomes if outcome is not Outcome.OK]
        rank = ranks.get((method, cell.name), {})
        yield MethodOnTrack(
            place=Place(track=track.name, condition=cell.name),
            spacing_mm=spacings.get(cell.name),
            method=method,
            family=scores.family_of(method),
            metric=chosen[0] if chosen else "",
            source=chosen[2] if chosen else "",
            unit=METRICS[chosen[0]].unit if chosen else "",
            mean=number(mean.value) if mean else None,
            filled=mean.filled if mean else 0,
            n_pairs=mean.n_pairs if mean else 0,
            rank=rank.get("place", ""),
            rank_low=_float(rank.get("rank_low")),
            rank_high=_float(rank.get("rank_high")),
            folds_percent=number(folded.value) if folded else None,
            runs=len(outcomes),
            failed=len(bad),
            outcomes={outcome: bad.count(outcome) for outcome in sorted(set(bad))},
        )


def _summed_up(study: Study, track: ScoredTrack) -> tuple[str, str, str] | None:
    """Metric, preset and label source of the measure that sums a track up: what its claims are about, else the usual one."""
    places = [
        (claim.metric, place.track) for claim in study.claims if claim.kind not in OF_RUNS for place in claim.where
    ]
    claimed = [metric for metric, name in places if name == track.name]
    known = track.measures
    return next((one for name in (*claimed, *SHOWN) for one in known if one[0] == name), known[0] if known else None)


def _by_condition(track: ScoredTrack, metric: str, preset: str, source: str) -> dict[str, RawCell]:
    """Condition -> the values of one measure."""
    s = track.scores
    rows = s[s["preset"] == preset]
    found = cells_of(rows, metric) if len(rows) else ()
    return {raw.cell.key["condition"]: raw for raw in found if raw.cell.key["source"] == source}


def _spacings(track: ScoredTrack) -> dict[str, float]:
    """Condition -> spacing, where the track varies it: the mean of the three axes, millimetres."""
    cells = track.evaluation.track.cells()
    varied = [cell for cell in cells if cell.axis == "spacing_mm" and cell.prepare.spacing_mm]
    shown = [*varied, *(cell for cell in cells[:1] if cell.prepare.spacing_mm)] if varied else []
    return {cell.name: sum(cell.prepare.spacing_mm) / 3 for cell in shown if cell.prepare.spacing_mm}


def _ranks(track: ScoredTrack, chosen: tuple[str, str, str], policy: str) -> dict[tuple[str, str], dict[str, str]]:
    """(method, condition) -> its row in the rankings of the track; none before it was compared."""
    path = track.layout.table("rankings")
    if not path.is_file():
        return {}
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False).replace("n/a", "")
    wanted = {"metric": chosen[0], "preset": chosen[1], "source": chosen[2], "policy": policy, "scheme": AGGREGATE}
    for column, value in wanted.items():
        table = table[table[column] == value]
    rows = [{str(k): str(v) for k, v in row.items()} for row in table.to_dict("records")]
    return {(row["method"], row["condition"]): row for row in rows}


def _float(text: str | None) -> float | None:
    return float(text) if text else None

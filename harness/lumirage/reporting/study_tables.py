"""The tables of a study, as TSV and LaTeX: claims, families, and methods by tracks."""

from collections.abc import Sequence

import pandas as pd

from lumirage.core.metrics import title
from lumirage.core.study_results import CostOnTrack, FamilyDifference, Interval, MethodOnTrack, StudyResults
from lumirage.core.track import REFERENCE
from lumirage.reporting.axes import NONE, short
from lumirage.reporting.study_words import shown_interval

CLAIM_COLUMNS = (
    "claim", "kind", "decision", "p_holm", "track", "condition", "alone", "metric", "preset", "source", "family", "against",
    "reference", "margin", "difference", "ci_low", "ci_high", "over_methods", "over_methods_low", "over_methods_high",
    "p_support", "p_refute", "people", "pairs", "methods", "people_needed", "pairing", "reason", "sentence",
)  # fmt: skip
FAMILY_COLUMNS = (
    "track", "condition", "metric", "preset", "source", "unit", "first", "second", "mean_first", "mean_second", "difference",
    "ci_low", "ci_high", "p", "over_methods_low", "over_methods_high", "d_z", "d_z_low", "d_z_high", "d_av", "d_av_low",
    "d_av_high", "literature_low", "literature_high", "literature_p", "literature_d", "people", "pairs", "dropped",
    "methods_first", "methods_second", "policy", "design", "notes",
)  # fmt: skip
MATRIX_COLUMNS = (
    "track", "condition", "method", "family", "metric", "source", "unit", "mean", "pairs", "filled", "rank", "rank_low",
    "rank_high", "folds_percent", "spacing_mm", "runs", "failed", "outcomes",
)  # fmt: skip
COST_COLUMNS = ("track", "method", "runs", "wall_s", "cpu_s", "peak_memory_bytes", "device")


def study_tables(results: StudyResults, costs: Sequence[CostOnTrack]) -> dict[str, pd.DataFrame]:
    """Name -> table. `costs` alone depends on the machine and its load."""
    return {
        "claims": claims_table(results),
        "families": pd.DataFrame([_family_row(one) for one in results.differences], columns=list(FAMILY_COLUMNS)),
        "matrix": pd.DataFrame([_matrix_row(one) for one in results.matrix], columns=list(MATRIX_COLUMNS)),
        "without_one_method": _without_one(results),
        "costs": pd.DataFrame(
            [(c.track, c.method, c.n, c.wall_s, c.cpu_s, c.peak_memory_bytes, c.device) for c in costs],
            columns=list(COST_COLUMNS),
        ),
    }


def claims_table(results: StudyResults) -> pd.DataFrame:
    """A row for each claim and place. Differences are in the metric's good direction: above 0 the family is better."""
    rows = []
    for result in results.claims:
        claim = result.claim
        for at in result.places:
            value, over = at.difference, at.over_methods
            rows.append(
                (claim.id, claim.kind, result.decision, result.p_holm, at.place.track, at.place.condition, at.alone,
                 claim.metric, claim.preset, at.source, claim.family, claim.against,
                 claim.reference.identifier if claim.reference else "", claim.margin, value.value, value.low, value.high,
                 over.value, over.low, over.high, at.p_support, at.p_refute, at.n_people, at.n_pairs, at.n_methods,
                 result.people_needed, at.pairing, result.reason, claim.sentence)
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(CLAIM_COLUMNS))


def _family_row(of: FamilyDifference) -> tuple[object, ...]:
    value, over, lit = of.difference, of.over_methods, of.literature
    return (
        of.place.track, of.place.condition, of.metric, of.preset, of.source, of.unit, of.first, of.second, of.mean_first,
        of.mean_second, value.value, value.low, value.high, value.p, over.low, over.high, *_three(of.d_z), *_three(of.d_av),
        lit.low, lit.high, lit.p, of.literature_d, of.n_people, of.n_pairs, of.dropped, ", ".join(of.methods[of.first]),
        ", ".join(of.methods[of.second]), of.policy, of.design, "; ".join(of.notes),
    )  # fmt: skip


def _three(of: Interval) -> tuple[float | None, ...]:
    return of.value, of.low, of.high


def _matrix_row(of: MethodOnTrack) -> tuple[object, ...]:
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in of.outcomes.items())
    return (
        of.place.track, of.place.condition, of.method, of.family, of.metric, of.source, of.unit, of.mean, of.n_pairs,
        of.filled, of.rank, of.rank_low, of.rank_high, of.folds_percent, of.spacing_mm, of.runs, of.failed, outcomes,
    )  # fmt: skip


def _without_one(results: StudyResults) -> pd.DataFrame:
    rows = [
        (
            r.claim.id,
            at.place.track,
            at.place.condition,
            one.method,
            one.family,
            *_three(one.difference),
            one.difference.p,
        )
        for r in results.claims
        for at in r.places
        for one in at.without
    ]
    columns = ["claim", "track", "condition", "without", "family", "difference", "ci_low", "ci_high", "p"]
    return pd.DataFrame(rows, columns=columns)


def printed_tables(results: StudyResults, costs: Sequence[CostOnTrack]) -> dict[str, pd.DataFrame]:
    """The tables of a paper, with few columns, for LaTeX: the claims, the families, and methods by tracks."""
    claims = [
        (r.claim.sentence, at.place.name, _interval(shown_interval(at, over=r.claim.over_methods)), at.n_people, at.n_pairs,
         short(r.p_holm), r.decision)
        for r in results.claims
        for at in r.places
    ]  # fmt: skip
    families = [
        (of.place.name, title(of.metric), of.mean_first, of.mean_second, _interval(of.difference), _interval(of.over_methods),
         _interval(of.d_z), _interval(of.d_av), of.n_people, of.n_pairs)
        for of in results.differences
    ]  # fmt: skip
    heads = (
        [results.differences[0].first, results.differences[0].second] if results.differences else ["first", "second"]
    )
    return {
        "claims": pd.DataFrame(
            claims, columns=["claim", "where", "difference [95 %]", "people", "pairs", "p, Holm", "verdict"]
        ),
        "families": pd.DataFrame(
            families,
            columns=[
                "where",
                "measure",
                *heads,
                "difference [95 %]",
                "methods resampled too",
                "d_z",
                "d_av",
                "people",
                "pairs",
            ],
        ),
        "matrix": wide_matrix(results, costs),
    }


def _interval(of: Interval) -> str:
    return f"{short(of.value)} [{short(of.low)}, {short(of.high)}]" if of.low is not None else short(of.value)


def wide_matrix(results: StudyResults, costs: Sequence[CostOnTrack]) -> pd.DataFrame:
    """Methods by tracks: mean, rank, failed runs and median time of a pair, under the reference condition."""
    seconds = {(c.track, c.method): c.wall_s for c in costs}
    rows: dict[str, dict[str, object]] = {}
    for of in results.matrix:
        if of.place.condition != REFERENCE:
            continue
        row = rows.setdefault(of.method, {"method": of.method, "family": of.family})
        track = of.place.track
        row |= {f"{track}: {title(of.metric) if of.metric else 'mean'}": short(of.mean, 4)}
        row |= {f"{track}: rank": of.rank or NONE, f"{track}: failed": f"{of.failed} of {of.runs}"}
        row |= {f"{track}: s": short(seconds.get((track, of.method)))}
    return pd.DataFrame(list(rows.values())).fillna(NONE)

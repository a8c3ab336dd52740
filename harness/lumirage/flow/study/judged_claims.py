"""Holds the claims of a study against its scores: the analysis' tests, one for each claim, corrected together."""

import math
from dataclasses import dataclass

from lumirage.analysis.claim_verdicts import (
    ClaimTest,
    ClaimVerdict,
    Evidence,
    PlaceTest,
    claim_test,
    expectation_of,
    judge,
)
from lumirage.analysis.contrast_rows import LeftOut
from lumirage.analysis.estimates import Estimate
from lumirage.analysis.failure_shares import FailureShare, failure_share
from lumirage.analysis.family_contrasts import FamilyContrast, family_contrast
from lumirage.analysis.family_scores import FamilySettings, Measure
from lumirage.analysis.interactions import Interaction, interaction
from lumirage.core.errors import UsageError
from lumirage.core.metrics import METRICS
from lumirage.core.study import OF_RUNS, Claim, Place
from lumirage.core.study_results import ClaimAtPlace, ClaimResult, Decision, Interval, LeftOutMethod
from lumirage.flow.study.study_scores import StudyScores

ONE_SIDED = 0.025
"""A place alone says something where its one-sided p is below this: as its 95 % interval does."""


@dataclass(frozen=True)
class _Measured:
    """A claim with the evidence of each place, None where it was not measured, and why."""

    claim: Claim
    evidence: dict[Place, Evidence]
    sources: dict[Place, str]
    reasons: dict[Place, str]
    test: ClaimTest | None


def judged_claims(scores: StudyScores) -> tuple[ClaimResult, ...]:
    """The verdicts on all claims, in their order."""
    measured = [_measure(scores, claim) for claim in scores.study.claims]
    verdicts = iter(judge([one.test for one in measured if one.test is not None]))
    return tuple(_result(one, next(verdicts) if one.test is not None else None) for one in measured)


def _measure(scores: StudyScores, claim: Claim) -> _Measured:
    one = _Measured(claim, {}, {}, {}, None)
    for place in claim.where:
        needed = dict.fromkeys(p.track for p in (place, claim.reference) if p is not None)
        absent = [track for track in needed if track not in scores.tracks]
        if absent:
            one.reasons[place] = (
                f"track {absent[0]} was not measured"
                if len(absent) == 1
                else f"tracks {' and '.join(absent)} were not measured"
            )
            continue
        one.sources[place] = _source(scores, claim, place)
        try:
            one.evidence[place] = _evidence(scores, claim, place, one.sources[place])
        except UsageError as error:
            one.reasons[place] = str(error)
    if not one.evidence:
        return one
    try:
        test = claim_test(
            claim.id, expectation_of(claim), list(one.evidence.values()), claim.margin, over_methods=claim.over_methods
        )
    except UsageError as error:
        return _Measured(claim, {}, one.sources, dict.fromkeys(claim.where, str(error)), None)
    return _Measured(claim, one.evidence, one.sources, one.reasons, test)


def _result(one: _Measured, verdict: ClaimVerdict | None) -> ClaimResult:
    tests = dict(zip(one.evidence, verdict.test.places, strict=True)) if verdict else {}
    places = tuple(_at_place(one, place, tests.get(place)) for place in one.claim.where)
    unit = "" if one.claim.kind in OF_RUNS else METRICS[one.claim.metric].unit
    decision, reason = _decision(one, verdict)
    return ClaimResult(
        claim=one.claim,
        unit=unit,
        decision=decision,
        p_holm=number(verdict.p_holm) if verdict else None,
        people_needed=verdict.people_needed if verdict else None,
        reason=reason,
        places=places,
    )


def _decision(one: _Measured, verdict: ClaimVerdict | None) -> tuple[Decision, str]:
    """A claim that must hold at several places is not supported while one of them was not measured."""
    missing = "; ".join(f"{place.name}: {why}" for place, why in one.reasons.items())
    if verdict is None:
        return "not measured", missing
    words: dict[str, Decision] = {"supported": "supported", "refuted": "refuted", "undecided": "undecided"}
    found = words[verdict.decision.value]
    if missing and found != "refuted":
        return "undecided", "; ".join(filter(None, (missing, verdict.reason)))
    return found, verdict.reason


def _source(scores: StudyScores, claim: Claim, place: Place) -> str:
    """The label source that was asked for, or the first by which the metric has values at all places."""
    if claim.source or claim.kind in OF_RUNS:
        return claim.source
    common = set(scores.tracks[place.track].sources(claim.metric, claim.preset, place.condition))
    if claim.reference:
        of = claim.reference
        common &= set(scores.tracks[of.track].sources(claim.metric, claim.preset, of.condition))
    return min(common, default="")


def _evidence(
    scores: StudyScores, claim: Claim, place: Place, source: str
) -> FamilyContrast | Interaction | FailureShare:
    track = scores.tracks[place.track]
    if claim.kind in OF_RUNS:
        return failure_share(track.scores, scores.families[claim.family], condition=place.condition, track=place.track)
    families = {name: scores.families[name] for name in (claim.family, claim.against)}
    margin = claim.margin if claim.kind in ("no_worse_than", "equivalence") else None
    settings = FamilySettings(claim.family, claim.against, track.evaluation.track.on_failure, margin)
    if claim.reference is None:
        return family_contrast(track.scores, families, _measure_of(claim, place, source), settings)
    here, there = scores.told_apart(place.track, claim.reference.track)
    measures = (_measure_of(claim, place, source), _measure_of(claim, claim.reference, source))
    return interaction(here, there, families, measures, settings)


def _measure_of(claim: Claim, place: Place, source: str) -> Measure:
    return Measure(claim.metric, place.track, place.condition, claim.preset, source=source)


def _at_place(one: _Measured, place: Place, test: PlaceTest | None) -> ClaimAtPlace:
    source = one.sources.get(place, "")
    if test is None:
        reason = one.reasons.get(place, "")
        return ClaimAtPlace(
            place=place, alone="not measured", difference=Interval(reason=reason), source=source, reason=reason
        )
    evidence = test.evidence
    found = ClaimAtPlace(
        place=place,
        alone=_alone(test),
        difference=_value(evidence),
        p_support=number(test.p_support),
        p_refute=number(test.p_refute),
        n_people=evidence.n_people,
        n_pairs=evidence.n_pairs,
        n_methods=evidence.n_methods,
        source=source,
    )
    if isinstance(evidence, FailureShare):
        return found
    more = {
        "over_methods": interval(evidence.over_methods.times(evidence.direction)),
        "without": left_out(evidence.without, evidence.direction),
        "means": _means(one.claim, evidence),
        "notes": evidence.notes,
        "pairing": evidence.pairing.value if isinstance(evidence, Interaction) else "",
        "reason": evidence.difference.reason,
    }
    return found.model_copy(update=more)


def _value(evidence: Evidence) -> Interval:
    """In the good direction."""
    if isinstance(evidence, FailureShare):
        return Interval(value=number(evidence.share), low=number(evidence.low), high=number(evidence.high))
    return interval(evidence.difference.times(evidence.direction))


def _alone(test: PlaceTest) -> Decision:
    if not isinstance(test.evidence, FailureShare) and not math.isfinite(test.evidence.difference.value):
        return "not measured"
    if test.p_support < ONE_SIDED:
        return "supported"
    return "refuted" if test.p_refute < ONE_SIDED else "undecided"


def _means(claim: Claim, evidence: FamilyContrast | Interaction) -> dict[str, float | None]:
    here = evidence.track if isinstance(evidence, Interaction) else evidence
    found = {claim.family: number(here.mean_first), claim.against: number(here.mean_second)}
    if isinstance(evidence, Interaction) and claim.reference:
        there = evidence.reference
        found |= {
            f"{claim.family}, {claim.reference.identifier}": number(there.mean_first),
            f"{claim.against}, {claim.reference.identifier}": number(there.mean_second),
        }
    return found


def number(value: float) -> float | None:
    """A number for a record: None for one that is undefined."""
    return float(value) if math.isfinite(value) else None


def interval(of: Estimate) -> Interval:
    """An estimate for a record."""
    return Interval(value=number(of.value), low=number(of.low), high=number(of.high), p=number(of.p), reason=of.reason)


def left_out(found: tuple[LeftOut, ...], sign: int = 1) -> tuple[LeftOutMethod, ...]:
    """The differences without each method, for a record."""
    return tuple(
        LeftOutMethod(method=one.method, family=one.family, difference=interval(one.difference.times(sign)))
        for one in found
    )

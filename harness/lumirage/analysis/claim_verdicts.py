"""Judges claims that were written down before looking: supported, refuted or undecided, and what would decide them.

A claim is about a number with a good direction: how much better the first family is than the second, how much better it holds
up in a track than in the reference, or the share of runs that fail. Both directions of a claim are tested one-sided at half
of alpha each, so a verdict agrees with the two-sided interval; Holm's correction runs over all claims of a study. A claim
that is not decided says how many people would decide it if the truth were as estimated.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lumirage.analysis.estimates import Estimate
from lumirage.analysis.failure_shares import FailureShare
from lumirage.analysis.family_contrasts import FamilyContrast
from lumirage.analysis.interactions import Interaction
from lumirage.analysis.power import people_needed
from lumirage.analysis.significance import check_margin, holm
from lumirage.core.errors import UsageError
from lumirage.core.study import Claim

Evidence = FamilyContrast | Interaction | FailureShare


class Expectation(StrEnum):
    """What a claim says of the first family, with the margin that would matter; better is the metric's good direction."""

    BETTER = "better"
    """Better by more than the margin (0 or more); in an interaction: loses less, by more than the margin."""
    WORSE = "worse"
    """Worse by more than the margin; in an interaction: loses more, by more than the margin."""
    NOT_WORSE = "not worse"
    """Not worse by the margin or more (non-inferior)."""
    DIFFERENT = "different"
    """Better or worse by more than the margin."""
    EQUIVALENT = "equivalent"
    """Neither better nor worse by the margin or more (two one-sided tests)."""
    DOES_NOT_RUN = "does not run"
    """More than the margin, a share from 0 to 1, of the runs fail."""
    RUNS = "runs"
    """Less than the margin, a share from 0 to 1, of the runs fail."""


class Decision(StrEnum):
    """What the data say of a claim."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


CLAIMED = {
    "no_worse_than": Expectation.NOT_WORSE,
    "equivalence": Expectation.EQUIVALENT,
    "does_not_run": Expectation.DOES_NOT_RUN,
    "runs": Expectation.RUNS,
}
"""Kind of a claim of a study -> what it expects; the others have a direction."""


@dataclass(frozen=True)
class PlaceTest:
    """A claim at one place: a track and condition."""

    evidence: Evidence
    p_support: float
    """One-sided p against what the claim denies; NaN if it cannot be tested."""
    p_refute: float
    """One-sided p against the claim."""


@dataclass(frozen=True)
class ClaimTest:
    """A claim with its evidence, before the correction for the other claims."""

    name: str
    expectation: Expectation
    margin: float
    over_methods: bool
    """Whether the claim is about methods like these, not only these."""
    places: tuple[PlaceTest, ...]
    """It must hold at each of them."""

    @property
    def p_support(self) -> float:
        """The largest of the places' p: an intersection-union test. NaN if one cannot be tested."""
        return max((place.p_support for place in self.places), key=lambda p: (math.isnan(p), p))

    @property
    def p_refute(self) -> float:
        """The smallest of the places' p times their number: one place where it does not hold refutes it."""
        known = [place.p_refute for place in self.places if not math.isnan(place.p_refute)]
        return min(1.0, len(self.places) * min(known)) if known else math.nan

    @property
    def p(self) -> float:
        """Two-sided: twice the smaller of both."""
        known = [p for p in (self.p_support, self.p_refute) if not math.isnan(p)]
        return min(1.0, 2 * min(known)) if known else math.nan

    def place(self, decided: bool) -> PlaceTest:
        """The place on which the claim stands or falls: where it holds least, or cannot be tested and is therefore open."""
        untested = [place for place in self.places if math.isnan(place.p_support)]
        if untested and not decided:
            return untested[0]
        return max((place for place in self.places if place not in untested), key=lambda place: place.p_support)


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim, its verdict, and what stands behind it: the numbers are those of the place on which it stands or falls."""

    test: ClaimTest
    decision: Decision
    value: float
    """In the good direction: how much better the first family is or holds up; of runs, the share that failed."""
    low: float
    high: float
    p: float
    p_holm: float
    """Corrected for all claims that were judged together."""
    n_people: int
    n_pairs: int
    n_methods: int
    people_needed: int | None
    """To decide an undecided claim with power .8, if the truth is as estimated; None if decided or if no number would."""
    reason: str
    """Why a claim is undecided and what would decide it; empty for one that is decided."""


def expectation_of(claim: Claim) -> Expectation:
    """What a claim of a study expects."""
    return CLAIMED.get(claim.kind) or Expectation(claim.direction)


def claim_test(
    name: str, expectation: Expectation, evidence: Sequence[Evidence], margin: float, *, over_methods: bool = False
) -> ClaimTest:
    """Tests one claim on the evidence of all places where it must hold; the margin is in the metric's unit, or a share.

    Raises UsageError for a margin that the expectation cannot have or that is too small to measure, for evidence of another
    kind, and for a metric whose good direction is not known.
    """
    for of_place in evidence:
        _check(name, expectation, of_place, margin)
    places = tuple(PlaceTest(of, *_tails(expectation, _estimate(of, over_methods), margin)) for of in evidence)
    return ClaimTest(name, expectation, margin, over_methods, places)


def judge(tests: Sequence[ClaimTest], alpha: float = 0.05) -> tuple[ClaimVerdict, ...]:
    """The verdicts on all claims of a study, in their order; Holm's correction runs over those that can be tested."""
    adjusted = holm([test.p for test in tests])
    return tuple(_verdict(test, float(p), alpha, len(tests)) for test, p in zip(tests, adjusted, strict=True))


def _tails(expectation: Expectation, of: Estimate | FailureShare, margin: float) -> tuple[float, float]:
    """One-sided p for the claim and against it."""
    match expectation:
        case Expectation.BETTER | Expectation.DOES_NOT_RUN:
            return of.p_above(margin), of.p_below(margin)
        case Expectation.RUNS:
            return of.p_below(margin), of.p_above(margin)
        case Expectation.WORSE:
            return of.p_below(-margin), of.p_above(-margin)
        case Expectation.NOT_WORSE:
            return of.p_above(-margin), of.p_below(-margin)
        case Expectation.EQUIVALENT | Expectation.DIFFERENT:
            within = max(of.p_above(-margin), of.p_below(margin))
            beyond = min(of.p_above(margin), of.p_below(-margin))
            return (within, beyond) if expectation is Expectation.EQUIVALENT else (beyond, within)


def _verdict(test: ClaimTest, p_holm: float, alpha: float, n_claims: int) -> ClaimVerdict:
    decided = p_holm < alpha
    evidence = test.place(decided).evidence
    of = _estimate(evidence, test.over_methods)
    supported = test.p_support < test.p_refute
    needed = None if decided or math.isnan(p_holm) else _people_needed(test, evidence, alpha / n_claims)
    return ClaimVerdict(
        test=test,
        decision=(Decision.SUPPORTED if supported else Decision.REFUTED) if decided else Decision.UNDECIDED,
        value=of.share if isinstance(of, FailureShare) else of.value,
        low=of.low,
        high=of.high,
        p=test.p,
        p_holm=p_holm,
        n_people=evidence.n_people,
        n_pairs=evidence.n_pairs,
        n_methods=evidence.n_methods,
        people_needed=needed,
        reason="" if decided else _reason(test, evidence, needed, alpha, n_claims),
    )


def _check(name: str, expectation: Expectation, evidence: Evidence, margin: float) -> None:
    of_runs = expectation in (Expectation.DOES_NOT_RUN, Expectation.RUNS)
    if of_runs != isinstance(evidence, FailureShare):
        raise UsageError(f"claim {name}: '{expectation}' is about {'failed runs' if of_runs else 'a difference'}")
    if of_runs and not 0 <= margin <= 1:
        raise UsageError(f"claim {name}: the margin of '{expectation}' is a share from 0 to 1, not {margin:g}")
    if margin < 0:
        raise UsageError(f"claim {name}: the margin of '{expectation}' must not be negative: {margin:g}")
    if isinstance(evidence, FailureShare):
        return
    if evidence.direction == 0:
        raise UsageError(f"claim {name}: nobody knows which way of this metric is better; choose another one")
    if expectation in (Expectation.NOT_WORSE, Expectation.EQUIVALENT):
        check_margin(evidence.metric, margin)


def _estimate(evidence: Evidence, over_methods: bool) -> Estimate | FailureShare:
    if isinstance(evidence, FailureShare):
        return evidence
    return (evidence.over_methods if over_methods else evidence.difference).times(evidence.direction)


def _people_needed(test: ClaimTest, evidence: Evidence, alpha: float) -> int | None:
    if isinstance(evidence, FailureShare):
        return evidence.people_needed(test.margin, alpha)
    of = (evidence.over_methods if test.over_methods else evidence.difference).times(evidence.direction)
    bounds = {
        Expectation.BETTER: (test.margin,),
        Expectation.WORSE: (-test.margin,),
        Expectation.NOT_WORSE: (-test.margin,),
    }.get(test.expectation, (-test.margin, test.margin))
    distance = min(abs(of.value - bound) for bound in bounds)
    if not (distance > 0 and of.se > 0):
        return None
    people = evidence.difference.se
    fixed = math.sqrt(max(of.se**2 - people**2, 0.0))
    return people_needed(distance, people, evidence.n_people, fixed, alpha=alpha)


def _reason(test: ClaimTest, evidence: Evidence, needed: int | None, alpha: float, n_claims: int) -> str:
    of = _estimate(evidence, test.over_methods)
    if isinstance(of, Estimate) and not of.se > 0:
        return of.reason or "every pair gives the same difference: nothing says how much people differ"
    words = []
    if test.p < alpha:
        words.append(f"decided alone (p {test.p:.2g}), but not after Holm's correction over {n_claims} claims")
    if needed is None:
        words.append(
            "more people alone would not decide it: more methods would have to run"
            if test.over_methods
            else "no number of people would decide it"
        )
    else:
        what = "share" if isinstance(of, FailureShare) else "difference"
        now = evidence.n_people
        words.append(f"about {needed} people would decide it ({now} now), if the true {what} is the estimated one")
    return "; ".join(words)

"""The sentences of a study: what was left out, what would decide a claim, and what became of it."""

from lumirage.core.metrics import METRICS, title
from lumirage.core.study import OF_RUNS, Claim
from lumirage.core.study_results import ClaimAtPlace, ClaimResult, Decision, Interval, StudyResults
from lumirage.reporting.axes import MINUS, short


def left_out_sentences(results: StudyResults) -> list[str]:
    """Everything that the study wanted and did not get, a sentence each."""
    found = [f"Left out: {what}: {why}" for what, why in results.left_out.items()]
    for (track, method), outcomes in results.fails_everywhere().items():
        counts = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in outcomes.items())
        found.append(
            f"method {method} failed on every run of track {track} ({counts}); it is counted by the track's policy"
        )
    found += [
        f"Track {facts.name}: {facts.planned_pairs - facts.pairs} of {facts.planned_pairs} pairs are not scored yet"
        for facts in results.tracks
        if facts.pairs < facts.planned_pairs
    ]
    return found


def tally(results: StudyResults) -> str:
    """How many claims are supported, refuted and open, in one sentence."""
    decisions = [result.decision for result in results.claims]
    kinds: tuple[Decision, ...] = ("supported", "refuted", "undecided", "not measured")
    parts = [f"{decisions.count(kind)} {kind}" for kind in kinds if kind in decisions]
    return f"{counted(len(decisions), 'claim')}: {', '.join(parts)}."


def rule(claim: Claim, titles: dict[str, str]) -> str:
    """What supports a claim and what refutes it, as it was written down before looking."""
    first, second = titles.get(claim.family, claim.family), titles.get(claim.against, claim.against)
    margin = f"{claim.margin:g}{_unit(claim)}"
    match claim.kind:
        case "does_not_run" | "runs":
            words = [f"{word} than {100 * claim.margin:g} %" for word in ("more", "less")]
            here, there = words if claim.kind == "does_not_run" else words[::-1]
            support, refute = f"significantly {here} of the runs of the {first} fail", f"significantly {there} do"
        case "no_worse_than":
            support = f"the {first} are significantly less than {margin} worse than the {second}"
            refute = "significantly more"
        case "equivalence":
            support = f"the {first} and the {second} differ by significantly less than {margin}"
            refute = "by significantly more"
        case "interaction":
            word = {"worse": "more", "better": "less", "different": "more or less"}[claim.direction]
            start = claim.reference.name if claim.reference else ""
            support = f"from {start} the {first} lose significantly {word} than the {second}{_by_more(claim)}"
            refute = "significantly not"
        case "difference":
            compared = "other" if claim.direction == "different" else claim.direction
            support = f"the {first} are significantly {compared} than the {second}{_by_more(claim)}"
            refute = "significantly not"
    return f"Supported if {support}; refuted if {refute}."


def _by_more(claim: Claim) -> str:
    return f", by more than {claim.margin:g}{_unit(claim)}" if claim.margin else ""


def found_at(result: ClaimResult, at: ClaimAtPlace, titles: dict[str, str]) -> str:
    """What was found at one place: the number with its interval, and who stands behind it."""
    claim, value = result.claim, shown_interval(at, over=result.claim.over_methods)
    if at.alone == "not measured":
        return f"Not measured at {at.place.name}: {at.reason}."
    behind = f"{at.n_people} people, {at.n_pairs} pairs, {counted(at.n_methods, 'method')}"
    first, second = titles.get(claim.family, claim.family), titles.get(claim.against, claim.against)
    if claim.kind in OF_RUNS:
        share = 100 * (value.value or 0.0)
        span = f" [{100 * (value.low or 0.0):.0f}, {100 * (value.high or 0.0):.0f}]"
        return f"At {at.place.name}, {share:.0f}{span} % of the runs of the {first} failed ({behind})."
    better = (value.value or 0.0) >= 0
    amount = _span(value if better else _turned(value), _unit(claim))
    if value.value == 0:
        said = (
            f"the {first} {'lost as much' if claim.kind == 'interaction' else 'were as good'} as the {second}: {amount}"
        )
    elif claim.kind == "interaction":
        said = f"the {first} lost {amount} {'less' if better else 'more'} than the {second}"
    else:
        said = f"the {first} were {amount} {'better' if better else 'worse'} than the {second}"
    return f"At {at.place.name}, {said} ({behind})."


def _turned(of: Interval) -> Interval:
    """The same seen from the other side."""
    value, low, high = (None if v is None else -v for v in (of.value, of.high, of.low))
    return Interval(value=value, low=low, high=high)


def _span(of: Interval, unit: str = "") -> str:
    if of.low is None or of.high is None:
        return f"{short(of.value)}{unit} (no interval)"
    return f"{short(of.value)} [{short(of.low)}, {short(of.high)}]{unit}"


def verdict_words(result: ClaimResult) -> str:
    """Why the verdict is what it is: the corrected p, and what would decide an open claim."""
    p = "" if result.p_holm is None else f"Holm-corrected p {probability(result.p_holm)} over all claims"
    words = "; ".join(filter(None, (p, result.reason)))
    return f"{words}." if words and result.decision != "not measured" else ""


def shown_interval(at: ClaimAtPlace, *, over: bool) -> Interval:
    """The interval that decides: over methods like these, where that is claimed."""
    return at.over_methods if over and at.over_methods.value is not None else at.difference


def signed(value: Interval) -> str:
    """A difference with its interval, in the good direction."""
    return ("+" if (value.value or 0.0) > 0 else "") + _span(value)


def _unit(claim: Claim) -> str:
    """What follows an amount: millimetres and the like, else the metric's name."""
    unit = METRICS[claim.metric].unit
    return f" {title(claim.metric)}" if unit == "1" else f" {unit}"


def probability(p: float) -> str:
    """A p value with its sign."""
    return "< .001" if p < 0.001 else f"= {p:.3f}".replace("0.", ".", 1)


def counted(n: int, what: str) -> str:
    """A number of things."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def claim_line(result: ClaimResult) -> str:
    """A claim in one line of a console."""
    values = "; ".join(
        f"{at.place.name} {signed(shown_interval(at, over=result.claim.over_methods)).replace(MINUS, '-')}"
        if at.alone != "not measured"
        else f"{at.place.name} {at.reason}"
        for at in result.places
    )
    return f"{result.decision:12}  {result.claim.id}: {result.claim.sentence} ({values})"

"""Checks that a method follows the contract, and that its field has the convention declared on its card.

Every judgement is made from `Attempt`s, so that it is the same for all runtimes and can be tested without one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from lumirage.core.errors import InvalidAnswerError
from lumirage.core.model import Convention, Method
from lumirage.core.space import Single, make_grid, read_displacement
from lumirage.methods.field_conventions import Verdict, card_line, describe, judge
from lumirage.methods.known_warps import CheckPair, View, known_pairs

Protection = Literal["read-only root", "no home", "user that is not root", "no network", "all"]
PROTECTIONS: tuple[Protection, ...] = ("read-only root", "no home", "user that is not root", "no network", "all")
NEEDS: dict[Protection, str] = {
    "read-only root": "a writable root file system; let it write to TMPDIR or the output folder",
    "no home": "a home directory; let it use HOME and XDG_CACHE_HOME, which the harness sets, or none",
    "user that is not root": "to be root; make its files readable for everybody in the Dockerfile",
    "no network": "a network; put the files that it fetches into the image, or declare them as weights on the card",
    "all": "more than the contract gives, several of: a writable root, a home, root's rights, a network",
}
"""What a method needs if it works only without this protection, and how to fix it."""
LOG_LINES = 12
LEAK_FACTOR = 10.0
"""In a random method, a change of order must move answers this many times more than chance does to count as a leak."""


@dataclass(frozen=True)
class Attempt:
    """The result of one list of pairs: the raw answers by view, how the method ended, and its log."""

    answers: Mapping[View, Path]
    ended_well: bool
    ending: str
    events: Sequence[tuple[str, str]] = ()
    log: str = ""
    pair_s: Mapping[View, float] | None = None


class Register(Protocol):
    """Lets the method register known pairs, in order, in one container (or one for each pair, if that is its mode)."""

    def __call__(self, pairs: Sequence[CheckPair], lifted: Protection | None) -> Attempt | None:
        """The result without the protection `lifted`, if given; None if this runtime cannot lift it."""


@dataclass(frozen=True)
class Finding:
    """The result of one check. `passed` is None if it could not be decided."""

    name: str
    passed: bool | None
    message: str


@dataclass(frozen=True)
class ConformanceReport:
    """All findings about a method, and the end of its log if something failed."""

    card: Method
    findings: tuple[Finding, ...]
    log: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(finding.passed is not False for finding in self.findings)


def check_method(card: Method, register: Register, folder: Path) -> ConformanceReport:
    """Run a method on known pairs, written into `folder`, and judge it. Raises what `register` raises."""
    pairs = known_pairs(folder, card.needs)
    first = register(pairs, None)
    assert first is not None  # without a lifted protection there is always an attempt
    needs: list[Finding] = []
    lifted: Protection | None = None
    if len(first.answers) < len(pairs):
        needs, lifted, first = _diagnose(pairs, first, register)
    findings = [_contract(pairs, first), *needs]
    if len(first.answers) < len(pairs):
        return ConformanceReport(card, tuple(findings), _end_of(first.log))
    fields, problems = _read(card, pairs, first)
    findings += problems
    if not problems:
        findings += _convention(card, pairs, fields)
    again, turned = register(pairs, lifted), register(pairs[::-1], lifted)
    findings += _repeats(card, pairs, (first, again, turned))
    return ConformanceReport(card, tuple(findings), "" if first.ended_well else _end_of(first.log))


def _diagnose(
    pairs: Sequence[CheckPair], failed: Attempt, register: Register
) -> tuple[list[Finding], Protection | None, Attempt]:
    """Lift one protection after the other until the method works."""
    for protection in PROTECTIONS:
        attempt = register(pairs, protection)
        if attempt is None:
            return [Finding("isolation", None, "not tried: this runtime does not isolate")], None, failed
        if len(attempt.answers) == len(pairs):
            return [Finding("isolation", False, f"it needs {NEEDS[protection]}")], protection, attempt
    return [Finding("isolation", None, "it fails with and without isolation: see the log")], None, failed


def _end_of(log: str) -> str:
    return "\n".join(log.rstrip().splitlines()[-LOG_LINES:])


def _contract(pairs: Sequence[CheckPair], attempt: Attempt) -> Finding:
    missing = [pair.view for pair in pairs if pair.view not in attempt.answers]
    if missing:
        return Finding("contract", False, f"no answer for {len(missing)} of {len(pairs)} pairs; it {attempt.ending}")
    if not attempt.ended_well:
        return Finding("contract", False, f"all answers are there, but it {attempt.ending}")
    said = [event for event in attempt.events if event[0] in {"begin", "end"}]
    wanted = [(event, pair.view) for pair in pairs for event in ("begin", "end")]
    if not said:
        return Finding("contract", True, "all answers are there; no events, so pairs are timed by when answers appear")
    if said != wanted:
        return Finding("contract", False, f"its events are not begin and end of each pair, in order: {said}")
    return Finding("contract", True, "all answers are there, with begin and end of each pair")


def _read(card: Method, pairs: Sequence[CheckPair], attempt: Attempt) -> tuple[list[Single], list[Finding]]:
    """The numbers as stored, or why they cannot be read as the card declares."""
    fields = []
    for pair in pairs:
        try:
            fields.append(_stored(attempt.answers[pair.view], pair, card.output))
        except InvalidAnswerError as error:
            hint = _readable_as(attempt.answers[pair.view], pair, card.output)
            return [], [Finding("file", False, f"{pair.view} pair: {error}{hint}")]
    return fields, []


def _stored(path: Path, pair: CheckPair, convention: Convention) -> Single:
    # Read as RAS mm displacement, nothing is converted: these are the raw numbers (a velocity is integrated first).
    raw = Convention(channels=convention.channels, affine=convention.affine)
    grid = make_grid(pair.truth.shape, pair.truth.affine)
    return read_displacement(path, convention if convention.kind == "velocity" else raw, grid).u


def _readable_as(path: Path, pair: CheckPair, declared: Convention) -> str:
    """A hint at another storage form under which the file can be read."""
    for changed in ({"affine": "ignored"}, {"channels": "first"}, {"channels": "first", "affine": "ignored"}):
        try:
            _stored(path, pair, declared.model_copy(update=changed))
        except InvalidAnswerError:
            continue
        lines = ", ".join(f"{field}: {value}" for field, value in changed.items())
        return f"; it can be read with `{lines}` in the card's output"
    return ""


def _convention(card: Method, pairs: Sequence[CheckPair], fields: Sequence[Single]) -> list[Finding]:
    if not any(np.any(field) for field in fields):
        passed = True if card.kind == "reference" else None
        return [Finding("convention", passed, "its field is zero, so it shows no convention")]
    integrated = card.output.kind == "velocity"
    declared = Convention() if integrated else card.output
    verdict = judge(list(fields), declared, [pair.truth for pair in pairs])
    return [_named(verdict, integrated), _recovered(verdict)]


def _named(verdict: Verdict, integrated: bool) -> Finding:
    declared = "the velocity that is declared" if integrated else describe(verdict.declared.arrangement)
    if verdict.agrees and verdict.weak:
        along = f"points along the true warp (cosine {verdict.declared.cosine:.2f}) and falls far short of it"
        return Finding("convention", True, f"its field is {declared}, as far as can be seen: it {along}")
    if verdict.agrees:
        return Finding("convention", True, f"its field is {declared}, as declared")
    if verdict.found is None:
        message = (
            f"its field, read as {declared}, is {verdict.declared.error_mm:.1f} mm from the true warp, doing nothing is "
            f"{verdict.nothing_mm:.1f} mm; no other convention explains it: the method does not find this warp"
        )
        return Finding("convention", None, message)
    found = verdict.found.arrangement
    mend = f"write this on the card: {card_line(found)}" if found.direction == "pull" else "write the inverse field"
    message = f"your field is {describe(found)}, declared {declared}; {mend}"
    return Finding("convention", False, message)


def _recovered(verdict: Verdict) -> Finding:
    error = (verdict.found or verdict.declared).error_mm
    message = f"its field is {error:.2f} mm from the true warp on average; doing nothing is {verdict.nothing_mm:.2f} mm"
    return Finding("accuracy", None if error >= verdict.nothing_mm else True, message)


def _repeats(
    card: Method, pairs: Sequence[CheckPair], attempts: tuple[Attempt, Attempt | None, Attempt | None]
) -> list[Finding]:
    first, again, turned = attempts
    by_chance, by_order = _differs(card, pairs, first, again), _differs(card, pairs, first, turned)
    if by_chance is None or by_order is None:
        return [Finding("repeat", False, "it worked once, and not when it was started again on the same pairs")]
    if by_chance == 0:
        same = Finding("repeat", True, "the same pairs give the same numbers, bit for bit")
    else:
        wanted = "the card says deterministic: true" if card.deterministic else "as its card says"
        same = Finding("repeat", not card.deterministic, f"two runs differ by up to {by_chance:.3g}; {wanted}")
    if by_order == 0:
        return [same, Finding("order", True, "the order of the pairs changes nothing")]
    if by_chance == 0 or by_order > LEAK_FACTOR * by_chance:
        message = f"the order of the pairs changes the answers by up to {by_order:.3g}: state leaks from pair to pair"
        return [same, Finding("order", False, message)]
    return [same, Finding("order", None, "undecided: two runs in the same order differ as much")]


def _differs(card: Method, pairs: Sequence[CheckPair], first: Attempt, other: Attempt | None) -> float | None:
    """Largest difference of any stored number; None when an answer is missing or cannot be read."""
    if other is None or len(other.answers) < len(pairs):
        return None
    worst = 0.0
    for pair in pairs:
        try:
            one, two = (_stored(attempt.answers[pair.view], pair, card.output) for attempt in (first, other))
        except InvalidAnswerError:
            if first.answers[pair.view].read_bytes() != other.answers[pair.view].read_bytes():
                return None
            continue
        worst = max(worst, float(np.abs(one - two).max()))
    return worst

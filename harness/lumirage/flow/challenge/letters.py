"""The letter to a team: what was received, whether it counts, what is wrong and what to change. Text, and JSON.

A letter names pairs as the team's own files do, and holds nothing of the truth: no label, no score.
"""

from collections.abc import Iterator

from lumirage.core.challenge import Challenge, Problem, Submission

VERDICTS = {
    "accepted": "accepted: every pair has a valid answer",
    "partial": "accepted in part: the pairs below without a valid answer count by the challenge's failure policy",
    "refused": "refused: it does not count, and a corrected one is welcome while the phase is open",
}
POLICIES = {
    "identity": "as doing nothing",
    "worst": "as the worst answer of all teams",
    "drop": "not at all, and the table says how many were left out",
}
PAIRS_LISTED = 20


def letter_text(submission: Submission, challenge: Challenge, pairs: int) -> str:
    """The letter, ready to send. `pairs`: how many the phase has."""
    return "\n".join(_lines(submission, challenge, pairs)) + "\n"


def _lines(submission: Submission, challenge: Challenge, pairs: int) -> Iterator[str]:
    yield f"{challenge.title or challenge.name}, phase {submission.phase}"
    yield f"To team {submission.team}"
    yield ""
    what = "a folder of fields" if submission.kind == "folder" else "an image"
    yield f"We received {what} on {submission.received[:19].replace('T', ' ')} UTC (harness {submission.harness})."
    if submission.note:
        yield f"Your note: {submission.note}"
    yield f"Its number is {submission.id}, the hash of its content; the rules' hash is {submission.rules}."
    yield ""
    yield f"Verdict: {VERDICTS[submission.verdict]}."
    if submission.kind == "folder":
        yield f"{len(submission.answers)} of {pairs} pairs have a valid answer."
    if submission.late:
        yield "It came after the end of the phase, and is marked as late wherever it is shown."
    if submission.verdict == "partial":
        yield f"A pair without a valid answer counts {POLICIES[challenge.failures.policy]}."
    yield from _problems("What must change", [p for p in submission.problems if p.fatal])
    yield from _problems("What we noticed, and you may want to check", [p for p in submission.problems if not p.fatal])
    yield ""
    yield f"The same check at home: lumirage-harness challenge check FOLDER|IMAGE --for {challenge.name}"
    if challenge.contact:
        yield f"Questions: {challenge.contact}"


def _problems(title: str, problems: list[Problem]) -> Iterator[str]:
    if not problems:
        return
    yield ""
    yield f"{title}:"
    for problem in problems[:PAIRS_LISTED]:
        where = f"{problem.pair}: " if problem.pair else ""
        mend = f" -> {problem.mend}" if problem.mend else ""
        yield f"  - {where}{problem.text}{mend}"
    if len(problems) > PAIRS_LISTED:
        yield f"  - and {len(problems) - PAIRS_LISTED} more; letter.json lists them all"

"""Why a task waits in Slurm's queue, in words that say what to do."""

import re
from collections.abc import Mapping

HELD_BACK = "HeldBack"
"""Ours: the array has not been submitted yet, because the queue takes no more tasks of this user."""
_WORDS = {
    HELD_BACK: "the queue takes no more of your tasks now; they are submitted as others end, or by the same command",
    "Priority": "others come first",
    "Resources": "for free nodes",
    "Dependency": "for the arrays before them",
    "JobArrayTaskLimit": "for others of their array; -j says how many run at a time",
    "BeginTime": "until the time that they were given, as after being requeued",
    "JobHeldUser": "held; `scontrol release` lets them go",
    "JobHeldAdmin": "held by the administrators; ask them",
    "launch failed requeued held": "held, because a node could not start them; `scontrol release` tries again",
    "DependencyNeverSatisfied": "for ever: what they depend on failed; cancel them and type the command again",
    "PartitionTimeLimit": "for ever: longer than the partition allows; cancel them and lower --timeout, --batch or "
    "--slurm time=",
    "PartitionNodeLimit": "for ever: larger than the partition allows; cancel them and choose another --slurm partition=",
    "BadConstraints": "for ever: no node has what they ask for; cancel them and change --slurm",
    "ReqNodeNotAvail": "for nodes that are down or reserved",
    "Reservation": "for their reservation",
    "Licenses": "for a licence",
}
_LIMIT = re.compile(r"^(QOS|Assoc)\w*(Max|Grp|Limit)")
_REFUSED = re.compile(r"^(InvalidAccount|InvalidQOS|AccountNotAllowed|QOSNotAllowed|PartitionConfig)")


def reason_words(reason: str) -> str:
    """What tasks wait for, after `wait`."""
    name = reason.partition(",")[0].strip("() ")
    if name in _WORDS:
        return f"{_WORDS[name]} ({name})"
    if _LIMIT.match(name):
        return f"a limit of your account or QOS ({name})"
    if _REFUSED.match(name):
        return f"for ever: account, QOS or partition do not allow them; cancel them and change --slurm ({name})"
    return name


def waiting_lines(reasons: Mapping[str, int]) -> list[str]:
    """A line for each reason, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return [f"{count} {'task waits' if count == 1 else 'tasks wait'}: {reason_words(name)}" for name, count in ordered]

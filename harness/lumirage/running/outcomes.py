"""How a run ended, from its container's end, its log and its answer, in a fixed order of precedence."""

from dataclasses import dataclass
from typing import Literal

from lumirage.core.model import Limits, Outcome, Usage

MEMORY_FULL = 0.98
SIGKILL = 9


@dataclass(frozen=True)
class Evidence:
    """What is known of one pair. `died`: its container ended abnormally while this pair was under way. `late`: seen from
    outside it took longer than it may, though its container went on, as where it said the words of other pairs."""

    usage: Usage
    limits: Limits
    died: bool
    answer: Literal["valid", "absent", "invalid"]
    answer_message: str = ""
    late: bool = False
    gpu_memory_words: bool = False
    memory_words: bool = False


def died(usage: Usage) -> bool:
    """Whether a container ended otherwise than by exit code 0."""
    return usage.exit_code != 0 or usage.timed_out or usage.over_quota


def outcome_of(seen: Evidence) -> tuple[Outcome, str]:
    """The outcome and a sentence for people.

    A valid answer in time, from a container that did not die, counts whatever the log says. Otherwise the first that
    applies: memory, as other failures follow from the kernel's kill; limits of the harness and late answers; words in
    the log; signal and exit code; the answer.
    """
    usage, limits = seen.usage, seen.limits
    rules: tuple[tuple[bool, Outcome, str], ...] = (
        (seen.answer == "valid" and not seen.died and not seen.late, Outcome.OK, ""),
        (
            usage.out_of_memory or _killed_when_full(seen),
            Outcome.OUT_OF_MEMORY,
            f"killed for memory at the limit of {limits.memory_bytes} bytes",
        ),
        (seen.died and usage.timed_out, Outcome.TIMEOUT, "stopped after the time limit"),
        (seen.late and not seen.died, Outcome.TIMEOUT, f"took longer than the {limits.pair_timeout_s:g} s of a pair"),
        (
            seen.died and usage.over_quota,
            Outcome.FAILED,
            f"stopped: it wrote more than {limits.output_bytes} bytes, or too many files",
        ),
        (
            seen.gpu_memory_words and limits.gpus > 0,
            Outcome.OUT_OF_GPU_MEMORY,
            "its log says that the GPU's memory was exhausted",
        ),
        (seen.died and seen.memory_words, Outcome.OUT_OF_MEMORY, "its log says that memory was exhausted"),
        (seen.died and usage.signal is not None, Outcome.CRASHED, f"ended by signal {usage.signal}"),
        (seen.died, Outcome.FAILED, f"exit code {usage.exit_code}"),
        (seen.answer == "absent", Outcome.NO_ANSWER, seen.answer_message),
    )
    for holds, outcome, message in rules:
        if holds:
            return outcome, message
    return Outcome.INVALID_ANSWER, seen.answer_message


def _killed_when_full(seen: Evidence) -> bool:
    """Engines that do not tell (podman): killed by the kernel, not by us, with memory at its limit."""
    usage = seen.usage
    ours = usage.timed_out or usage.over_quota
    full = (usage.peak_memory_bytes or 0) >= MEMORY_FULL * seen.limits.memory_bytes
    return seen.died and usage.signal == SIGKILL and not ours and full

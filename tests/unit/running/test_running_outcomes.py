import pytest
from running_world import LIMITS

from lumirage.core.model import Outcome, Usage
from lumirage.running.outcomes import Evidence, died, outcome_of


def seen(answer="valid", *, dead=False, late=False, gpu=False, memory=False, gpus=1, **usage) -> Evidence:
    return Evidence(
        usage=Usage(wall_s=1.0, **({"exit_code": 0} | usage)),
        limits=LIMITS.model_copy(update={"gpus": gpus}),
        died=dead,
        answer=answer,
        answer_message="about the answer",
        late=late,
        gpu_memory_words=gpu,
        memory_words=memory,
    )


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [
        (seen(), Outcome.OK),
        (seen(out_of_memory=True), Outcome.OK),
        (seen(gpu=True), Outcome.OK),
        (seen(exit_code=3), Outcome.OK),
        (seen(late=True), Outcome.TIMEOUT),
        (seen("absent", late=True), Outcome.TIMEOUT),
        (seen("absent", late=True, dead=True, exit_code=139, signal=11), Outcome.CRASHED),
        (seen("absent"), Outcome.NO_ANSWER),
        (seen("invalid"), Outcome.INVALID_ANSWER),
        (seen("absent", out_of_memory=True), Outcome.OUT_OF_MEMORY),
        (seen("invalid", out_of_memory=True), Outcome.OUT_OF_MEMORY),
        (seen("absent", gpu=True), Outcome.OUT_OF_GPU_MEMORY),
        (seen("absent", gpu=True, gpus=0), Outcome.NO_ANSWER),  # Java's OutOfMemoryError is of no GPU
        (seen("absent", memory=True), Outcome.NO_ANSWER),
        (seen("absent", dead=True, exit_code=1), Outcome.FAILED),
        (seen("valid", dead=True, exit_code=1), Outcome.FAILED),
        (seen("absent", dead=True, exit_code=1, gpu=True), Outcome.OUT_OF_GPU_MEMORY),
        (seen("absent", dead=True, exit_code=1, memory=True), Outcome.OUT_OF_MEMORY),
        (seen("absent", dead=True, exit_code=139, signal=11), Outcome.CRASHED),
        (seen("absent", dead=True, exit_code=137, signal=9, timed_out=True), Outcome.TIMEOUT),
        (seen("absent", dead=True, exit_code=137, signal=9, timed_out=True, gpu=True), Outcome.TIMEOUT),
        (seen("absent", dead=True, exit_code=137, signal=9, timed_out=True, out_of_memory=True), Outcome.OUT_OF_MEMORY),
        (seen("absent", dead=True, exit_code=137, signal=9, over_quota=True), Outcome.FAILED),
        (seen("absent", dead=True, exit_code=137, signal=9), Outcome.CRASHED),
        (
            seen("absent", dead=True, exit_code=137, signal=9, peak_memory_bytes=LIMITS.memory_bytes),
            Outcome.OUT_OF_MEMORY,
        ),
        (
            seen("absent", dead=True, exit_code=137, signal=9, timed_out=True, peak_memory_bytes=LIMITS.memory_bytes),
            Outcome.TIMEOUT,
        ),
    ],
)
def test_the_order_of_precedence(evidence: Evidence, outcome: Outcome):
    found, message = outcome_of(evidence)
    assert found is outcome
    assert bool(message) == (outcome is not Outcome.OK)


def test_a_container_died_unless_it_ended_with_code_0():
    assert not died(Usage(wall_s=1, exit_code=0))
    assert died(Usage(wall_s=1, exit_code=1))
    assert died(Usage(wall_s=1, exit_code=None))
    assert died(Usage(wall_s=1, exit_code=0, timed_out=True))

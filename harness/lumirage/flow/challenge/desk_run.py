"""Runs the images and scores every submission that counts. Killed and typed again, it goes on where it stopped."""

from dataclasses import dataclass, replace

from lumirage.core.challenge import Submission
from lumirage.core.errors import LumirageError, UsageError
from lumirage.core.layout import Layout
from lumirage.core.screen import Screen
from lumirage.core.track import Track
from lumirage.flow.challenge.answer_files import AnswerFiles, answered_by_image, handed_in
from lumirage.flow.challenge.desk import SENTINELS_ID, Desk, counted, rules_changed
from lumirage.flow.challenge.expected_answers import expected_answers
from lumirage.flow.challenge.score_answers import ScoringPlace, score_answers, score_sentinels
from lumirage.flow.evaluate import evaluate
from lumirage.flow.request import EvaluationRequest
from lumirage.planning.track_files import load_track


@dataclass(frozen=True)
class DeskRun:
    """What a run of the desk did: how many submissions have scores now, and those of which pairs failed."""

    scored: int
    waiting: tuple[str, ...]
    """Images whose runs wait on a cluster."""
    failed: tuple[str, ...] = ()
    """Submissions that could not be run or scored, and why: the others were."""


def run_desk(desk: Desk, phase: str, options: EvaluationRequest, screen: Screen) -> DeskRun:
    """Run and score the counted submissions of a phase, or of all. `options`: how images are run.

    Raises UsageError where the rules are not those that were declared.
    """
    if changes := rules_changed(desk):
        raise UsageError(
            f"{desk.layout.challenge}: {'; '.join(changes)}; nothing is scored by other rules than declared"
        )
    phases = [phase] if phase else [one.name for one in desk.challenge.phases]
    todo = {s.id: s for name in phases for s in counted(desk, name)}
    sentinels = desk.layout.scores(SENTINELS_ID)
    score_sentinels(desk, ScoringPlace(sentinels, sentinels, options.jobs), screen)
    waiting, failed = [], []
    for done, submission in enumerate(todo.values()):
        screen.progress("submissions", done, len(todo))
        name = f"{submission.team} ({submission.id[:6]})"
        try:
            answers = answers_of(desk, submission, options, screen)
            if answers is None:
                waiting.append(name)
                continue
            place = ScoringPlace(desk.layout.scores(submission.id), sentinels, options.jobs)
            score_answers(desk, submission.id, answers, place, screen)
        except LumirageError as error:  # one team's fault must not keep the others from their scores
            failed.append(f"{name}: {error}")
            screen.say(failed[-1])
    screen.progress("submissions", len(todo), len(todo))
    if desk.challenge.baselines:
        _run_baselines(desk, options, screen)
    return DeskRun(len(todo) - len(waiting) - len(failed), tuple(waiting), tuple(failed))


def answers_of(desk: Desk, submission: Submission, options: EvaluationRequest, screen: Screen) -> AnswerFiles | None:
    """What a submission answered; an image is run first. None while its runs wait on a cluster."""
    if submission.kind == "folder":
        return handed_in(desk, submission)
    tree = desk.layout.runs(submission.id)
    if not run_request(image_request(desk, (method_of(desk, submission),), tree, options), screen):
        return None
    return answered_by_image(
        tree, desk.layout.fields(submission.id), expected_answers(desk, None, desk.layout.prepared)
    )


def method_of(desk: Desk, submission: Submission) -> str:
    """A submitted image as --method takes it: the archived folder, or the image's name."""
    archived = desk.layout.archive(submission.id)
    return str(archived) if archived.is_dir() else submission.image


def run_request(request: EvaluationRequest, screen: Screen) -> bool:
    """Execute the runs of an evaluation; False while they wait on a cluster."""
    if request.executor == "slurm":
        from lumirage.flow.cluster.cluster_submit import submit

        return submit(request, ("run",), screen) is not None
    evaluate(request, ("run",), screen)
    return True


def request_of_track(request: EvaluationRequest) -> Track:
    """The track of a request, which names it."""
    return request.track if isinstance(request.track, Track) else load_track(str(request.track))


def image_request(desk: Desk, methods: tuple[str, ...], tree: Layout, options: EvaluationRequest) -> EvaluationRequest:
    """The evaluation of images on the challenge's dataset and track. Raises UsageError where there is none."""
    if desk.challenge.dataset is None:
        raise UsageError(
            f"{desk.layout.challenge}: to run images, 'dataset' must name the BIDS dataset ('lumirage-harness dataset import' "
            "makes it from the challenge's folder)"
        )
    return replace(
        options, methods=methods, bids=desk.path(desk.challenge.dataset), out=tree.root, track=desk.track,
        derivatives={name: desk.path(path) for name, path in desk.challenge.derivatives.items()},
        pairs=desk.challenge.pairs,
    )  # fmt: skip


def _run_baselines(desk: Desk, options: EvaluationRequest, screen: Screen) -> None:
    """The zoo's methods, scored by the same rules as the teams."""
    expected = expected_answers(desk, None, desk.layout.prepared)
    sentinels = desk.layout.scores(SENTINELS_ID)
    for name in desk.challenge.baselines:
        tree = desk.layout.baseline_runs(name)
        if not run_request(image_request(desk, (name,), tree, options), screen):
            continue
        known = desk.layout.baseline(name)
        answers = answered_by_image(tree, desk.layout.fields(known), expected)
        place = ScoringPlace(desk.layout.scores(known), sentinels, options.jobs)
        score_answers(desk, name, answers, place, screen)

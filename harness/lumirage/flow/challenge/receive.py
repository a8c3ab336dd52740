"""Takes a submission: validated at once, archived by hash, answered with a letter. Nothing is taken by half."""

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lumirage import __version__
from lumirage.core.challenge import Challenge, Declaration, Phase, Problem, Submission, Verdict
from lumirage.core.checksums import copy_and_digest
from lumirage.core.errors import UsageError
from lumirage.core.layout import Layout, digest, write_text
from lumirage.core.model import SENTINELS
from lumirage.core.records import read_json, write_json
from lumirage.core.screen import Screen
from lumirage.flow.challenge.desk import Desk, declaration_of, rules_changed
from lumirage.flow.challenge.examine_folder import Examined, examine_folder, folder_contents, is_method_folder
from lumirage.flow.challenge.expected_answers import expected_answers, phase_at
from lumirage.flow.challenge.letters import letter_text


@dataclass(frozen=True)
class HandedIn:
    """What a team hands in, as typed."""

    team: str
    what: str
    """A folder of fields, a method's folder, or an image."""
    note: str = ""
    phase: str = ""
    """Empty: the one that is open."""
    runtime: str = "auto"
    received: str = ""
    """UTC, ISO 8601, for submissions that came by other ways; empty: now."""

    @property
    def moment(self) -> str:
        """When it was received."""
        if not self.received:
            return datetime.now(UTC).isoformat(timespec="seconds")
        try:
            moment = datetime.fromisoformat(self.received)
        except ValueError as error:
            raise UsageError(
                f"--received {self.received}: expected a date and time such as 2026-05-01T12:00"
            ) from error
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Received:
    """A submission, its letter, and whether it was there before."""

    submission: Submission
    letter: str
    known: bool = False


def check_submission(desk: Desk, handed: HandedIn, cache: Layout, screen: Screen) -> Received:
    """The verdict and the letter that the desk would give; nothing is kept."""
    phase = phase_at(desk, handed.phase, handed.moment)
    return _examined(desk, handed, phase, _contents(handed), cache, screen)


def add_submission(desk: Desk, handed: HandedIn, screen: Screen) -> Received:
    """Validate, archive and record a submission, refused ones too, with its letter.

    The same content of the same team in the same phase is told, not doubled. Raises UsageError where the rules changed
    after the first submission, or the team's name is taken by a baseline.
    """
    _check_team(desk.challenge, handed.team)
    if changes := rules_changed(desk):
        raise UsageError(
            f"{desk.layout.challenge}: {'; '.join(changes)}; put the rules back as {desk.layout.declared.name} has them, or "
            "begin another desk"
        )
    phase = phase_at(desk, handed.phase, handed.moment)
    contents = _contents(handed)
    if contents and (known := _known(desk, handed.team, phase, _identity(contents))):
        return known
    received = _examined(desk, handed, phase, contents, desk.layout.prepared, screen)
    submission = received.submission
    if known := _known(desk, handed.team, phase, submission.id):  # an image is known once it was looked at
        return known
    files = desk.layout.submission(handed.team, phase.name, submission.id)
    if declaration_of(desk) is None:
        declared = Declaration(
            harness=__version__, when=submission.received, rules=desk.rules(), contents=desk.contents(),
            challenge=desk.challenge,
        )  # fmt: skip
        write_json(desk.layout.declared, declared)
    if Path(handed.what).is_dir():
        archive_folder(Path(handed.what), submission.contents, desk.layout.archive(submission.id))
    write_text(files.letter, received.letter)
    write_text(files.letter_json, submission.model_dump_json(indent=1) + "\n")
    write_json(files.record, submission)
    return received


def _contents(handed: HandedIn) -> dict[str, str]:
    """What is hashed of a folder; of an image nothing yet."""
    return folder_contents(Path(handed.what)) if Path(handed.what).is_dir() else {}


def _identity(contents: Mapping[str, str]) -> str:
    return digest(*(f"{name}={of}" for name, of in sorted(contents.items())))


def _known(desk: Desk, team: str, phase: Phase, identity: str) -> Received | None:
    files = desk.layout.submission(team, phase.name, identity)
    if not files.record.is_file():
        return None
    return Received(read_json(files.record, Submission), files.letter.read_text(encoding="utf-8"), known=True)


def archive_folder(folder: Path, contents: Mapping[str, str], archive: Path) -> None:
    """Copy the files of a submission, each one as it was hashed. The archive is there whole or not at all."""
    if archive.is_dir():
        return  # another team's, or an earlier phase's, of the same content
    aside = archive.with_name(f".{uuid.uuid4().hex}-{archive.name}")
    try:
        for name in contents:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            if copy_and_digest(folder / name, aside / name) != contents[name]:
                raise UsageError(f"{folder}: changed while it was copied; hand it in again when it is finished")
        aside.rename(archive)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _check_team(challenge: Challenge, team: str) -> None:
    if team.lower() in {name.lower() for name in (*SENTINELS, *challenge.baselines, "sentinels")}:
        raise UsageError(f"team '{team}': a baseline or sentinel has this name; give the team another one")
    if not team.replace("-", "").replace("_", "").replace(".", "").isalnum() or not team[0].isalnum():
        raise UsageError(f"team '{team}': its name becomes a folder; use letters, digits, '-', '_' and '.'")


def _examined(
    desk: Desk, handed: HandedIn, phase: Phase, contents: dict[str, str], cache: Layout, screen: Screen
) -> Received:
    expected = expected_answers(desk, phase, cache)
    is_folder = Path(handed.what).is_dir() and not is_method_folder(handed.what)
    image = ""
    if is_folder:
        examined = examine_folder(Path(handed.what), contents, expected, screen)
        verdict = _verdict(examined, len(expected), desk.challenge)
    else:
        if desk.challenge.dataset is None:
            raise UsageError(
                f"{handed.what}: this challenge takes folders of fields; to run images it needs a 'dataset'"
            )
        from lumirage.flow.challenge.examine_image import examine_image  # late: engines are only needed here

        found = examine_image(handed.what, handed.runtime, screen)
        contents = contents or {"image": found.digest or handed.what}
        examined, image = Examined(found.problems, {}), handed.what
        verdict = "refused" if any(problem.fatal for problem in found.problems) else "accepted"
    moment = handed.moment
    late = bool(phase.ends and datetime.fromisoformat(moment) > phase.ends)
    problems = examined.problems
    if late:
        refused = phase.late == "refuse"
        text = f"it came on {moment[:16]} UTC, and the phase ended on {phase.ends:%Y-%m-%d %H:%M} UTC"
        problems = (*problems, Problem(kind="late", text=text, fatal=refused))
        verdict = "refused" if refused else verdict
    submission = Submission(
        harness=__version__, team=handed.team, id=_identity(contents),
        kind="folder" if is_folder else "image", phase=phase.name, received=moment, rules=desk.rules(), note=handed.note,
        late=late, verdict=verdict, problems=problems, image=image, contents=contents, answers=dict(examined.answers),
    )  # fmt: skip
    return Received(submission, letter_text(submission, desk.challenge, len(expected)))


def _verdict(examined: Examined, pairs: int, challenge: Challenge) -> Verdict:
    if len(examined.answers) == pairs:
        return "accepted"
    return "partial" if examined.answers and challenge.failures.incomplete == "partial" else "refused"

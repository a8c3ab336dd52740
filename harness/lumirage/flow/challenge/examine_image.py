"""Validates an image or method folder by the doctor's means: it registers known pairs, and its field shows its convention."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.challenge import Problem, ProblemKind
from lumirage.core.errors import LumirageError
from lumirage.core.screen import Screen
from lumirage.flow.method_setup.install import method_installer
from lumirage.flow.method_setup.method_trials import MethodTrials, with_progress
from lumirage.methods.conformance import Finding, check_method
from lumirage.methods.weights import require_weights

FATAL = ("contract", "file", "repeat")
"""Checks without which an image cannot be run; the others are told."""
MEND = "run 'lumirage-harness methods check' on it, and change what it names"


@dataclass(frozen=True)
class ExaminedImage:
    """What was found about an image, and who it is."""

    problems: tuple[Problem, ...]
    name: str
    digest: str


def examine_image(word: str, runtime: str, screen: Screen) -> ExaminedImage:
    """Let an image, or the method of a folder, register the doctor's pairs. Raises what starting an engine raises."""
    installer = method_installer(runtime, screen)
    with tempfile.TemporaryDirectory(prefix="lumirage-check-") as scratch:
        try:
            source = installer.find(word)
            use = installer.use(source)
        except LumirageError as error:
            return ExaminedImage((Problem(kind="image", text=str(error), mend=MEND),), "", "")
        trials = MethodTrials(use.card, use.image, installer.runtime, Path(scratch), require_weights(use.card))
        report = check_method(use.card, with_progress(trials, use.card.name, screen), Path(scratch) / "known")
    problems = tuple(_problem(finding) for finding in report.findings if finding.passed is False)
    return ExaminedImage(problems, use.card.name, use.digest)


def _problem(finding: Finding) -> Problem:
    kind: ProblemKind = "convention" if finding.name == "convention" else "image"
    text = f"{finding.name}: {finding.message}"
    return Problem(kind=kind, text=text, mend=MEND, fatal=finding.name in FATAL)

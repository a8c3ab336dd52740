"""What the user asked for of a study: the words of the command line as one record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lumirage.core.errors import UsageError, nearest
from lumirage.core.study import Study
from lumirage.core.study_layout import StudyLayout
from lumirage.flow.request import EvaluationRequest
from lumirage.planning.study_files import load_study


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """What the user typed; `options` has how methods are run, and nothing of a track."""

    study: Study
    layout: StudyLayout
    options: EvaluationRequest
    data: Mapping[str, Path] = field(default_factory=dict)
    """Dataset of the study -> its folder."""
    derivatives: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    """Dataset -> label source -> folder."""
    methods: tuple[str, ...] = ()
    """Only these of the study's methods; empty: all."""

    def __post_init__(self) -> None:
        for option, names in (("--data", self.data), ("--derivatives", self.derivatives)):
            for name in names:
                _known(option, name, self.study.datasets)
        for name in self.methods:
            _known("--method", name, self.study.methods)


def _known(option: str, name: str, names: Mapping[str, object] | tuple[str, ...]) -> None:
    if name not in names:
        raise UsageError(f"{option}: the study has no '{name}'{nearest(name, names)}")


def checked_study(word: str) -> Study:
    """A study by name or file, whose claims can also be tested. Raises UsageError."""
    # late: the statistics load scipy
    from lumirage.analysis.significance import check_margin

    study = load_study(word)
    for claim in study.claims:
        if claim.kind in ("no_worse_than", "equivalence"):
            try:
                check_margin(claim.metric, claim.margin)
            except UsageError as error:
                raise UsageError(f"{word}: claims.{claim.id}.margin: {error}") from error
    return study

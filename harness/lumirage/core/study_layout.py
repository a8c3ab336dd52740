"""Every path of a study's output tree.

OUT/
    declaration.json      the study as it was written down before the first run, and every later change to it
    datasets/<name>/      datasets that a recipe makes
    tracks/<name>/        an output tree each, as `Layout` says
    report/index.html     the page; study.json, claims.tsv, families.tsv ... the numbers that it shows
"""

from dataclasses import dataclass
from pathlib import Path

from lumirage.core.layout import Layout


@dataclass(frozen=True)
class StudyLayout:
    """The paths of a study's output tree; all absolute."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())

    def movable(self, text: str) -> str:
        """A message without the place of this tree, for files that stay true when it is moved."""
        return text.replace(f"{self.root}/", "").replace(str(self.root), "OUT")

    @property
    def record(self) -> Path:
        """`lumirage.core.study.StudyRecord`."""
        return self.root / "declaration.json"

    @property
    def lock(self) -> Path:
        """Held by the harness that carries out this study."""
        return self.root / ".lock"

    def dataset(self, name: str) -> Path:
        """A dataset that a recipe makes."""
        return self.root / "datasets" / name

    def track(self, name: str) -> Layout:
        """The output tree of one track."""
        return Layout(self.root / "tracks" / name)

    @property
    def report(self) -> Path:
        """Folder of the page."""
        return self.root / "report"

    @property
    def page(self) -> Path:
        """Open this."""
        return self.report / "index.html"

    @property
    def results(self) -> Path:
        """The numbers of the page, for machines: `lumirage.core.study_results.StudyResults`."""
        return self.report / "study.json"

    def table(self, name: str) -> Path:
        """A table of the page: claims, families, matrix."""
        return self.report / f"{name}.tsv"

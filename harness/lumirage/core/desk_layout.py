"""Every path of a challenge's desk.

DESK/
    challenge.yaml        what the organizers declare: `lumirage.core.challenge.Challenge`
    declared.json         the same as it stood at the first submission: `lumirage.core.challenge.Declaration`
    submissions/TEAM/PHASE/ID/
        letter.txt        what the team is told
        letter.json       the same for machines
        submission.json   `lumirage.core.challenge.Submission`; written last
    archive/ID/           a byte for byte copy of what was handed in, by the hash of its content
    runs/ID/              an image: the output tree of its evaluation, as `lumirage.core.layout` says
    runs/ID-jitter/       the same on grids turned and shifted by a little
    runs/baseline-METHOD/ fields, scores: those of a baseline
    fields/ID/            an image under an official configuration: its answers as the challenge stores fields
    scores/ID/            scores.tsv, scores.parquet, metrics.json (official); parts by pair while it is scored
    prepared/             images on the working grid of a track; made again where they are missing
    site/                 the published pages
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.layout import Layout


@dataclass(frozen=True)
class SubmissionFolder:
    """The files of one submission."""

    root: Path

    @property
    def record(self) -> Path:
        """`lumirage.core.challenge.Submission`; if it exists, the submission was received."""
        return self.root / "submission.json"

    @property
    def letter(self) -> Path:
        """What the team is told, as text."""
        return self.root / "letter.txt"

    @property
    def letter_json(self) -> Path:
        """What the team is told, for machines."""
        return self.root / "letter.json"


@dataclass(frozen=True)
class DeskLayout:
    """The paths of a desk; all absolute."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())

    @property
    def challenge(self) -> Path:
        """The declaration that people write."""
        return self.root / "challenge.yaml"

    @property
    def declared(self) -> Path:
        """The declaration as it stood at the first submission."""
        return self.root / "declared.json"

    @property
    def lock(self) -> Path:
        """Held by the harness that works at this desk."""
        return self.root / ".lock"

    @property
    def submissions(self) -> Path:
        """One folder for each team."""
        return self.root / "submissions"

    def submission(self, team: str, phase: str, identity: str) -> SubmissionFolder:
        """One submission of a team in a phase."""
        return SubmissionFolder(self.submissions / team / phase / identity)

    def records(self) -> Iterator[Path]:
        """The records of all received submissions, by path."""
        return iter(sorted(self.submissions.glob("[!.]*/*/[!.]*/submission.json")))

    def archive(self, identity: str) -> Path:
        """What was handed in."""
        return self.root / "archive" / identity

    def runs(self, identity: str) -> Layout:
        """The output tree of an image's evaluation."""
        return Layout(self.root / "runs" / identity)

    def jittered(self, identity: str) -> Layout:
        """The output tree of an image's evaluation on jittered grids."""
        return Layout(self.root / "runs" / f"{identity}-jitter")

    def fields(self, identity: str) -> Path:
        """An image's answers as an official configuration wants them."""
        return self.root / "fields" / identity

    def scores(self, identity: str) -> Layout:
        """The scores of a submission; `identity` 'sentinels' for those of doing nothing."""
        return Layout(self.root / "scores" / identity)

    def metrics(self, identity: str) -> Path:
        """The challenge's own metrics.json of a submission."""
        return self.scores(identity).root / "metrics.json"

    def baseline_runs(self, method: str) -> Layout:
        """The output tree of a baseline."""
        return Layout(self.root / "runs" / self.baseline(method))

    @staticmethod
    def baseline(method: str) -> str:
        """What stands in the place of a submission's id for a baseline."""
        return f"baseline-{method}"

    @property
    def prepared(self) -> Layout:
        """Where prepared images of a track lie."""
        return Layout(self.root / "prepared")

    @property
    def jitter_table(self) -> Path:
        """What the answers of images change by on jittered grids."""
        return self.root / "jitter.tsv"

    @property
    def site(self) -> Path:
        """The published pages, unless another folder is named."""
        return self.root / "site"


@dataclass(frozen=True)
class PublishedSite:
    """What is published of a phase: a page for everybody, and a folder for each team that only this team gets.

    OUT/
        public/index.html  results.json  figures/  tables/  assets/
        teams/TEAM/index.html  pairs.tsv  assets/
        published.json        every file with its size and SHA-256
    """

    root: Path

    @property
    def listing(self) -> Path:
        """`lumirage.core.challenge_results.Published`; written last."""
        return self.root / "published.json"

    @staticmethod
    def public(name: str) -> str:
        """A file for everybody, relative to the root."""
        return f"public/{name}"

    @staticmethod
    def of_team(team: str, name: str) -> str:
        """A file for one team, relative to the root."""
        return f"teams/{team}/{name}"

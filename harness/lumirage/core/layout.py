"""All paths of an output tree, and of the files that ship with the harness. No other module spells a file name, but
`lumirage.core.submission_files` those of a submission, `lumirage.core.study_layout` and `lumirage.core.desk_layout` those of
the trees around such trees.

OUT/
    dataset_description.json  README.md  .bidsignore  pairs.tsv
    evaluation.json           track, dataset, methods and images; a later command for the same OUT must agree with it
    .lock  .lock-<participant>  .lock.evaluation    locks of the processes that work here now
    <method>/                 one BIDS derivative dataset per method
        dataset_description.json  README.md  .bidsignore  participants.tsv
        sub-<fixed>/[ses-<fixed>/]anat/
            <entities>_from-<moving>_to-<fixed>_mode-image_desc-<condition>_xfm.nii      the answer: mm, RAS+, pull
            <the same>_run.json     the run record; written last: if it exists, the run is complete
            <the same>_log.txt      what the container printed
            <the same>_memory.tsv   memory over time
            runs-<number>.zip       where `pack` moved the files of finished runs: `lumirage.core.packed_files`
    scores/<preset>-<settings>/<method>/<run>.parquet    the scores of one run
    scores.tsv  scores.parquet  scores.json              all scores, and their data dictionary
    comparisons.tsv rankings.tsv agreement.tsv power.tsv conditions.tsv growth.tsv repeats.tsv jitter.tsv structures.tsv
    regularity_*.tsv verdicts.json
    report/index.html  report/pairs/...
    times.json                where time went, by commands
    checksums/<part>.json     checksums of the files that no record lists
    work/                     may be deleted while nothing runs or waits on a cluster; it is made again
        affine/<key>.json  prepared/<key>/fixed.nii moving.nii prepared.json
        scratch/<job>/        inputs and outputs of a running container, if TMPDIR cannot be used: see neutral_scratch
        jobs/<submission>/    submission.json evaluation.json; for each array of a cluster its tasks, script, number, logs
"""

import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.model import Pair
from lumirage.core.set_aside import set_aside
from lumirage.core.submission_files import SubmissionFiles

ASIDE = re.compile(r"\.[0-9a-f]{32}-")  # begins the name of a file that is still being written


@dataclass(frozen=True)
class RunFiles:
    """The files of one run. `record` is written last."""

    stem: Path

    def _file(self, ending: str) -> Path:
        return self.stem.with_name(self.stem.name + ending)

    @property
    def field(self) -> Path:
        """The field in the harness' own convention: float32, mm, RAS+, pull, on the working grid."""
        return self._file("_xfm.nii")

    @property
    def record(self) -> Path:
        """The run record, `lumirage.core.model.Run`."""
        return self._file("_run.json")

    @property
    def log(self) -> Path:
        """What the container printed; only the end if it was too long."""
        return self._file("_log.txt")

    @property
    def memory(self) -> Path:
        """Memory over time: columns seconds, bytes."""
        return self._file("_memory.tsv")


@dataclass(frozen=True)
class Layout:
    """The paths of one output tree; all absolute, as engines accept no relative mounts."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())

    @property
    def evaluation(self) -> Path:
        """The record of the evaluation, `lumirage.core.track.Evaluation`."""
        return self.root / "evaluation.json"

    @property
    def description(self) -> Path:
        """The BIDS description of the output tree."""
        return self.root / "dataset_description.json"

    @property
    def readme(self) -> Path:
        """Explains the folder to a person who finds it."""
        return self.root / "README.md"

    @property
    def bidsignore(self) -> Path:
        """Patterns of files that the BIDS validator shall ignore."""
        return self.root / ".bidsignore"

    @property
    def participants(self) -> Path:
        """The table of participants of a dataset."""
        return self.root / "participants.tsv"

    @property
    def pairs(self) -> Path:
        """The table of pairs."""
        return self.root / "pairs.tsv"

    @property
    def lock(self) -> Path:
        """Locked by the process that works on the tree."""
        return self.root / ".lock"

    def part_lock(self, participant: str) -> Path:
        """Locked by the process that works on this participant, if several processes share the tree."""
        return self.root / f".lock-{participant}"

    @property
    def change_lock(self) -> Path:
        """Locked while evaluation.json is changed."""
        return self.root / ".lock.evaluation"

    @property
    def work(self) -> Path:
        """Intermediate files; may be deleted while nothing runs or waits on a cluster."""
        return self.root / "work"

    @property
    def jobs(self) -> Path:
        """The submissions to a cluster."""
        return self.work / "jobs"

    def submission(self, name: str) -> SubmissionFiles:
        """One submission to a cluster."""
        return SubmissionFiles(self.jobs / name)

    @property
    def under_way(self) -> Path:
        """What harnesses on this machine execute now: `lumirage.running.under_way`."""
        return self.work / "under-way"

    @property
    def times(self) -> Path:
        """Where time went: `lumirage.core.time_spent`."""
        return self.root / "times.json"

    @property
    def tables_lock(self) -> Path:
        """Locked by the cluster task that makes the tables."""
        return self.root / ".lock.tables"

    def scratch(self, job: str) -> Path:
        """Inputs and outputs of one running container."""
        return self.work / "scratch" / job

    def neutral_scratch(self, temporary: Path) -> Path:
        """The same in a folder for temporary files, whose name does not reveal what is evaluated."""
        return temporary / f"lumirage-{digest(str(self.root.resolve()))}"

    def prepared(self, key: str) -> Path:
        """Prepared images of one pair and condition."""
        return self.work / "prepared" / key

    def prepared_record(self, key: str) -> Path:
        """The record of prepared images, `lumirage.core.model.Prepared`; written last."""
        return self.prepared(key) / "prepared.json"

    def affine(self, key: str) -> Path:
        """The affine alignment of one pair, the same for all conditions."""
        return self.work / "affine" / f"{key}.json"

    def method(self, method: str) -> Path:
        """The derivative dataset of one method."""
        return self.root / method

    def run_files(self, method: str, pair: Pair, condition: str, repeat: int = 0) -> RunFiles:
        """The paths of one run's field, record, log and memory."""
        fixed = pair.fixed
        folder = self.method(method) / f"sub-{fixed.subject}"
        if fixed.session:
            folder /= f"ses-{fixed.session}"
        desc = re.sub(r"[^0-9A-Za-z]", "", condition) + (f"rep{repeat}" if repeat else "")
        entities = fixed.name.rsplit("_", 1)[0]
        name = f"{entities}_from-{pair.moving.label}_to-{fixed.label}_mode-image_desc-{desc}"
        return RunFiles(folder / "anat" / name)

    def scores(self, preset: str, settings: str) -> Path:
        """The folder of the scores of single runs, for one preset and its settings."""
        return self.root / "scores" / f"{preset}-{settings}"

    @property
    def score_table(self) -> Path:
        """All scores as Parquet."""
        return self.root / "scores.parquet"

    @property
    def score_tsv(self) -> Path:
        """All scores as a table with tabs."""
        return self.root / "scores.tsv"

    @property
    def score_dictionary(self) -> Path:
        """The data dictionary of the scores: the meaning of each column."""
        return self.root / "scores.json"

    def table(self, name: str) -> Path:
        """A table of the analysis: comparisons, rankings, power, conditions."""
        return self.root / f"{name}.tsv"

    def checksums(self, part: str) -> Path:
        """Checksums of the tables, of the report or of the descriptions: `lumirage.core.manifest`."""
        return self.root / "checksums" / f"{part}.json"

    @property
    def verdicts(self) -> Path:
        """The sentences that state the results of the comparisons."""
        return self.root / "verdicts.json"

    @property
    def report(self) -> Path:
        """The report; open index.html."""
        return self.root / "report"


def cache_root() -> Path:
    """The folder for files that can be made again and are kept between evaluations: in XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lumirage"


def digests_kept(dataset: Path) -> Path:
    """What is known of the contents of a dataset's files: `lumirage.core.known_digests`."""
    return cache_root() / "digests" / f"{digest(str(dataset.resolve()))}.json"


def shipped(name: str) -> Path:
    """The folder `specs` or `method_containers`, of the installed package or of the checkout it is installed from."""
    inside = Path(__file__).parents[1] / "_shipped" / name
    return inside if inside.is_dir() else Path(__file__).parents[3] / name


def digest(*parts: str | bytes) -> str:
    """First 16 hex digits of the SHA-256 of the parts, with separators: (ab, c) and (a, bc) differ."""
    sha = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        sha.update(len(raw).to_bytes(8, "little") + raw)
    return sha.hexdigest()[:16]


def aside_of(path: Path) -> Path:
    """A name beside `path`, as ASIDE: for what is still being written or will not stay. What a killed process leaves under
    such a name is removed by the next one."""
    return path.with_name(f".{uuid.uuid4().hex}-{path.name}")


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success sync it and rename it over `path`, else remove it. So a reader
    sees the old file, the new file or none, never a part of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = aside_of(path)
    try:
        yield aside
        with aside.open("rb") as handle:
            os.fsync(handle.fileno())
        if path.is_dir() and not path.is_symlink():  # not written by us; the rename would fail every time
            set_aside(path)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file completely or not at all."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")

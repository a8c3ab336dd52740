"""Makes again what was found damaged: it is set aside, and the work is done over, which makes what is missing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from lumirage.core.errors import DamagedFileError, DataError
from lumirage.core.layout import Layout
from lumirage.core.manifest import Part, is_whole, listed_files
from lumirage.core.packed_files import is_kept, unpack
from lumirage.core.screen import Screen
from lumirage.core.set_aside import exists, remove, set_aside
from lumirage.flow.upkeep.tree_check import REMEDY, Finding, examine, kind_of, record_beside

T = TypeVar("T")
SAME_COMMAND = "type the same 'lumirage-harness evaluate' command again"


class Mender:
    """For one command. `executes`: it can execute a run again whose answer is damaged; else that is refused."""

    def __init__(self, layout: Layout, screen: Screen, *, executes: bool):
        self._layout, self._screen, self._executes = layout, screen, executes
        self._mended: set[Path] = set()

    def over(self, work: Callable[[], T]) -> T:
        """Do the work, and do it over for each damaged file that it meets. Raises DataError where one cannot be mended."""
        while True:
            try:
                return work()
            except DamagedFileError as error:
                self.mend(error)

    def mend(self, error: DamagedFileError) -> None:
        """Make way for what is damaged and say so. Raises DataError where that is no help, or not for this command."""
        kind = kind_of(self._layout, error.path)
        if error.path in self._mended:
            raise DataError(f"{error}, though it was just made again; is the disk sound?") from error
        self._mended.add(error.path)
        self._make_way([Finding(error.path, kind, error.why)])

    def look(self, *, refuse: bool = True) -> bool:
        """Look quickly at the whole tree, and make way for what is damaged; whether anything was. Raises as `mend`, or tells
        only of answers without `refuse`, where they are not needed."""
        if not exists(self._layout.evaluation):
            if self._layout.checksums("descriptions").exists():
                self._screen.say(f"{self._layout.evaluation}: missing; {REMEDY['evaluation']}")
            return False
        findings = examine(self._layout, deep=False).findings
        if not refuse and not self._executes:
            for finding in (each for each in findings if each.kind == "answer"):
                self._screen.say(f"{finding.path}: {finding.problem}; {SAME_COMMAND}")
            findings = [each for each in findings if each.kind != "answer"]
        self._make_way(findings)
        self._mended |= {finding.path for finding in findings}
        return bool(findings)

    def _make_way(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            if finding.kind in {"answer", "archive", "evaluation"} and not self._executes:
                raise DataError(f"{finding.path}: {finding.problem}; {SAME_COMMAND}: {REMEDY[finding.kind]}")
        for finding in findings:
            self._screen.say(f"{finding.path}: {finding.problem}; {REMEDY[finding.kind]}")
            _make_way(self._layout, finding)


def _make_way(layout: Layout, finding: Finding) -> None:
    path = finding.path
    match finding.kind:
        case "prepared":
            remove(path)
            if path.parent.parent == layout.prepared("x").parent:  # an image: without its record it is made again
                remove(layout.prepared_record(path.parent.name))
        case "answer":
            _set_aside(path)
            _set_aside(record_beside(path))
        case "log" | "table":
            if not path.is_file():
                _set_aside(path)
        case _:
            _set_aside(path)


def _set_aside(path: Path) -> None:
    if not exists(path) and is_kept(path):
        unpack(path.parent)  # a member alone cannot be set aside
    if exists(path):
        set_aside(path)


def remake_scores(layout: Layout, screen: Screen) -> bool:
    """Make the tables of scores again where they are not as they were written; whether they were not."""
    whole = _is_whole(layout, "scores")
    if not whole:
        from lumirage.flow.score import ScoringSettings, score  # late: it costs 200 MB, and submitting needs none of it

        score(layout, (), ScoringSettings(), screen)
    return not whole


def remake_tables(layout: Layout, screen: Screen) -> None:
    """The same, and those of the comparisons."""
    if remake_scores(layout, screen) or not _is_whole(layout, "comparisons"):
        from lumirage.flow.compare import compare  # late, as above

        compare(layout, screen)


def _is_whole(layout: Layout, part: Part) -> bool:
    return all(is_whole(path, wanted) for path, wanted in listed_files(layout, part).items())

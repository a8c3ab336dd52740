"""What lacks scores, and what has them: looked up once for a submission, so that its tasks need not read all parts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from lumirage.core.layout import Layout
from lumirage.core.model import SENTINELS
from lumirage.core.packed_files import is_kept, place_of
from lumirage.core.track import Evaluation
from lumirage.flow.status import outcome_is_ok
from lumirage.running.executors.cluster_tasks import ScoredWords


@dataclass(frozen=True)
class KnownScores:
    """Preset -> pair -> its runs that are scored, as `ScoredRow` has them."""

    by_preset: Mapping[str, Mapping[str, list[ScoredWords]]]

    @classmethod
    def read(cls, layout: Layout, presets: Iterable[str]) -> "KnownScores":
        """From all parts of scores in the tree."""
        from lumirage.scoring.presets import preset_named  # late: it costs 200 MB, and `run` submits without it
        from lumirage.scoring.score_store import score_parts, scored_rows

        found: dict[str, dict[str, list[ScoredWords]]] = {}
        for name in presets:
            pairs = found.setdefault(name, {})
            for (method, condition, repeat, pair), answers, inverse in scored_rows(
                score_parts(layout, preset_named(name))
            ):
                pairs.setdefault(pair, []).append((method, condition, repeat, pair, answers, inverse))
        return cls(found)

    def of(self, pairs: Iterable[str]) -> dict[str, tuple[ScoredWords, ...]]:
        """Of these pairs: preset -> what is scored."""
        names = list(pairs)
        return {
            preset: tuple(row for name in names for row in known.get(name, ()))
            for preset, known in self.by_preset.items()
        }

    def under_all(self, pair: str) -> set[tuple[str, str, int]]:
        """The runs of a pair (method, condition, repeat) that are scored under every preset."""
        return set.intersection(*({row[:3] for row in known.get(pair, ())} for known in self.by_preset.values()))


def unscored_pairs(layout: Layout, evaluation: Evaluation, known: KnownScores) -> list[str]:
    """Pairs with a good run, or with the sentinels' turn, that has no score under one of the track's presets."""
    found: dict[str, None] = {}
    cells = [cell.name for cell in evaluation.track.cells()]
    for pair in evaluation.pairs:
        name = pair.id
        scored = known.under_all(name)
        for method, cell, repeat in product(evaluation.methods, cells, range(evaluation.repeats)):
            good = outcome_is_ok(layout.run_files(method, evaluation.under(pair, cell), cell, repeat).record)
            if good is None:
                continue
            wanted = {(sentinel, cell, 0) for sentinel in SENTINELS} | ({(method, cell, repeat)} if good else set())
            if not wanted <= scored:
                found[name] = None
    return list(found)


def tables_are_current(layout: Layout, evaluation: Evaluation) -> bool:
    """Whether the report was made after the last run: else the task that was to make it has died."""
    report = layout.checksums("report")
    if not report.is_file():
        return False
    made = report.stat().st_mtime_ns
    cells = [cell.name for cell in evaluation.track.cells()]
    for method, cell, repeat, pair in product(evaluation.methods, cells, range(evaluation.repeats), evaluation.pairs):
        record = layout.run_files(method, evaluation.under(pair, cell), cell, repeat).record
        if is_kept(record) and place_of(record).file.stat().st_mtime_ns > made:
            return False
    return True

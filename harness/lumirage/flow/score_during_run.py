"""Scores while methods still run, on a CPU that no method uses. The stage `score` does the rest."""

from collections import deque
from types import TracebackType
from typing import Self

from lumirage.core.evaluation_part import reversed_id
from lumirage.core.layout import Layout
from lumirage.core.model import Outcome, Run
from lumirage.core.track import Evaluation
from lumirage.flow.score_tasks import RunToScore, ScoringRequest, run_key, scored_before, unscored_tasks
from lumirage.scoring.parallel_scoring import Scorer
from lumirage.scoring.presets import preset_named
from lumirage.scoring.score_store import Parts, RunKey


class ScoreDuringRun:
    """Scores recorded runs one by one, under the track's presets. A context manager: when it ends, all scores are on disk.

    If the reversed pair is evaluated too, both are scored when both have ended: inverse consistency needs both.
    """

    memory_bytes = 4 * 2**30

    def __init__(self, layout: Layout, evaluation: Evaluation) -> None:
        self._layout, self._evaluation = layout, evaluation
        self._presets = [preset_named(name) for name in evaluation.track.presets]
        self._pairs = {pair.id: pair for pair in evaluation.pairs}
        self._ended: dict[RunKey, RunToScore] = {}
        self._waiting: deque[RunKey] = deque()
        self._have: dict[str, set[RunKey]] | None = None
        self._parts, self._scorer, self._over = Parts(layout), Scorer(), False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self._parts.__exit__(kind, error, at)

    @property
    def has_work(self) -> bool:
        """Whether there is a run that can be scored now."""
        return bool(self._waiting) and not self._over

    def recorded(self, run: Run) -> None:
        """A run has ended."""
        key = run.method, run.condition, run.repeat, run.pair
        self._ended[key] = RunToScore.of(run)
        back = self._back(key)
        if back is None or back in self._ended:
            self._waiting += [k for k in (back, key) if k and self._ended[k].outcome is Outcome.OK]

    def work(self, cpu: int) -> None:
        """Score one of them on this CPU. An error ends all scoring here; the stage `score` will meet it and tell it."""
        try:
            key = self._waiting.popleft()
            runs = {k: self._ended[k] for k in (key, self._back(key)) if k in self._ended}
            request = ScoringRequest(self._evaluation, (self._pairs[key[3]],), runs, self._presets)
            if self._have is None:
                self._have = {preset.name: scored_before(self._layout, preset, request) for preset in self._presets}
            for task, presets in unscored_tasks(self._layout, request, self._have):
                _, scores = self._scorer.score(task, presets, cpu)
                self._parts.add(task, scores)
                for preset in presets:
                    self._have[preset.name].add(run_key(task))
        except Exception:  # noqa: BLE001 -- see above
            self._over = True

    def stop(self) -> None:
        """Kill the scoring in progress."""
        self._over = True
        self._scorer.kill()

    def _back(self, key: RunKey) -> RunKey | None:
        """The run of the reversed pair, where that is evaluated too."""
        back = reversed_id(self._pairs[key[3]])
        return (*key[:3], back) if back in self._pairs else None

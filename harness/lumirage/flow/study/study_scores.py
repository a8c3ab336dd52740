"""The scores of a study's tracks, under the study's own names of tracks, and who belongs to which family there."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout
from lumirage.core.metrics import is_accuracy
from lumirage.core.model import SCORE_COLUMNS
from lumirage.core.stored_scores import OF_PAIR, read_scores
from lumirage.core.study import Family, Study, StudyRecord
from lumirage.core.study_layout import StudyLayout
from lumirage.core.track import REFERENCE, Evaluation, MethodUse
from lumirage.flow.study.study_datasets import people_of


@dataclass(frozen=True)
class ScoredTrack:
    """One track that has scores."""

    name: str
    layout: Layout
    evaluation: Evaluation
    scores: pd.DataFrame
    """Rows without a label, columns SCORE_COLUMNS; the track's name is the study's."""

    def sources(self, metric: str, preset: str, condition: str = REFERENCE) -> list[str]:
        """Label sources by which a metric has values, sorted."""
        s = self.scores
        rows = s[(s["metric"] == metric) & (s["preset"] == preset) & (s["condition"] == condition)]
        return sorted(set(rows[rows["value"].notna()]["source"].astype(str)))

    @cached_property
    def measures(self) -> list[tuple[str, str, str]]:
        """(metric, preset, source) of everything that measures accuracy here, sorted."""
        rows = self.scores[self.scores["value"].notna()]
        found = rows[["metric", "preset", "source"]].drop_duplicates().astype(str).itertuples(index=False, name=None)
        return sorted((m, p, s) for m, p, s in found if is_accuracy(m))


@dataclass(frozen=True)
class StudyScores:
    """All tracks of a study that have scores, in the study's order, and its families."""

    study: Study
    tracks: Mapping[str, ScoredTrack]
    named: Mapping[str, str]
    """Method as the study names it -> its name in the scores."""

    @cached_property
    def families(self) -> dict[str, tuple[str, ...]]:
        """Family -> the methods of it that were run on any track, sorted."""
        cards = {name: use for track in self.tracks.values() for name, use in track.evaluation.methods.items()}
        wanted = {word: self.named.get(word, word) for word in self.study.methods}
        ours = {name for name in cards if name in wanted.values()}
        return {key: _members(family, ours, cards, wanted) for key, family in self.study.families.items()}

    def family_of(self, method: str) -> str:
        """The first family that has it; empty for none."""
        return next((name for name, methods in self.families.items() if method in methods), "")

    def told_apart(self, name: str, reference: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The scores of two tracks. People of two datasets are other people, even if they have one name."""
        here, there = self.tracks[name], self.tracks[reference]
        of = [people_of(self.study, self.study.tracks[track].dataset) for track in (name, reference)]
        if of[0] == of[1]:
            return here.scores, there.scores
        return _renamed(here.scores, of[0]), _renamed(there.scores, of[1])


def read_study_scores(layout: StudyLayout, record: StudyRecord) -> StudyScores:
    """What is there of a study's scores. Those of a track that was refused are of another track, or of other data."""
    tracks = {}
    for name in record.study.tracks:
        track = layout.track(name)
        there = track.evaluation.is_file() and track.score_table.is_file()
        if there and name not in record.refused:
            tracks[name] = ScoredTrack(name, track, read_evaluation(track), _read(track, name))
    return StudyScores(record.study, tracks, record.named)


def _read(layout: Layout, name: str) -> pd.DataFrame:
    return read_scores(layout.score_table, OF_PAIR, SCORE_COLUMNS).assign(track=name)


def _renamed(scores: pd.DataFrame, people: str) -> pd.DataFrame:
    columns = ("fixed_subject", "moving_subject")
    return scores.assign(**{column: f"{people} " + scores[column].astype(str) for column in columns})


def _members(
    family: Family, ours: set[str], cards: Mapping[str, MethodUse], wanted: Mapping[str, str]
) -> tuple[str, ...]:
    if family.methods:
        return tuple(sorted(ours & {wanted[word] for word in family.methods}))
    return tuple(sorted(name for name in ours if cards[name].card.kind == family.kind))

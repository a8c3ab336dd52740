"""Runs every image also on jittered grids: what its answers change by, and who is suspected to remember them."""

from dataclasses import replace

import pandas as pd

from lumirage.analysis.memorized_answers import jitter_changes
from lumirage.core.layout import Layout, written_aside
from lumirage.core.screen import Screen
from lumirage.flow.challenge.answer_files import answered_by_image
from lumirage.flow.challenge.desk import SENTINELS_ID, Desk, counted
from lumirage.flow.challenge.desk_run import image_request, method_of, request_of_track, run_request
from lumirage.flow.challenge.expected_answers import expected_answers
from lumirage.flow.challenge.score_answers import ScoringPlace, score_answers
from lumirage.flow.jittered_track import jittered_throughout
from lumirage.flow.request import EvaluationRequest


def run_jittered(desk: Desk, phase: str, options: EvaluationRequest, screen: Screen) -> pd.DataFrame:
    """Run and score the images and baselines on jittered grids; gives and writes the table of changes.

    For a desk of which the plain runs are done. Folders have no images to jitter: they are not in the table.
    """
    phases = [phase] if phase else [one.name for one in desk.challenge.phases]
    images = {s.id: s for name in phases for s in counted(desk, name) if s.kind == "image"}
    names = {identity: f"{s.team}" for identity, s in images.items()}
    methods = {identity: method_of(desk, s) for identity, s in images.items()}
    for baseline in desk.challenge.baselines:
        names[desk.layout.baseline(baseline)] = methods[desk.layout.baseline(baseline)] = baseline
    plain, jittered = [_sentinels(desk)], [_sentinels(desk)]
    for identity, method in methods.items():
        found = _scored(desk, identity, method, options, screen)
        if found is not None:
            plain.append(_own(desk.layout.scores(identity), names[identity]))
            jittered.append(found.assign(method=names[identity]))
    table = jitter_changes(pd.concat(plain), pd.concat(jittered), desk.challenge.baselines)
    with written_aside(desk.layout.jitter_table) as aside:
        table.to_csv(aside, sep="\t", index=False, na_rep="n/a")
    return table


def _scored(desk: Desk, identity: str, method: str, options: EvaluationRequest, screen: Screen) -> pd.DataFrame | None:
    tree = desk.layout.jittered(identity)
    request = image_request(desk, (method,), tree, options)
    request = replace(request, track=jittered_throughout(request_of_track(request), tree))
    if not run_request(request, screen):
        return None
    known = tree.root.name
    answers = answered_by_image(tree, desk.layout.fields(known), expected_answers(desk, None, desk.layout.prepared))
    place = ScoringPlace(desk.layout.scores(known), desk.layout.scores(SENTINELS_ID), options.jobs)
    return score_answers(desk, identity, answers, place, screen)


def _own(layout: Layout, name: str) -> pd.DataFrame:
    return pd.read_parquet(layout.score_table).assign(method=name)


def _sentinels(desk: Desk) -> pd.DataFrame:
    return pd.read_parquet(desk.layout.scores(SENTINELS_ID).score_table)

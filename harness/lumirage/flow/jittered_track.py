"""The track with jitter: a secret random number for each OUT, kept in its evaluation.json, given to no method."""

import secrets

from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout
from lumirage.core.set_aside import exists
from lumirage.core.track import Track

AXIS = "jitter"
JITTERED = "jitter-on"
"""The condition that `--jitter` adds."""


def with_jitter_condition(track: Track, layout: Layout) -> Track:
    """The track with one more condition, in which every pair is jittered; beside its own, so that both can be compared."""
    before = _track_there(layout)
    known = before.conditions.axes.get(AXIS) if before else None
    axes = {**track.conditions.axes, AXIS: known or (secrets.token_hex(16),)}
    return track.model_copy(update={"conditions": track.conditions.model_copy(update={"axes": axes})})


def jittered_throughout(track: Track, layout: Layout) -> Track:
    """The track with every pair jittered, and nothing else; for an output tree of its own."""
    before = _track_there(layout)
    secret = before.prepare.jitter if before and before.prepare.jitter else secrets.token_hex(16)
    return track.model_copy(update={"prepare": track.prepare.model_copy(update={"jitter": secret})})


def _track_there(layout: Layout) -> Track | None:
    return read_evaluation(layout).track if exists(layout.evaluation) else None

"""Jitter: small, unforeseeable, and no pair prepared without it changes."""

import numpy as np

from lumirage.core.space import make_grid, points
from lumirage.core.track import Conditions, Prepare, Track
from lumirage.planning.jitter import NOISE, SHIFT_MM, TURN_DEG, as_text, jittered_grid, with_trace_of_noise

GRID = make_grid((40, 56, 48), np.diag([4.0, 4, 4, 1]))


def test_a_grid_is_turned_and_shifted_by_a_little() -> None:
    for secret in ("1a", "2b", "3c"):
        turned = jittered_grid(GRID, secret)
        assert turned == jittered_grid(GRID, secret)
        before, after = np.array(GRID.affine), np.array(turned.affine)
        rotation = after[:3, :3] @ np.linalg.inv(before[:3, :3])
        degrees = np.rad2deg(np.arccos((np.trace(rotation) - 1) / 2))
        assert TURN_DEG[0] <= degrees <= TURN_DEG[1]
        centre = (np.array(GRID.shape) - 1) / 2
        moved = np.linalg.norm(points(after, centre) - points(before, centre))
        assert SHIFT_MM[0] <= moved <= SHIFT_MM[1]
    assert jittered_grid(GRID, "1a") != jittered_grid(GRID, "2b")


def test_noise_is_a_trace_and_differs_between_the_two_images() -> None:
    picture = np.full((30, 30, 30), 100, np.float32)
    fixed, moving = (with_trace_of_noise(picture, "1a", image) for image in (0, 1))
    for noisy in (fixed, moving):
        assert 0.9 * NOISE < float(np.std(noisy)) / 100 < 1.1 * NOISE
    assert abs(np.corrcoef(fixed.ravel(), moving.ravel())[0, 1]) < 0.05
    assert np.array_equal(with_trace_of_noise(np.zeros_like(picture), "1a", 0), np.zeros_like(picture))


def test_keys_of_older_trees_stay_and_no_name_tells_the_secret() -> None:
    assert "jitter" not in as_text(Prepare())
    assert len({as_text(Prepare(jitter=secret)) for secret in ("", "5e", "6f")}) == 3
    track = Track(name="x", conditions=Conditions(axes={"jitter": ("5e",)}))
    reference, jittered = track.cells()
    assert (jittered.name, jittered.level) == ("jitter-on", "jitter-on")
    assert (reference.prepare.jitter, jittered.prepare.jitter) == ("", "5e")

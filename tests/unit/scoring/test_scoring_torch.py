"""The torch backend against the kernels, on the CPU. Without torch these are skipped, except where CI demands it."""

import dataclasses
import importlib.util
import os
import sys

import numpy as np
import pytest
from scipy import ndimage

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.scoring.backends import Backend, backend_for
from lumirage.scoring.label_maps import LabelSet, relabel
from lumirage.scoring.native_label_warp import PlacedLabels, WorldMap
from lumirage.scoring.regularity import mask_bits

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(
    not HAS_TORCH and os.environ.get("LUMIRAGE_REQUIRE_TORCH") != "1", reason="torch is not installed"
)
SHAPE = (37, 21, 18)
RNG = np.random.default_rng(11)


def field_of(size: float, kind: type) -> np.ndarray:
    noise = ndimage.gaussian_filter(RNG.normal(size=(3, *SHAPE)), (0, 2, 2, 2))
    return (noise * size).astype(kind)


@pytest.fixture
def torch_backend() -> Backend:
    return backend_for("torch", 1)


@needs_torch
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("size", [3.0, 40.0])
def test_the_same_labels_in_voxels(torch_backend: Backend, kind: type, size: float) -> None:
    fixed, moving = (relabel(RNG.integers(0, 9, SHAPE), LabelSet.of(range(8))) for _ in range(2))
    for field in (field_of(size, kind), np.round(field_of(size, kind)) + kind(0.5)):
        wanted, found = (b.warp_voxels(fixed, moving, field) for b in (backend_for("cpu", 1), torch_backend))
        assert np.array_equal(wanted.warped.ids, found.warped.ids)
        assert np.array_equal(wanted.joint, found.joint)


@needs_torch
def test_the_same_labels_in_the_world(torch_backend: Backend) -> None:
    affine = np.array([[0, -1.2, 0.1, 3], [1.5, 0, 0, -7], [0.1, 0, 2.0, 1], [0, 0, 0, 1]])
    labels = LabelSet.of(range(8))
    fixed = PlacedLabels(relabel(RNG.integers(0, 9, SHAPE), labels), affine)
    moving = PlacedLabels(relabel(RNG.integers(0, 9, (20, 22, 24)), labels), np.diag([-1.5, 1, 1.4, 1]) + affine * 0.1)
    world = WorldMap(np.moveaxis(field_of(20, np.float32), 0, -1)[::2], np.diag([2.5, 1.3, 2.1, 1]), np.eye(4))
    wanted, found = (b.warp_world(fixed, moving, world) for b in (backend_for("cpu", 1), torch_backend))
    assert np.array_equal(wanted.warped.ids, found.warped.ids)
    assert np.array_equal(wanted.joint, found.joint)


@needs_torch
@pytest.mark.parametrize("size", [1.0, 10.0, 60.0])
def test_the_same_determinants(torch_backend: Backend, size: float) -> None:
    field = field_of(size, np.float32)
    bits = mask_bits([RNG.random(SHAPE) < 0.5, None], SHAPE)
    wanted, found = (b.regularity(field, bits, 2) for b in (backend_for("cpu", 1), torch_backend))
    for w, f in zip(wanted.foldings, found.foldings, strict=True):
        assert dataclasses.astuple(f) == pytest.approx(dataclasses.astuple(w), rel=1e-9)
    assert dataclasses.astuple(found.inner) == pytest.approx(dataclasses.astuple(wanted.inner), rel=1e-9)
    assert (found.any_corner_nonpositive, found.minimum) == (
        wanted.any_corner_nonpositive,
        pytest.approx(wanted.minimum),
    )
    assert found.sd_log_masked == pytest.approx(wanted.sd_log_masked, rel=1e-9)


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(UsageError, match="choose cpu, cuda"):
        backend_for("gpu", 1)


def test_a_missing_torch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UnavailableError, match=r"lumirage-harness\[torch\]"):
        backend_for("cuda", 1)


@needs_torch
def test_a_missing_gpu_is_said() -> None:
    import torch

    if torch.cuda.is_available():
        assert backend_for("cuda", 1).regularity(field_of(1, np.float32), mask_bits([None], SHAPE), 1).inner.count
    else:
        with pytest.raises(UnavailableError, match="no GPU"):
            backend_for("cuda", 1)

"""Networks that are written anew here give the fields of their authors' own programs."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lumirage.core.checksums import file_digest
from lumirage.core.layout import shipped
from lumirage.core.model import Method
from lumirage.core.records import read_yaml

SHARED = Path(os.environ.get("LUMIRAGE_SHARED", Path(__file__).parents[4] / "shared"))
GOLDEN = SHARED / "golden" / "networks"
UNIT_FIELD = 1e-4
VOXEL = 2e-3


def there(path: Path) -> Path:
    """Weights and golden fields are not shipped: a machine without them skips, CI fails."""
    if not path.exists():
        if os.environ.get("LUMIRAGE_REQUIRE_TORCH") == "1":
            raise FileNotFoundError(path)
        pytest.skip(f"{path} is not there (set LUMIRAGE_SHARED)")
    return path


@pytest.fixture(scope="module")
def torch() -> Iterator[ModuleType]:
    if os.environ.get("LUMIRAGE_REQUIRE_TORCH") != "1":
        pytest.importorskip("torch")
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # tests run beside one another
    with torch.inference_mode():
        yield torch
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images(torch: Any) -> dict[str, Any]:
    """The golden pair as run.py gives it to a network: from 0 to 1 by its least and greatest value."""
    kit = module(shipped("method_containers") / "_kit" / "lumirage_kit.py")
    with np.load(there(GOLDEN / "inputs.npz")) as stored:
        return {name: torch.from_numpy(kit.unit_range(stored[name]))[None, None] for name in ("fixed", "moving")}


def module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def network(name: str) -> Any:
    return module(shipped("method_containers") / name / "network.py")


def weights(name: str, index: int = 0) -> Path:
    """The file that a card names, which must be the one it means."""
    item = read_yaml(shipped("method_containers") / name / "method.yaml", Method).weights[index]
    path = there(SHARED / "weights" / name / item.file)
    assert (file_digest(path), path.stat().st_size) == (item.sha256, item.bytes)
    return path


def furthest(field: Any, golden: str, key: str) -> float:
    """Largest difference from the golden field, which is every second voxel of each axis."""
    with np.load(there(GOLDEN / golden)) as stored:
        wanted = stored[key]
    assert np.abs(wanted).max() > 100 * UNIT_FIELD
    return float(np.abs(field[0, :, ::2, ::2, ::2].numpy() - wanted).max())


@pytest.mark.parametrize(("index", "kind"), [(0, "disp"), (1, "diff")])
def test_lapirn(images: dict[str, Any], index: int, kind: str) -> None:
    net = network("lapirn").read_weights(weights("lapirn", index), diffeomorphic=kind == "diff")
    assert furthest(net(images["moving"], images["fixed"]), f"lapirn-{kind}.npz", "out_unit") < UNIT_FIELD


@pytest.mark.parametrize("reg", [0.1, 0.5])
def test_conditional_lapirn(images: dict[str, Any], reg: float) -> None:
    net = network("clapirn").read_weights(weights("clapirn"))
    field = net(images["moving"], images["fixed"], reg)
    assert furthest(field, "clapirn.npz", f"reg{reg}_unit") < UNIT_FIELD


def test_symnet(images: dict[str, Any]) -> None:
    net = network("symnet").read_weights(weights("symnet"))
    field = net(images["moving"], images["fixed"])
    assert furthest(field, "symnet.npz", "F_Y_X_moving_to_fixed") < VOXEL


def test_an_image_of_one_value_is_scaled_to_zero() -> None:
    kit = module(shipped("method_containers") / "_kit" / "lumirage_kit.py")
    assert not kit.unit_range(np.full((2, 2, 2), 7.0, np.float32)).any()

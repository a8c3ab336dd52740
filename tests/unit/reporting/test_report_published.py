"""Published numbers: shipped, unchanged, beside ours on tracks of the challenge only, and told apart."""

from dataclasses import replace

import numpy as np
import pytest

from lumirage.core.layout import shipped
from lumirage.core.metrics import METRICS, title
from lumirage.core.model import SENTINELS, Method
from lumirage.core.records import read_yaml
from lumirage.core.track import MethodUse, Track
from lumirage.reporting.displayed_measures import measures_of
from lumirage.reporting.published_numbers import QUANTITIES, is_for_challenge, published_of, read_published
from lumirage.reporting.report_inputs import Inputs

TABLE = shipped("specs") / "published" / "lumir24.tsv"


def known_methods() -> set[str]:
    cards = [read_yaml(path, Method) for path in shipped("method_containers").glob("*/method.yaml")]
    return {*SENTINELS} | {c.name for c in cards} | {f"{c.name}-{variant}" for c in cards for variant in c.variants}


def test_every_method_of_ours_that_stands_for_one_is_known() -> None:
    named = {name for result in read_published(TABLE) for name in result.ours}
    assert len(named) > 5
    assert named <= known_methods()


def test_the_table_says_what_was_printed() -> None:
    first = read_published(TABLE)[0]
    assert (first.method, first.set, first.source) == ("VFA", "LUMIR24 validation", "LUMIR_L2R README")
    assert first.values == {"dice": "0.7726", "tre": "2.4949", "hd95": "3.2127", "ndv_percent": "0.0788"}
    assert len(read_published(TABLE)) == 19


def test_every_metric_that_may_stand_beside_is_one_of_the_scorer() -> None:
    assert {name for quantity in QUANTITIES for name, _ in quantity.metrics} <= set(METRICS)


def test_tracks_of_the_challenge_are_those_that_name_its_data() -> None:
    tracks = [read_yaml(path, Track) for path in (shipped("specs") / "tracks").glob("*.yaml")]
    assert {t.name for t in tracks if is_for_challenge(t.datasets)} == {"t1w-in-distribution", "lumir25-validation"}


def lumir(
    inputs: Inputs, metrics: dict[str, str], name: str = "voxelmorph", dataset: str = "x", untrained: bool = False
) -> Inputs:
    """The same evaluation on a track of the challenge, its metrics renamed, alpha under the name of a published method."""
    values = inputs.values[inputs.values["metric"].isin(list(metrics))].copy()
    for column, names in (("metric", metrics), ("method", {"alpha": name})):
        text = values[column].astype(str)
        values[column] = text.map(names).fillna(text)
    card = Method(
        name=name, version="2018", summary="", kind="deep", trained_on=("OASIS",), untrained=untrained
    )  # fmt: skip
    evaluation = inputs.evaluation.model_copy(
        update={
            "track": inputs.evaluation.track.model_copy(update={"datasets": ("OASIS", "LUMIR")}),
            "dataset_name": dataset,
            "methods": {name: MethodUse(card=card, image="i", digest="d")},
        }
    )
    return replace(inputs, evaluation=evaluation, values=values, measures=tuple(measures_of(values)))


def test_only_tracks_of_the_challenge_have_them(bare: Inputs) -> None:
    assert published_of(bare) is None


@pytest.mark.parametrize(("metric", "same"), [("dice_lumir", True), ("dice_nearest_fg", False)])
def test_ours_stand_beside_with_what_differs(bare: Inputs, metric: str, same: bool) -> None:
    inputs = lumir(bare, {"dice_nearest_fg": metric})
    found = published_of(inputs)
    assert found is not None
    rows = {(result.set, result.method): ours for result, ours in found.rows}
    (ours,) = rows["LUMIR24 validation", "VoxelMorph"]
    assert ours.method == "voxelmorph"
    assert ours.about == "2018; trained on OASIS"
    dice = inputs.matrix(inputs.measures[0], "reference")[inputs.methods.index("voxelmorph")]
    assert float(ours.values[0]) == pytest.approx(np.mean(dice), abs=1e-4)
    assert ours.values[1] == "–"  # noqa: RUF001 -- the sign for no value
    assert (found.differences[0] == "") == same
    assert found.metrics[0].startswith(title(metric))
    assert rows["LUMIR24 test", "VFA"] == ()
    (nothing,) = rows["LUMIR24 validation", "Initial"]
    assert nothing.method == "identity"


def test_names_match_in_any_case_and_random_weights_and_the_source_are_said(bare: Inputs) -> None:
    found = published_of(lumir(bare, {"dice_nearest_fg": "dice_lumir"}, name="VoxelMorph", untrained=True))
    assert found is not None
    (ours,) = next(ours for result, ours in found.rows if result.method == "VoxelMorph")
    assert ours.about == "2018; random weights; trained on OASIS"
    assert "manual" in found.metrics[0]


@pytest.mark.parametrize(("name", "own"), [("LUMIR24 validation", True), ("OASIS", False), ("LUMIRAGE phantom", False)])
def test_another_dataset_than_the_challenges_is_told(bare: Inputs, name: str, own: bool) -> None:
    found = published_of(lumir(bare, {"dice_nearest_fg": "dice_lumir"}, dataset=name))
    assert found is not None
    assert found.on_its_data is own

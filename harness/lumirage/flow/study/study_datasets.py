"""The datasets of a study: the folders that the user gave, and those that a recipe makes."""

from collections.abc import Mapping
from pathlib import Path

from lumirage.core.errors import UsageError
from lumirage.core.screen import Screen
from lumirage.core.study import PhantomRecipe, PlantRecipe, Study
from lumirage.flow.study.study_request import StudyRequest


def given_folders(request: StudyRequest, recorded: Mapping[str, Path]) -> dict[str, Path]:
    """Dataset -> its folder, as typed now or at an earlier time. Raises UsageError for one that is typed and not there."""
    for name, path in request.data.items():
        if not path.is_dir():
            raise UsageError(f"--data {name}={path}: there is no such folder")
    return {name: path for name, path in {**recorded, **request.data}.items() if path.is_dir()}


def lacking(study: Study, name: str, folders: Mapping[str, Path]) -> str:
    """Why a dataset cannot be had; empty if it is there or a recipe makes it."""
    wanted = study.datasets[name]
    if name in folders or wanted.phantom:
        return ""
    if wanted.plant:
        why = lacking(study, wanted.plant.of, folders)
        return f"it is made from {wanted.plant.of}, of which there is {why}" if why else ""
    return f"no folder; give it with --data {name}=DIR" + (
        f" ({wanted.how_to_get.strip()})" if wanted.how_to_get else ""
    )


def made_dataset(request: StudyRequest, name: str, folders: Mapping[str, Path], screen: Screen) -> Path:
    """The folder of a dataset; one with a recipe is made in the study's tree, once. Raises DataError, UsageError."""
    if name in folders:
        return folders[name]
    wanted, folder = request.study.datasets[name], request.layout.dataset(name)
    if wanted.phantom and not folder.is_dir():
        screen.say(f"dataset {name}: a phantom is made in {folder}, once")
        _make_phantom(wanted.phantom, folder, screen)
    if wanted.plant:
        source = made_dataset(request, wanted.plant.of, folders, screen)
        screen.say(f"dataset {name}: planted from {wanted.plant.of} in {folder}; what is there already is kept")
        _plant(wanted.plant, source, request.derivatives.get(wanted.plant.of, {}), folder, screen)
    return folder


def people_of(study: Study, name: str) -> str:
    """The dataset whose people are those of this one: a planted dataset has those of its source."""
    plant = study.datasets[name].plant
    return people_of(study, plant.of) if plant else name


def _plant(recipe: PlantRecipe, source: Path, derivatives: Mapping[str, Path], folder: Path, screen: Screen) -> None:
    from lumirage.datasets.planting import PlantSpec
    from lumirage.flow.plant_dataset import PlantedFrom, plant_dataset

    spec = PlantSpec(recipe.amplitude_mm, recipe.smoothness_mm, recipe.seed)
    planted = plant_dataset(PlantedFrom(source, derivatives), folder, spec, screen)
    for scan, why in planted.left_out.items():
        screen.say(f"not planted: {scan}: {why}")


def _make_phantom(recipe: PhantomRecipe, folder: Path, screen: Screen) -> None:
    from lumirage.datasets.phantom import PhantomSpec, bodies_of, make_phantom

    bodies = bodies_of(recipe.amplitude_mm, recipe.smoothness_mm)
    folder.parent.mkdir(parents=True, exist_ok=True)
    make_phantom(folder, PhantomSpec(recipe.subjects, recipe.spacing_mm, recipe.contrasts, recipe.seed, bodies), screen)

"""Reads a challenge's truth folder: its evaluation configurations, and the files they name."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from lumirage.core.errors import DataError


class Method(BaseModel):
    """One entry of evaluation_methods. The file is the challenge's: unknown fields are ignored."""

    model_config = ConfigDict(frozen=True)

    name: str
    metric: Literal["dice", "hd95", "tre", "ndv", "sdlogj"]
    labels: tuple[int, ...] = ()
    dest: str = Field(default="landmarks", description="tre: the folder that takes the place of `images` in the paths")


class EvalPair(BaseModel):
    """One of eval_pairs: paths relative to the configuration's folder."""

    model_config = ConfigDict(frozen=True)

    fixed: str
    moving: str

    @property
    def key(self) -> str:
        """The pair's name in metrics.json."""
        return "<--".join("_".join(_subject(p)) for p in (self.fixed, self.moving))

    def field_names(self, suffixes: tuple[str, ...]) -> list[str]:
        """Possible file names of the answer, the required one first."""
        (fixed, fixed_modality), (moving, moving_modality) = _subject(self.fixed), _subject(self.moving)
        short = fixed_modality == moving_modality or (fixed_modality, moving_modality) == ("0000", "0001")
        stem = f"disp_{fixed}_{moving}" if short else f"disp_{fixed}_{fixed_modality}_{moving}_{moving_modality}"
        return [stem + suffix for suffix in suffixes]


def _subject(path: str) -> tuple[str, str]:
    """Subject and modality, which the challenge cuts from fixed places of NAME_SSSS_MMMM.nii.gz."""
    return path[-16:-12], path[-11:-7]


class Configuration(BaseModel):
    """One evaluation configuration."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(validation_alias=AliasChoices("name", "task_name"))
    expected_shape: tuple[int, int, int, Literal[3]]
    evaluation_methods: tuple[Method, ...]
    eval_pairs: tuple[EvalPair, ...]
    masked_evaluation: bool = False


@dataclass(frozen=True)
class Truth:
    """A configuration and its folder."""

    file: Path
    configuration: Configuration

    @property
    def track(self) -> str:
        """Which of the 2025 challenge's tracks it is: ID, OOD, MM; empty for others."""
        tracks = {"HighField": "OOD", "MultiModal": "MM", "LUMIR24_Segmentation": "ID"}
        return next((track for word, track in tracks.items() if word in self.file.name), "")

    def path(self, named: str, folder: str) -> Path:
        """The file of an image, or its sibling in the labels or landmarks folder."""
        return self.file.parent / named.replace("images", folder)


SubmissionTask = tuple[Truth, EvalPair]
"""One pair under one configuration."""


def read_truths(folder: Path) -> list[Truth]:
    """All evaluation configurations of a truth folder, by file name; landmarks before the others, as the challenge
    merges them. The path of one configuration gives that one.

    Raises DataError if there is none, or one is damaged.
    """
    files = [folder] if folder.is_file() else sorted(folder.glob("*.json"))
    truths = [Truth(path, _read(path)) for path in files if _is_configuration(path)]
    if not truths:
        raise DataError(
            f"{folder}: no evaluation configuration (.json with eval_pairs) here; give the folder that contains it"
        )
    return sorted(truths, key=lambda t: (all(m.metric != "tre" for m in t.configuration.evaluation_methods), _order(t)))


def submission_tasks(folder: Path) -> list[SubmissionTask]:
    """Every pair of every configuration of a truth folder, in order. Raises DataError if one is damaged."""
    return [(truth, pair) for truth in read_truths(folder) for pair in truth.configuration.eval_pairs]


def _order(truth: Truth) -> tuple[int, str]:
    return ["", "ID", "OOD", "MM"].index(truth.track), truth.file.name


def _is_configuration(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path}: not JSON ({error})") from error
    return isinstance(content, dict) and "eval_pairs" in content


def _read(path: Path) -> Configuration:
    try:
        return Configuration.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error

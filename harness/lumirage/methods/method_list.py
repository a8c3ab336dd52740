"""The table of methods: what is built, what lacks weights, what wants a GPU."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import docker
import requests

from lumirage.core.model import Method
from lumirage.core.sif_store import find_sif
from lumirage.methods.image_build import SOURCE_LABEL, image_name, source_digest
from lumirage.methods.weights import megabytes, missing_weights, needed_weights

ImageState = Literal["built", "outdated", "not built", "no engine", "SIF"]
"""SIF: no engine here has the image, but Apptainer could start it."""


@dataclass(frozen=True)
class Row:
    """One method or variant, as `methods list` shows it."""

    name: str
    version: str
    kind: str
    device: str
    image: ImageState
    weights: str
    verified: str
    summary: str


def images_here() -> dict[str, str] | None:
    """Image name -> digest of its source (empty for images that are not ours); None when no engine answers."""
    try:
        client = docker.from_env(timeout=10, version="auto")
        with_tags = [(tag, image.labels) for image in client.images.list() for tag in image.tags]
        client.close()
    except (docker.errors.DockerException, requests.RequestException):
        return None
    return {tag.removesuffix(":latest"): (marks or {}).get(SOURCE_LABEL, "") for tag, marks in with_tags}


def table(
    methods: Sequence[tuple[Path, Method]], images: Mapping[str, str] | None, cache: Path | None = None
) -> list[Row]:
    """The rows, in the order given."""
    return [
        Row(
            name=card.name,
            version=card.version,
            kind=card.kind,
            device=card.device,
            image=_state(folder, card, images),
            weights=_weights(card, cache),
            verified=card.verified,
            summary=card.summary,
        )
        for folder, card in methods
    ]


def _state(folder: Path, card: Method, images: Mapping[str, str] | None) -> ImageState:
    name = image_name(folder, card)
    source = None if images is None else images.get(name.removesuffix(":latest"))
    if source is None:
        return "SIF" if find_sif(name) else "no engine" if images is None else "not built"
    ours = (folder / "Dockerfile").is_file() and not card.image
    return "outdated" if ours and source != source_digest(folder) else "built"


def _weights(card: Method, cache: Path | None) -> str:
    if card.untrained or (card.weights and not needed_weights(card)):
        return "untrained"
    if not card.weights:
        return "none needed"
    missing = missing_weights(card, cache)
    return f"missing {megabytes(sum(item.bytes for item in missing))}" if missing else "here"

"""The table of methods: what is built, what lacks weights, what wants a GPU."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import docker
import requests

from lumirage.core.model import Method
from lumirage.core.sif_store import find_sif, full_name
from lumirage.methods.image_build import image_name, image_repository, image_source
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


def images_here() -> frozenset[str] | None:
    """Names of the engine's images, with their tags; None when no engine answers."""
    try:
        client = docker.from_env(timeout=10, version="auto")
        tags = frozenset(tag for image in client.images.list() for tag in image.tags)
        client.close()
    except (docker.errors.DockerException, requests.RequestException):
        return None
    return tags


def table(
    methods: Sequence[tuple[Path, Method]], images: Collection[str] | None, cache: Path | None = None
) -> list[Row]:
    """The rows, in the order given."""
    return [
        Row(
            name=card.name,
            version=card.version,
            kind=card.kind,
            device=card.device,
            image=image_state(folder, card, images),
            weights=_weights(card, cache),
            verified=card.verified,
            summary=card.summary,
        )
        for folder, card in methods
    ]


def image_state(folder: Path | None, card: Method, images: Collection[str] | None) -> ImageState:
    """What of a method's image is here. Outdated: only one of an earlier state of its folder."""
    name = image_name(folder, card)
    if images is not None and full_name(name) in images:
        return "built"
    if find_sif(name):
        return "SIF"
    source = image_source(folder, card)
    older = source and any(image.rpartition(":")[0] == image_repository(source) for image in images or ())
    return "outdated" if older else "no engine" if images is None else "not built"


def _weights(card: Method, cache: Path | None) -> str:
    if card.untrained or (card.weights and not needed_weights(card)):
        return "untrained"
    if not card.weights:
        return "none needed"
    missing = missing_weights(card, cache)
    return f"missing {megabytes(sum(item.bytes for item in missing))}" if missing else "here"

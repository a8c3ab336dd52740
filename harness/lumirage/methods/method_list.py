"""Lists the methods and whether their images and weights are on this machine."""

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
"""State of an image. SIF: no engine here has it, but Apptainer can start it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method or variant, as `methods list` shows it."""

    name: str
    version: str
    kind: str
    device: str
    image: ImageState
    weights: str
    missing_weights_bytes: int
    verified: str
    summary: str
    variant_of: str = ""
    changes: str = ""
    """The parameters of a variant that differ from the card's."""
    needs: str = ""
    """What is missing before it can start, in a few words; empty if nothing."""


OURS = ("localhost/", "docker.io/")


def images_here() -> frozenset[str] | None:
    """Names of the engine's images, with their tags, and without the registry that podman puts before those that were made
    here or come from Docker's; None if no engine answers."""
    try:
        client = docker.from_env(timeout=10, version="auto")
        tags = frozenset(tag for image in client.images.list() for tag in image.tags)
        client.close()
    except (docker.errors.DockerException, requests.RequestException):
        return None
    return tags | {tag.removeprefix(ours) for tag in tags for ours in OURS}


def table(
    methods: Sequence[tuple[Path, Method]], images: Collection[str] | None, cache: Path | None = None
) -> list[Row]:
    """The rows, in the order given; a variant follows its card, whose folder it shares."""
    cards: dict[Path, Method] = {}
    rows = []
    for folder, card in methods:
        own = cards.setdefault(folder, card)
        state = image_state(folder, card, images)
        rows.append(
            Row(
                name=card.name,
                version=card.version,
                kind=card.kind,
                device=card.device,
                image=state,
                weights=_weights(card, cache),
                missing_weights_bytes=sum(item.bytes for item in missing_weights(card, cache)),
                verified=card.verified,
                summary=card.summary,
                variant_of="" if own is card else own.name,
                changes="" if own is card else _changes(own, card),
                needs=_needs(folder, card, state, cache),
            )
        )
    return rows


def _changes(own: Method, variant: Method) -> str:
    changed = {key: value for key, value in variant.parameters.items() if own.parameters.get(key) != value}
    return ", ".join(f"{key}={value}" for key, value in changed.items()) or "as the card"


def _needs(folder: Path, card: Method, state: ImageState, cache: Path | None) -> str:
    built = image_source(folder, card) is not None
    get = "" if state in {"built", "SIF"} else "to build" if built else "from authors" if card.obtain else "to pull"
    missing = missing_weights(card, cache)
    return " + ".join(filter(None, (get, megabytes(sum(item.bytes for item in missing)) if missing else "")))


def image_state(folder: Path | None, card: Method, images: Collection[str] | None) -> ImageState:
    """Whether a method's image is here. Outdated: only an image of an earlier state of its folder."""
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

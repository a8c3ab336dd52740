"""The runtime that an order gets, and the methods as that runtime would start them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.core.model import Method
from lumirage.core.records import parse_yaml
from lumirage.core.screen import Screen
from lumirage.core.sif_store import find_sif
from lumirage.core.track import MethodUse
from lumirage.methods.image_build import (
    BuildSettings,
    build_method,
    image_name,
    pip_arguments,
    refuse_unobtainable,
)
from lumirage.methods.method_list import images_here, table
from lumirage.methods.sif_conversion import from_engine, from_registry, make_sif, pull_to_engine
from lumirage.methods.weights import fetch_weights, missing_weights, require_weights
from lumirage.planning.method_cards import MethodSource, find_method
from lumirage.running.runtimes import choose
from lumirage.running.runtimes.runtime_interface import Image, Runtime


@dataclass(frozen=True)
class MethodInstaller:
    """A runtime that works, and where cards are looked for besides the shipped ones."""

    runtime: Runtime
    folders: tuple[Path, ...]
    screen: Screen

    def find(self, word: str) -> MethodSource:
        """A method by name or folder, or an image on this machine that holds its own card. Raises UsageError."""
        try:
            return find_method(word, self.folders)
        except UsageError as unknown:
            if self.runtime.name == "local":
                raise
            return self._of_image(word, unknown)

    def _of_image(self, word: str, unknown: UsageError) -> MethodSource:
        try:
            text = self.runtime.card(self.runtime.resolve(word).start).decode()
        except UnavailableError:
            raise unknown from None
        card = parse_yaml(text, Path(f"{word}:/method/method.yaml"), Method)
        return MethodSource(card.model_copy(update={"image": word}), None)

    def use(self, source: MethodSource) -> MethodUse:
        """The image that runs, built first where it is not there yet. Raises UnavailableError when it cannot be had."""
        require_weights(source.card)
        image = self._image(source)
        return MethodUse(card=source.card, image=image.start, digest=image.digest)

    def fetch(self, source: MethodSource) -> MethodUse:
        """As `use`, but what is missing is fetched: weights, and an image that is published. Raises UnavailableError."""
        if missing_weights(source.card):
            fetch_weights(source.card, progress=lambda done, total: self.screen.progress("fetch", done, total))
        try:
            use = self.use(source)
        except UnavailableError:
            published = source.card.image
            if not published or source.card.obtain or self.runtime.name == "local":
                raise
            self.screen.say(f"image {published} is pulled")
            if self.runtime.name == "apptainer":
                make_sif(published, from_registry(published))
            else:
                pull_to_engine(published, published)
            use = self.use(source)
        self.runtime.prepare(use.image)
        return use

    def _image(self, source: MethodSource) -> Image:
        if self.runtime.name == "local":
            return self.runtime.resolve(str(source.folder))
        if source.folder is None or not (source.folder / "Dockerfile").is_file():
            return self._start_foreign(source.card)
        reference = image_name(source.folder, source.card)
        state = table([(source.folder, source.card)], images_here())[0].image
        if state in ("not built", "outdated") or (state == "SIF" and self.runtime.name != "apptainer"):
            self.screen.say(
                f"image {reference} is {'not built' if state == 'SIF' else state}: it is built now, which can take some minutes"
            )
            build_method(source.folder, source.card, build_settings(os.environ), lambda _: None)
        return self._start(reference)

    def _start_foreign(self, card: Method) -> Image:
        try:
            return self._start(card.image)
        except UnavailableError:
            refuse_unobtainable(card)
            raise

    def _start(self, reference: str) -> Image:
        """What the runtime starts: for apptainer the SIF of what the local engine has, made once, else that of the cache."""
        if self.runtime.name == "apptainer" and not reference.endswith(".sif"):
            there = from_engine(reference)
            if there is not None and find_sif(there.digest or "") is None:
                self.screen.say(f"image {reference} is converted to SIF, once; this can take a minute")
            return self.runtime.resolve(str(make_sif(reference, there)) if there else reference)
        return self.runtime.resolve(reference)


def method_installer(runtime: str, screen: Screen) -> MethodInstaller:
    """The runtime of that name, or the first that works. Raises UsageError, UnavailableError."""
    chosen, refused = choose(runtime)
    if runtime == "auto":
        passed = "".join(f"\n  not {reason}" for reason in refused)
        screen.say(f"runtime: {chosen.name}{'' if chosen.isolated else ' (methods are not isolated)'}{passed}")
    folders = tuple(Path(part) for part in os.environ.get("LUMIRAGE_METHODS", "").split(os.pathsep) if part)
    return MethodInstaller(chosen, folders, screen)


BASE_HERE = "lumirage/base:bookworm"
"""A base image that a site without a registry has made for itself is taken where it is there."""


def _base_here() -> str | None:
    return BASE_HERE if BASE_HERE in (images_here() or {}) else None


def build_settings(environment: Mapping[str, str]) -> BuildSettings:
    """How to build on this machine: the base image from LUMIRAGE_BASE_IMAGE, pip's own settings, its folder of wheels."""
    links = environment.get("PIP_FIND_LINKS", "")
    return BuildSettings(
        base_image=environment.get("LUMIRAGE_BASE_IMAGE") or _base_here(),
        arguments=pip_arguments(environment),
        wheels=Path(links) if links and Path(links).is_dir() else None,
    )

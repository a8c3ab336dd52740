"""The runtime that an order gets, and the methods as that runtime would start them."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.core.model import Method
from lumirage.core.records import parse_yaml, read_yaml
from lumirage.core.screen import Screen
from lumirage.core.sif_store import find_sif
from lumirage.core.track import MethodUse
from lumirage.methods.image_build import (
    BuildSettings,
    build_method,
    image_name,
    image_source,
    pip_arguments,
    refuse_unobtainable,
)
from lumirage.methods.method_list import image_state, images_here
from lumirage.methods.sif_conversion import from_engine, from_registry, make_sif, pull_to_engine
from lumirage.methods.weights import checked_weights, described, fetch_weights, missing_weights, unpublished
from lumirage.planning.method_cards import CARD, MethodSource, find_method
from lumirage.planning.method_doses import split_word
from lumirage.running.runtimes import choose
from lumirage.running.runtimes.local import LocalRuntime
from lumirage.running.runtimes.runtime_interface import Image, Runtime


@dataclass(frozen=True)
class MissingPart:
    """Something that a method needs and this machine lacks. `bytes` is its size where that is known, `file` names
    weights; `from_authors`: no command of the harness brings it."""

    method: str
    what: str
    bytes: int | None = None
    file: str = ""
    from_authors: bool = False


@dataclass(frozen=True)
class MethodInstaller:
    """A runtime that works, and where cards are looked for besides the shipped ones."""

    runtime: Runtime
    folders: tuple[Path, ...]
    screen: Screen
    offline: bool = False

    def find(self, word: str) -> MethodSource:
        """A method by name or folder, or an image on this machine that holds its own card. Raises UsageError."""
        name, values = split_word(word)
        try:
            found = find_method(name, self.folders)
        except UsageError as unknown:
            if self.runtime.name == "local":
                raise
            found = self._of_image(name, unknown)
        return found.with_dose(values) if values else found

    def _of_image(self, word: str, unknown: UsageError) -> MethodSource:
        try:
            text = self.runtime.card(self.runtime.resolve(word).start).decode()
        except UnavailableError:
            raise unknown from None
        card = parse_yaml(text, Path(f"{word}:/method/method.yaml"), Method)
        return MethodSource(card.model_copy(update={"image": word}), None)

    def use(self, source: MethodSource) -> MethodUse:
        """As `install`, for one method."""
        return self.install([source])[source.card.name]

    def together(self, sources: Sequence[MethodSource]) -> Callable[[MethodSource], MethodUse]:
        """`use` for any of these, all of which are installed when the first is asked for: what is missing of any is then
        told in one message."""
        made: dict[str, MethodUse] = {}

        def use(source: MethodSource) -> MethodUse:
            if not made:
                made.update(self.install(sources))
            return made[source.card.name]

        return use

    def install(self, sources: Sequence[MethodSource]) -> dict[str, MethodUse]:
        """Name -> method as the runtime starts it. What is missing is downloaded, pulled or built first.

        Raises UnavailableError, with everything that is missing, if that is not allowed or fails; DataError for weights with
        the wrong content; BusyError for an interrupted download or a full disk.
        """
        missing = [part for source in sources for part in self.missing(source)]
        if missing and self.offline:
            raise UnavailableError(
                f"the network is not to be used (--offline or LUMIRAGE_OFFLINE), and this is missing:\n"
                f"{_listed(sources, missing)}"
            )
        for source in sources:
            if any(part.file == "" and part.method == source.card.name for part in missing):
                _refuse_unobtainable(source)  # before anything is fetched in vain
        try:
            return {source.card.name: self._install(source) for source in sources}
        except UnavailableError as error:
            left = [part for source in sources for part in self.missing(source)]
            if not left:
                raise
            raise UnavailableError(f"{error}\nmissing are:\n{_listed(sources, left)}") from error

    def missing(self, source: MethodSource) -> list[MissingPart]:
        """What a method needs and this machine lacks. Nothing is made or fetched."""
        card = source.card
        found = [MissingPart(card.name, f"weights {described(w)}", w.bytes, w.file) for w in missing_weights(card)]
        if isinstance(self.runtime, LocalRuntime):
            if not self.runtime.is_prepared(str(source.folder)):
                found.append(MissingPart(card.name, "a virtual environment, made from its requirements.txt"))
            return found
        state = image_state(source.folder, card, images_here())
        if not (state == "built" or (state == "SIF" and self.runtime.name == "apptainer")) and not self.knows(
            card.image
        ):
            built = image_source(source.folder, card)
            comes = ", which is pulled from its registry" if not card.obtain else f". {card.obtain}"
            comes = f", which is built from {built.name}" if built else comes
            what = f"image {image_name(source.folder, card)}{comes}"
            found.append(MissingPart(card.name, what, from_authors=bool(card.obtain and not built)))
        return found

    def knows(self, reference: str) -> bool:
        """Whether the runtime itself finds an image: a file, an id, or a name that no list spells as the card does."""
        if not reference:
            return False
        try:
            self.runtime.resolve(reference)
        except UnavailableError:
            return False
        return True

    def _install(self, source: MethodSource) -> MethodUse:
        card = source.card
        self._fetch_weights(card)
        image = self._image(source)
        if isinstance(self.runtime, LocalRuntime) and not self.runtime.is_prepared(image.start):
            self.screen.say(f"{card.name}: its environment is made once, which can take some minutes")
            with at_work(self.screen, f"environment of {card.name}"):
                self.runtime.prepare(image.start)
        else:
            self.runtime.prepare(image.start)
        sums = checked_weights(card)
        if files := unpublished(card):
            self.screen.say(
                f"{card.name}: no SHA-256 of {', '.join(files)} is published; it is compared with that of its first use here"
            )
        made = MethodUse(card=card, image=image.start, digest=image.digest, weights=sums)
        return made.model_copy(update={"dose_of": source.dose_of, "dose": dict(source.dose)})

    def _fetch_weights(self, card: Method) -> None:
        missing = missing_weights(card)
        for item in missing:
            self.screen.say(f"{card.name}: weights {described(item)}")
        if missing:
            fetch_weights(
                card, progress=lambda done, of: self.screen.progress(f"{card.name} weights", done, of, "bytes")
            )

    def _image(self, source: MethodSource) -> Image:
        if self.runtime.name == "local":
            return self.runtime.resolve(str(source.folder))
        card, folder = source.card, image_source(source.folder, source.card)
        reference = image_name(source.folder, card)
        state = image_state(source.folder, card, images_here())
        if state == "built" or (state == "SIF" and self.runtime.name == "apptainer"):
            return self._start(reference)
        if folder is not None:
            self.screen.say(f"image {reference} is built now, which can take some minutes")
            own = card if folder == source.folder else read_yaml(folder / CARD, Method)
            build_method(folder, own, build_settings(os.environ), build_steps(self.screen, folder.name))
        elif card.image and not self.knows(card.image):
            self._pull(card.image)
        return self._start(reference)

    def _pull(self, published: str) -> None:
        self.screen.say(f"image {published} is pulled")
        if self.runtime.name == "apptainer":
            with at_work(self.screen, f"pull {published}"):
                make_sif(published, from_registry(published))
        else:
            name = f"pull {published}"
            pull_to_engine(published, published, lambda done, of: self.screen.progress(name, done, of, "bytes"))

    def _start(self, reference: str) -> Image:
        """What the runtime starts: for apptainer the SIF of what the local engine has, made once, else that of the cache."""
        if self.runtime.name == "apptainer" and not reference.endswith(".sif"):
            there = from_engine(reference)
            if there is not None and find_sif(there.digest or "") is None:
                self.screen.say(f"image {reference} is converted to SIF, once; this can take a minute")
            with at_work(self.screen, f"convert {reference}"):
                return self.runtime.resolve(str(make_sif(reference, there)) if there else reference)
        return self.runtime.resolve(reference)


def build_steps(screen: Screen, name: str) -> Callable[[str], None]:
    """Turns the lines of an image's build into progress."""

    def follow(line: str) -> None:
        if step := re.match(r"Step (\d+)/(\d+) :", line):
            screen.progress(f"build {name}", int(step[1]), int(step[2]))

    return follow


@contextmanager
def at_work(screen: Screen, what: str) -> Iterator[None]:
    """A bar without a length, but with the time, while something is done whose steps nobody can count."""
    screen.progress(what, 0, 0)
    yield
    screen.progress(what, 1, 1)


def _refuse_unobtainable(source: MethodSource) -> None:
    if image_source(source.folder, source.card) is None:
        refuse_unobtainable(source.card)


def _listed(sources: Sequence[MethodSource], missing: Sequence[MissingPart]) -> str:
    """What is missing, and the commands that bring it, but for what only its authors have; weights also from files."""
    lines = [f"  {part.method}: {part.what}" for part in missing]
    if names := " ".join(dict.fromkeys(part.method for part in missing if not part.from_authors)):
        which = "the rest" if any(part.from_authors for part in missing) else "it"
        lines += [f"get {which} where there is a network, with", f"  lumirage-harness methods prefetch {names}"]
    weights = [part for part in missing if part.file]
    if weights:
        lines.append("weights also come from files that you brought, with")
    for source in sources:
        files = " ".join(f"--from-file {part.file}" for part in weights if part.method == source.card.name)
        lines += [f"  lumirage-harness methods fetch {source.card.name} {files}"] if files else []
    return "\n".join(lines)


def method_installer(runtime: str, screen: Screen, *, offline: bool = False) -> MethodInstaller:
    """The runtime of that name, or the first that works. Raises UsageError, UnavailableError."""
    chosen, refused = choose(runtime)
    if runtime == "auto":
        passed = "".join(f"\n  not {reason}" for reason in refused)
        screen.say(f"runtime: {chosen.name}{'' if chosen.isolated else ' (methods are not isolated)'}{passed}")
    folders = tuple(Path(part) for part in os.environ.get("LUMIRAGE_METHODS", "").split(os.pathsep) if part)
    return MethodInstaller(chosen, folders, screen, offline)


BASE_HERE = "lumirage/base:bookworm"
"""A base image that a site without a registry has made for itself is taken where it is there."""


def _base_here() -> str | None:
    return BASE_HERE if BASE_HERE in (images_here() or ()) else None


def build_settings(environment: Mapping[str, str]) -> BuildSettings:
    """How to build on this machine: the base image from LUMIRAGE_BASE_IMAGE, pip's own settings, its folder of wheels."""
    links = environment.get("PIP_FIND_LINKS", "")
    return BuildSettings(
        base_image=environment.get("LUMIRAGE_BASE_IMAGE") or _base_here(),
        arguments=pip_arguments(environment),
        wheels=Path(links) if links and Path(links).is_dir() else None,
    )

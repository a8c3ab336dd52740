"""Methods as they are on this machine: nothing is built, pulled, converted or fetched. What a plan looks at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from lumirage.core.errors import EngineError, UnavailableError
from lumirage.core.model import Method, Weights
from lumirage.core.sif_store import find_sif
from lumirage.core.track import MethodUse
from lumirage.flow.method_setup.install import MethodInstaller
from lumirage.methods.image_build import image_name, image_source
from lumirage.methods.method_list import image_state, images_here
from lumirage.methods.sif_conversion import from_engine
from lumirage.methods.weights import missing_weights
from lumirage.planning.method_cards import MethodSource
from lumirage.running.runtimes.runtime_interface import Runtime

State = Literal["here", "to build", "to build again", "to pull", "from its authors", "to convert"]
"""What is to be done before a method can start; `to convert` is an image of the engine that becomes a SIF file."""


@dataclass(frozen=True)
class AtHand:
    """One method: its image, what has to be done to have it, and the weights that are not here."""

    image: str
    state: State
    weights: tuple[Weights, ...]


@dataclass(frozen=True)
class MethodsAtHand:
    """Gives methods as an `MethodInstaller` does, from what is here alone. `found`: method name -> how it stands."""

    installer: MethodInstaller
    found: dict[str, AtHand] = field(default_factory=dict)

    @property
    def runtime(self) -> Runtime:
        """What would start them."""
        return self.installer.runtime

    def find(self, word: str) -> MethodSource:
        """As the installer's."""
        return self.installer.find(word)

    def use(self, source: MethodSource) -> MethodUse:
        """The image that is here; of one that is not, or is out of date, the digest is empty."""
        image, state = self._image(source)
        unknown = MethodUse(card=source.card, image=image, digest="", dose_of=source.dose_of, dose=dict(source.dose))
        self.found[source.card.name] = AtHand(image, state, missing_weights(source.card))
        if state == "here":
            try:
                there = self.runtime.resolve(image)
            except (UnavailableError, EngineError):
                state = "to pull" if source.folder is None else "to build"
                self.found[source.card.name] = AtHand(image, state, missing_weights(source.card))
            else:
                return unknown.model_copy(update={"image": there.start, "digest": there.digest})
        return unknown

    def _image(self, source: MethodSource) -> tuple[str, State]:
        if self.runtime.name == "local":
            return str(source.folder), "here"
        reference = image_name(source.folder, source.card)
        built = image_source(source.folder, source.card) is not None
        match image_state(source.folder, source.card, images_here()):
            case "outdated":
                return reference, "to build again"
            case "not built" | "no engine":
                return reference, "to build" if built else self._unlisted(reference, source.card)
            case "SIF" if self.runtime.name != "apptainer":
                return reference, "to build" if built else "to pull"
            case _:
                return reference, self._sif(reference)

    def _unlisted(self, reference: str, card: Method) -> State:
        """Of an image that no list of the engine's names as the card does: a file or an id, or one to be got."""
        if self.installer.knows(reference):
            return self._sif(reference)
        return "from its authors" if card.obtain else "to pull"

    def _sif(self, reference: str) -> State:
        """Whether apptainer has the file that it needs; other runtimes need none."""
        if self.runtime.name != "apptainer" or reference.endswith(".sif"):
            return "here"
        there = from_engine(reference)
        if there is None:
            return "here" if find_sif(reference) else "to pull"
        return "here" if find_sif(there.digest or "") else "to convert"


def methods_at_hand(installer: MethodInstaller, words: Sequence[str]) -> dict[str, AtHand]:
    """The state of the methods with these names."""
    methods = MethodsAtHand(installer)
    for word in words:
        methods.use(methods.find(word))
    return methods.found

"""Finds methods by name: the cards in method_containers/ and in the folders of LUMIRAGE_METHODS."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lumirage.core.errors import UsageError, nearest
from lumirage.core.layout import shipped
from lumirage.core.model import Method, ParameterValue
from lumirage.core.records import read_yaml
from lumirage.planning.method_doses import dose_of, split_word

CARD = "method.yaml"


@dataclass(frozen=True)
class MethodSource:
    """A method and the folder it is built from; no folder for an image given by its name."""

    card: Method
    folder: Path | None
    variant_of: str = ""
    """The method with the card's own parameters, of a variant."""
    dose_of: str = ""
    dose: Mapping[str, ParameterValue] = field(default_factory=dict)
    """The original name and the changed parameters of a method whose parameters the user changed."""

    def with_dose(self, values: Mapping[str, Any]) -> "MethodSource":
        """The same method with other values of its parameters. Raises UsageError."""
        card, dose = dose_of(self.card, values)
        return replace(self, card=card, dose_of=self.card.name, dose=dose)


def method_folders(extra: Sequence[Path] = ()) -> Iterator[Path]:
    """Folders with a card: those of LUMIRAGE_METHODS first, then the shipped ones."""
    for root in (*extra, shipped("method_containers")):
        if (root / CARD).is_file():
            yield root
        elif root.is_dir():
            yield from sorted(card.parent for card in root.glob(f"*/{CARD}"))


def all_methods(extra: Sequence[Path] = ()) -> dict[str, MethodSource]:
    """Every method and variant by its name. A folder given first hides a later one of the same name."""
    found: dict[str, MethodSource] = {}
    for folder in method_folders(extra):
        card = read_yaml(folder / CARD, Method)
        for method in (card, *variants(card)):
            of = "" if method is card else card.name
            found.setdefault(method.name, MethodSource(method, folder, of))
    return found


def variants(card: Method) -> Iterator[Method]:
    """The card's variants as methods of their own, named NAME-SUFFIX."""
    for suffix, changed in card.variants.items():
        unknown = sorted(set(changed) - set(card.parameters))
        if unknown:
            raise UsageError(f"{card.name}: variant '{suffix}' sets {unknown}, which are not parameters of the card")
        update = {"name": f"{card.name}-{suffix}", "parameters": card.parameters | changed, "variants": {}}
        yield card.model_copy(update=update | ({"typical_cost": {}} if changed else {}))  # other settings, other cost


def find_method(word: str, extra: Sequence[Path] = ()) -> MethodSource:
    """The method of a name, case-insensitive, or of a folder, which is given as a path (`./greedy`); NAME:KEY=VALUE changes
    a parameter. Raises UsageError with the nearest names."""
    name, values = split_word(word)
    found = _find(name, extra)
    return found.with_dose(values) if values else found


def _find(name: str, extra: Sequence[Path]) -> MethodSource:
    folder = Path(name)
    if is_path(name) and (folder / CARD).is_file():
        return MethodSource(read_yaml(folder / CARD, Method), folder.resolve())
    known = all_methods(extra)
    for key, source in known.items():
        if key.lower() == name.lower():
            return source
    hint = f"; for the folder of that name write ./{name}" if (folder / CARD).is_file() else nearest(name, known)
    raise UsageError(f"unknown method '{name}'{hint}")


def is_path(word: str) -> bool:
    """Whether a word is a path rather than a method's name: a folder with the name of a method must not replace it."""
    return "/" in word or word in {".", ".."}

"""The part of an evaluation that concerns some pairs: what a task of a cluster reads instead of all of them.

Of a hundred thousand pairs, evaluation.json has more than a hundred megabytes: each of as many tasks would read it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from lumirage.core.model import Pair, Record
from lumirage.core.track import Evaluation


class EvaluationPart(Record):
    """Some pairs of an evaluation, with what it says of them. Paths are absolute, as of the submission."""

    pairs: tuple[Pair, ...]
    exchanged: dict[str, dict[str, Pair]] = {}
    contents: dict[str, str] = {}


@dataclass(frozen=True)
class PartMaker:
    """Makes parts of one evaluation."""

    evaluation: Evaluation

    @property
    def rest(self) -> Evaluation:
        """What all parts have in common."""
        none: dict[str, object] = {"pairs": (), "exchanged": {}, "contents": {}, "requested": {}, "left_out": {}}
        return self.evaluation.model_copy(update=none)

    def part(self, pairs: Collection[str], *, reverse: bool) -> EvaluationPart:
        """The part of these pairs; `reverse`: and of those the other way round, where they are evaluated too."""
        chosen = {name: self._pairs[name] for name in pairs}
        if reverse:
            chosen |= {
                back: self._pairs[back] for pair in [*chosen.values()] if (back := reversed_id(pair)) in self._pairs
            }
        exchanged = {
            condition: {name: others[name] for name in chosen if name in others}
            for condition, others in self.evaluation.exchanged.items()
        }
        used = [*chosen.values(), *(pair for others in exchanged.values() for pair in others.values())]
        contents = {name: what for key in _owners(used) for name, what in self._contents.get(key, {}).items()}
        return EvaluationPart(pairs=tuple(chosen.values()), exchanged=exchanged, contents=contents)

    @cached_property
    def _pairs(self) -> Mapping[str, Pair]:
        return {pair.id: pair for pair in self.evaluation.pairs}

    @cached_property
    def _contents(self) -> Mapping[str, Mapping[str, str]]:
        """By the first word of their names: a scan, or the two of a truth."""
        found: dict[str, dict[str, str]] = {}
        for name, what in self.evaluation.contents.items():
            found.setdefault(name.split(" ", 1)[0], {})[name] = what
        return found


def _owners(pairs: Iterable[Pair]) -> Iterator[str]:
    for pair in pairs:
        yield from (pair.fixed.name, pair.moving.name, f"{pair.fixed.label}-{pair.moving.label}")


def with_part(rest: Evaluation, part: EvaluationPart) -> Evaluation:
    """The evaluation as far as this part goes."""
    return rest.model_copy(update={name: getattr(part, name) for name in EvaluationPart.model_fields})


def reversed_id(pair: Pair) -> str:
    """Id of the pair with its two scans the other way round."""
    return f"{pair.moving.label}-{pair.fixed.label}"

"""What OUT holds: its evaluation and the records of its runs. Every stage after `run` begins here."""

from collections.abc import Iterator, Sequence
from itertools import product

from lumirage.core.errors import DamagedFileError, DataError
from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout
from lumirage.core.model import Pair, Run
from lumirage.core.packed_files import is_kept
from lumirage.core.records import read_json
from lumirage.core.track import Evaluation
from lumirage.scoring.score_store import RunKey


def load_evaluation(layout: Layout) -> Evaluation:
    """The evaluation in OUT. Raises DataError if there is none."""
    try:
        return read_evaluation(layout)
    except DamagedFileError as error:
        again = "type the same 'lumirage-harness evaluate' command again: it sets this aside and makes it anew"
        raise DataError(f"{error}; {again}") from error


def load_runs(layout: Layout, evaluation: Evaluation, pairs: Sequence[Pair] | None = None) -> dict[RunKey, Run]:
    """The complete runs, of these pairs or of all."""
    return dict(runs_of(layout, evaluation, pairs))


def runs_of(
    layout: Layout, evaluation: Evaluation, pairs: Sequence[Pair] | None = None
) -> Iterator[tuple[RunKey, Run]]:
    """The complete runs one after the other, of these pairs or of all."""
    chosen = evaluation.pairs if pairs is None else pairs
    for name, cell, repeat, pair in product(
        evaluation.methods, evaluation.track.cells(), range(evaluation.repeats), chosen
    ):
        record = layout.run_files(name, evaluation.under(pair, cell.name), cell.name, repeat).record
        if is_kept(record):
            yield (name, cell.name, repeat, pair.id), read_json(record, Run)

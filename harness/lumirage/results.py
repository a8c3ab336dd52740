"""The results of an evaluation in Python: `from lumirage.results import load`, then `load("OUT").scores(metric="dice")`.

Data frames in and out. The numbers are those of scores.tsv and comparisons.tsv: nothing is rounded, nothing is left out.
The command `lumirage-harness query` asks the same questions. docs/results.md and docs/notebooks/results.ipynb show how.
"""

from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as ds

from lumirage.analysis import score_queries as queries
from lumirage.analysis.comparisons import CompareSettings, compare, compare_two, turned
from lumirage.analysis.score_matrices import NEEDED, cells_of
from lumirage.core.errors import DamagedFileError, DataError, UsageError, nearest
from lumirage.core.failure_policy import Policy
from lumirage.core.layout import Layout
from lumirage.core.track import REFERENCE, Evaluation
from lumirage.flow.stored_evaluation import load_evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Results", "load"]

_Names = str | Sequence[str]
_CHOSEN = ("metric", "preset", "condition", "source", "label", "name")


def load(out: str | PathLike[str]) -> "Results":
    """The results in OUT, the output folder of an evaluation. Raises DataError where it holds none, or no scores."""
    layout = Layout(Path(out))
    evaluation = load_evaluation(layout)
    if not layout.score_table.is_file():
        raise DataError(f"{layout.root}: no scores there; make them with 'lumirage-harness score {layout.root}'")
    return Results(layout, evaluation)


class Results:
    """Scores and comparisons of one evaluation; made by `load`. The files are read when something is asked for."""

    def __init__(self, layout: Layout, evaluation: Evaluation) -> None:
        self._layout = layout
        self._evaluation = evaluation
        try:
            self._table = ds.dataset(layout.score_table)
        except (OSError, ValueError) as error:
            raise DamagedFileError(layout.score_table, f"damaged, or cut off ({error})") from error

    def __repr__(self) -> str:
        track, methods = self._evaluation.track.name, ", ".join(self.methods)
        return f"Results({str(self._layout.root)!r}: {track}, {len(self._evaluation.pairs)} pairs, {methods})"

    @property
    def methods(self) -> list[str]:
        """Names of the methods, in the order in which they were added."""
        return list(self._evaluation.methods)

    @property
    def metrics(self) -> list[str]:
        """Identifiers of the metrics that have scores."""
        return sorted(self._known["metric"].unique())

    @property
    def structures(self) -> pd.DataFrame:
        """The structures that have scores of their own: columns source, label, name."""
        labels = self._known.loc[self._known["label"].notna(), ["source", "label", "name"]]
        return labels.drop_duplicates().sort_values(["source", "label"], ignore_index=True)

    def table(self, name: str) -> pd.DataFrame:
        """A table of the comparison: "comparisons", "rankings", "power" ... as in OUT/NAME.tsv. Raises DataError."""
        path = self._layout.table(name)
        if not path.is_file():
            there = [each.stem for each in self._layout.root.glob("*.tsv")]
            raise DataError(f"{path}: not there; make it with 'lumirage-harness compare'{nearest(name, there)}")
        return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)

    def scores(  # noqa: PLR0913 -- each is one column of the table
        self,
        metric: str = "",
        structure: str = "",
        *,
        method: _Names = (),
        pair: _Names = (),
        condition: str = "",
        source: str = "",
        preset: str = "",
    ) -> pd.DataFrame:
        """Rows of scores.tsv, all its columns: a row a method, pair and repeat, NaN where there is no value.

        metric: an identifier, or the field's name such as "dice" or "hd95"; empty: all metrics.
        structure: a name, a part of one, a pattern such as "*hippocampus*", or a label's number, in any case; then a row
        a structure. Empty: one row, the mean over all structures or the value of the field.
        condition, source, preset: empty the first that has scores (the reference condition first), "*" all.
        Raises UsageError for a name that is not there.
        """
        return self._rows(
            queries.ScoreQuery(metric, structure, _names(method), _names(pair), condition, source, preset)
        )

    def by(self, *groups: str, data: pd.DataFrame | None = None, metric: str = "", structure: str = "") -> pd.DataFrame:
        """Statistics a group: n, without_value, failed_runs, mean, sd, median, min, max; best mean first.

        groups: "method" (default), "structure", "pair", "condition", "source" ..., see `queries.GROUPS`.
        data: rows of `scores`, filtered as you like; else those of `metric` (default: the first that measures accuracy)
        and `structure`. The values are the methods' own: a failure policy is applied by `compare` alone.
        """
        rows = self._of(data, metric, structure)
        attempts = self._pair_rows[self._pair_rows["condition"].isin(rows["condition"].unique())]
        attempts = attempts[attempts["method"].isin(rows["method"].unique())]
        return queries.grouped(rows, groups or ("method",), attempts)

    def compare(  # noqa: PLR0913 -- a question has these parts
        self,
        method: str = "",
        reference: str = "",
        *,
        metric: str = "",
        structure: str = "",
        condition: str = "",
        source: str = "",
        policy: Policy | None = None,
        data: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Paired effects, method minus reference, with intervals from resampling subjects: rows of comparisons.tsv.

        Without a method, or without a reference, every comparison of the metric (of this method) is given. Failed runs are
        filled by `policy`, by default the track's. With a structure the mean over the structures that it names is compared.
        data: pair-level rows in the columns of scores.tsv, to compare in place of those in OUT; values of your own method
        may be among them. Raises UsageError for a name that is not there.
        """
        policy = policy or self._evaluation.track.on_failure
        rows = self._of(data, metric, structure, condition=condition, source=source)
        name, all_rows = str(rows["metric"].iloc[0]), self._to_compare(rows, data)
        settings = CompareSettings(policies=(policy,))
        found = compare(all_rows, settings, name)
        found = found[~found["literature"]]
        for column in ("condition", "source", "preset"):
            found = found[found[column].isin(rows[column].fillna("").unique())]
        found = found.reset_index(drop=True)
        for one in filter(None, (method, reference)):
            known = sorted(rows["method"].unique())
            if one not in known:
                raise UsageError(f"no scores of a method '{one}' are there{nearest(one, known)}")
        if not method or not reference:
            one = method or reference
            return found[(found["method"] == one) | (found["reference"] == one)] if one else found
        straight = found[(found["method"] == method) & (found["reference"] == reference)]
        other = found[(found["method"] == reference) & (found["reference"] == method)]
        if len(straight) or len(other):
            return (straight if len(straight) else turned(other)).reset_index(drop=True)
        keys = ("condition", "source", "preset")
        wanted = set(zip(*(rows[key].fillna("") for key in keys), strict=True))
        cells = [raw for raw in cells_of(all_rows, name) if tuple(raw.cell.key[key] for key in keys) in wanted]
        return pd.concat([compare_two(raw, (method, reference), settings, policy) for raw in cells], ignore_index=True)

    def plot(
        self,
        metric: str = "",
        structure: str = "",
        *,
        by: str = "method",
        data: pd.DataFrame | None = None,
        to: str | PathLike[str] | None = None,
    ) -> "Figure":
        """Every value, median and quartiles, a row a group, best mean above: a matplotlib figure.

        data: rows of `scores` to draw in place of those of `metric` and `structure`. to: a file to write, PDF, SVG or PNG.
        """
        from lumirage.reporting.score_plots import plot_scores, save_figure

        rows = self._of(data, metric, structure)
        order = list(queries.grouped(rows, (by,), rows)[by])
        figure = plot_scores(rows, queries.GROUPS[by], order, self._in_order)
        if to is not None:
            save_figure(figure, Path(to))
        return figure

    @property
    def _in_order(self) -> list[str]:
        scored = self._known_methods
        return [*(m for m in scored if m not in self._evaluation.methods), *self.methods]

    @cached_property
    def _known_methods(self) -> list[str]:
        return sorted(pc.unique(self._table.to_table(columns=["method"]).column("method")).to_pylist())

    @cached_property
    def _known(self) -> pd.DataFrame:
        """What there are scores of: the distinct rows of the columns that a question chooses from."""
        table = self._table.to_table(columns=list(_CHOSEN))
        known = table.group_by(list(_CHOSEN)).aggregate([]).to_pandas()
        return known.fillna({"source": "", "name": "", "preset": ""}).astype({"label": "Int64"})

    @cached_property
    def _pair_rows(self) -> pd.DataFrame:
        wanted = pc.field("label").is_null(nan_is_null=True)
        return self._table.to_table(columns=list(NEEDED), filter=wanted).to_pandas()

    def _of(
        self, data: pd.DataFrame | None, metric: str, structure: str, *, condition: str = "", source: str = ""
    ) -> pd.DataFrame:
        """The rows of one metric: those that were handed in, or those that are asked for. Raises UsageError."""
        if data is None:
            name = queries.metric_named(metric, self.metrics)
            data = self._rows(queries.ScoreQuery(name, structure, condition=condition, source=source))
        missing = [column for column in NEEDED if column not in data.columns]
        if missing or data.empty:
            why = f"lack the columns {', '.join(missing)}" if missing else "are none"
            raise UsageError(f"the rows {why}: take rows of scores(), and change or add to them")
        if data["metric"].nunique() > 1:
            raise UsageError("the rows are of several metrics: choose one, as in scores(metric='dice')")
        return data

    def _to_compare(self, rows: pd.DataFrame, data: pd.DataFrame | None) -> pd.DataFrame:
        """Pair-level rows that `compare` understands, with all failed runs."""
        stored = self._pair_rows[self._pair_rows["condition"].isin(rows["condition"].unique())]
        structures = rows[rows["label"].notna()]
        if len(structures):
            if new := sorted(set(structures["method"]) - set(stored["method"])):
                raise UsageError(
                    f"rows of structures of {', '.join(new)}, which OUT does not have: give pair-level rows"
                )
            return queries.as_pair_rows(structures, stored)
        return stored if data is None else rows

    def _rows(self, query: queries.ScoreQuery) -> pd.DataFrame:
        chosen = self._known
        if query.metric:
            chosen = chosen[chosen["metric"] == queries.metric_named(query.metric, self.metrics)]
        wanted = pc.field("metric").isin(sorted(chosen["metric"].unique()))
        if query.structure:
            labels = queries.structures_named(query.structure, chosen[chosen["label"].notna()])
            chosen = labels
            wanted &= pc.field("label").isin([int(label) for label in labels["label"].unique()])
        else:
            wanted &= pc.field("label").is_null(nan_is_null=True)
        for column in ("condition", "preset", "source"):
            word = getattr(query, column)
            there = self._in_preference(column, chosen)
            every = not (query.metric or word) and column != "condition"  # metrics differ in their presets and sources
            wanted &= pc.field(column).isin(queries.chosen_among("*" if every else word, there, f"the {column}"))
        for column, some in (("method", query.methods), ("pair", query.pairs)):
            if some:
                known = pc.unique(self._table.to_table(columns=[column]).column(column)).to_pylist()
                names = [name for one in some for name in queries.chosen_among(one, known, f"the {column}")]
                wanted &= pc.field(column).isin(names)
        rows = self._table.to_table(filter=wanted).to_pandas().astype({"label": "Int64"})
        if query.structure:  # a number means another structure in another source
            rows = rows.merge(chosen[["source", "label"]].drop_duplicates(), on=["source", "label"])
        return rows.reset_index(drop=True)

    def _in_preference(self, column: str, chosen: pd.DataFrame) -> list[str]:
        """What there is in a column, the default first: the reference condition, the track's first preset."""
        first = {"condition": (REFERENCE,), "preset": self._evaluation.track.presets}.get(column, ())
        there = sorted(set(chosen[column].astype(str)), key=lambda name: (name == "", name))
        return [*(name for name in first if name in there), *(name for name in there if name not in first)]


def _names(words: _Names) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)

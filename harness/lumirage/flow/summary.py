"""The answer of an evaluation, from the files in OUT: one entry for each method."""

import json
import math
import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lumirage import __version__
from lumirage.analysis.comparisons import mean_intervals
from lumirage.analysis.ranking import AGGREGATE
from lumirage.analysis.score_matrices import NEEDED, RawCell, cells_of
from lumirage.core.errors import DataError
from lumirage.core.evaluation_answer import (
    CompareAnswer,
    Effect,
    Estimate,
    EvaluationAnswer,
    MethodAnswer,
    MetricAnswer,
    Rank,
)
from lumirage.core.failure_policy import Policy
from lumirage.core.layout import Layout
from lumirage.core.metrics import METRICS, direction, is_accuracy, title
from lumirage.core.model import SENTINELS, Outcome, Run
from lumirage.core.references import references_of
from lumirage.core.stored_scores import OF_PAIR, read_scores
from lumirage.core.time_spent import time_spent
from lumirage.core.track import REFERENCE, Evaluation, Track
from lumirage.flow.stored_evaluation import load_evaluation, load_runs
from lumirage.flow.summary_notes import (
    SHOWN,
    device_of,
    devices_told,
    left_out_told,
    names_in,
    other_sources,
    what_is_shown,
)
from lumirage.reporting.pair_warnings import in_lines, read_pair_warnings
from lumirage.reporting.report_inputs import read_table

WARNINGS_SHOWN = 5
_FOLDS = "det_le0_percent"
_NO_ACCURACY = "no labels, landmarks or true fields belong to these pairs: nothing here measures accuracy"
_SHARED = "methods that share a rank, as 1=, cannot be distinguished"


def summarize(layout: Layout) -> EvaluationAnswer:
    """What OUT holds: how many runs, how many failed, the means of the common metrics, ranks, time and memory.

    Means, time and memory are of one condition, preset and label source, which the notes name where there are more, and
    failed runs have been filled by the track's policy. The counts are of all runs.
    """
    evaluation = load_evaluation(layout)
    track = evaluation.track
    runs = list(load_runs(layout, evaluation).values())
    scores = _scores(layout)
    condition = _first(names_in(scores, "condition"), [cell.name for cell in track.cells()]) or REFERENCE
    chosen = _choose(scores[scores["condition"] == condition], track)
    accuracy = any(map(is_accuracy, chosen))
    names = [m for m in SHOWN if m in chosen and is_accuracy(m) is accuracy]
    shown = {metric: chosen[metric] for metric in (*names, *({_FOLDS} & set(chosen)))}
    ranks = _ranks(layout, chosen[names[0]], track) if accuracy else {}
    doubtful = read_pair_warnings(layout.score_table)
    page = layout.report / "index.html"
    return EvaluationAnswer(
        harness=__version__,
        out=str(layout.root),
        track=track.name,
        dataset=evaluation.dataset_name,
        runtime=evaluation.runtime,
        n_pairs=max((len(raw.cell.pairs) for raw in shown.values()), default=0),
        n_subjects=_subjects(evaluation, {pair for raw in shown.values() for pair in raw.cell.pairs}),
        condition=condition,
        conditions=len(track.cells()),
        repeats=evaluation.repeats,
        policy=track.on_failure,
        metrics={metric: _metric(raw) for metric, raw in shown.items()},
        methods=_methods(evaluation, shown, ranks, runs, condition),
        failed=sum(run.outcome is not Outcome.OK for run in runs),
        headline=_headline(layout),
        left_out=evaluation.left_out,
        pair_warnings=doubtful,
        notes=(
            *filter(None, (evaluation.caution,)),
            *((_NO_ACCURACY,) if chosen and not accuracy else ()),
            *what_is_shown(scores, list(shown.values()), runs, track),
            *left_out_told(evaluation),
            *([_SHARED] if any("=" in rank.place for rank in ranks.values()) else []),
            *other_sources(scores[scores["condition"] == condition], chosen, track),
            *devices_told(runs),
            *in_lines(doubtful, WARNINGS_SHOWN),
        ),
        report=str(page) if page.is_file() else None,
        time_spent=time_spent(layout),
    )


def effects_of(layout: Layout, answer: EvaluationAnswer) -> CompareAnswer:
    """The same with the comparisons of its metrics. Raises DataError before they were made."""
    table = read_table(layout.table("comparisons"))
    if table is None:
        raise DataError(f"{layout.root}: no comparisons there; make them with 'lumirage-harness compare {layout.root}'")
    rows = table[(table["condition"] == answer.condition) & (table["policy"] == answer.policy)]
    rows = rows[~rows["literature"].astype(bool)]
    effects = []
    for name, metric in answer.metrics.items():
        mine = rows[(rows["metric"] == name) & (rows["preset"] == metric.preset)]
        mine = mine[mine["source"].astype("string").fillna("") == metric.source]
        effects += [_effect(row) for row in mine.to_dict("records")]
    return CompareAnswer(**dict(answer), effects=tuple(effects))


def _effect(row: Mapping[Hashable, Any]) -> Effect:
    numbers = {name: finite(row[name]) for name in ("difference", "ci_low", "ci_high", "p", "p_holm", "d_z")}
    counts: dict[str, Any] = {  # so that the two can be handed on together
        name: int(finite(row.get(name)) or 0)
        for name in ("n_pairs", "n_subjects", "dropped", "filled_method", "filled_reference")
    }
    better = row["better"]
    return Effect(
        method=row["method"], reference=row["reference"], metric=row["metric"],
        better=better if better in ("method", "reference") else "", confidence=float(row["confidence"]),
        **counts | numbers,
    )  # fmt: skip


def finite(value: Any) -> float | None:  # whatever a table holds
    """A number, or None for what is none."""
    return None if value is None or pd.isna(value) or not np.isfinite(float(value)) else float(value)


def _subjects(evaluation: Evaluation, pairs: Collection[str]) -> int:
    scored = [pair for pair in evaluation.pairs if pair.id in pairs]
    return len({scan.subject for pair in scored for scan in (pair.fixed, pair.moving)})


def _metric(raw: RawCell) -> MetricAnswer:
    known, key = METRICS.get(raw.cell.metric), raw.cell.key
    return MetricAnswer(
        title=title(raw.cell.metric),
        unit=known.unit if known else "",
        better=known.better if known else "",
        preset=key["preset"],
        source=key["source"],
    )


def _methods(
    evaluation: Evaluation, shown: Mapping[str, RawCell], ranks: Mapping[str, Rank], runs: Sequence[Run], condition: str
) -> dict[str, MethodAnswer]:
    """By rank, then in the order of the evaluation; references last."""
    policy, references = evaluation.track.on_failure, references_of(evaluation)
    means = {metric: _estimates(raw, policy) for metric, raw in shown.items()}
    scored = {name for of in means.values() for name in of}
    names = [name for name in (*evaluation.methods, *SENTINELS) if name in evaluation.methods or name in scored]
    first = next(iter(shown), "")

    def order(name: str) -> tuple[bool, bool, float, float]:
        rank, mean = ranks.get(name), means.get(first, {}).get(name)
        number = re.sub(r"\D", "", rank.place) if rank else ""
        value = -direction(first) * mean.mean if mean else math.inf
        return name in references, bool(ranks) and not number, float(number or 0), value

    found = {}
    for name in sorted(names, key=order) if shown else names:
        use, mine = evaluation.methods.get(name), [run for run in runs if run.method == name]
        of_condition = [run for run in mine if run.condition == condition]
        found[name] = MethodAnswer(
            version=use.card.version if use else "",
            kind=use.card.kind if use else "sentinel",
            reference=name in references,
            image=use.digest if use else "",
            runs=len(mine),
            failed=sum(run.outcome is not Outcome.OK for run in mine),
            rank=ranks.get(name),
            means={metric: of[name] for metric, of in means.items() if name in of},
            device=device_of(of_condition),
            **_costs(of_condition),
        )
    return found


def _estimates(raw: RawCell, policy: Policy) -> dict[str, Estimate]:
    """Method -> its mean with its interval; none for a method without any value."""
    intervals = mean_intervals(raw, policy)
    return {
        method: Estimate(
            mean=mean.value, ci_low=finite(intervals[method][0]), ci_high=finite(intervals[method][1]),
            n_pairs=mean.n_pairs, filled=mean.filled,
        )
        for method, mean in raw.runs.means(policy, raw.cell.metric).items()
        if np.isfinite(mean.value)
    }  # fmt: skip


def _headline(layout: Layout) -> str:
    """What a condition breaks most, and the headline, as the analysis has them; nothing before it was made."""
    if not layout.verdicts.is_file():
        return ""
    found = [one for one in json.loads(layout.verdicts.read_text(encoding="utf-8")) if isinstance(one, dict)]
    news = [one for one in found[:1] if one.get("kind") == "condition"]
    return " ".join(str(one["sentence"]) for one in [*news, *(o for o in found if o.get("kind") == "headline")])


def _scores(layout: Layout) -> pd.DataFrame:
    """Pair-level rows; none where nothing was scored."""
    if not layout.score_table.is_file():
        return pd.DataFrame(columns=list(NEEDED))
    return read_scores(layout.score_table, OF_PAIR, NEEDED)


def _choose(rows: pd.DataFrame, track: Track) -> dict[str, RawCell]:
    """Metric -> its values under the first preset that knows accuracy (or the first), by the first label source."""
    known = rows[rows["value"].notna()]
    accurate = known[known["metric"].map(is_accuracy).astype(bool)]
    preset = _first(names_in(accurate if len(accurate) else known, "preset"), track.presets)
    rows = rows[rows["preset"] == preset]
    found: dict[str, RawCell] = {}
    for raw in cells_of(rows) if len(rows) else ():
        if np.isfinite(raw.runs.values).any():
            found.setdefault(raw.cell.metric, raw)  # they come sorted by source
    return found


def _first(there: Sequence[str], wanted: Sequence[str]) -> str:
    """The first of what is wanted that is there, else the first that is; empty where nothing is."""
    return next((name for name in (*wanted, *there) if name in there), "")


def _ranks(layout: Layout, raw: RawCell, track: Track) -> dict[str, Rank]:
    """Method -> its rank with ties and interval, as the analysis has it; none before it was made."""
    path = layout.table("rankings")
    if not path.is_file():
        return {}
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if "reference" not in table.columns:  # from before references were taken out of the ranks
        return {}
    wanted = raw.cell.key | {"policy": track.on_failure, "scheme": AGGREGATE}
    same = np.logical_and.reduce([table[name].replace("n/a", "") == value for name, value in wanted.items()])
    rows = [row for row in table[same].to_dict("records") if row["reference"] != "True"]
    return {str(row["method"]): _rank(row) for row in rows}


def _rank(row: Mapping[Hashable, str]) -> Rank:
    beyond = row["beyond_gate"] == "True"
    low, high = (None if row[name] in ("n/a", "") else finite(row[name]) for name in ("rank_low", "rank_high"))
    return Rank(place="" if beyond else row["place"].replace("n/a", ""), low=low, high=high, beyond_gate=beyond)


def _costs(runs: Sequence[Run]) -> dict[str, float | None]:
    """Medians over the runs that ended well, as a crash costs little; CPU time and memory are those of containers."""
    well = [run for run in runs if run.outcome is Outcome.OK]
    costs: dict[str, list[float | int | None]] = {
        "wall_s": [run.wall_s for run in well],
        "cpu_s": [run.cpu_s_per_pair for run in well],
        "peak_memory_bytes": [run.usage.peak_memory_bytes for run in well],
    }
    known = {name: [value for value in values if value is not None] for name, values in costs.items()}
    return {name: float(np.median(values)) if values else None for name, values in known.items()}

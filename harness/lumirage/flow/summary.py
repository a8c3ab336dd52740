"""The closing summary of an evaluation, from the files in OUT: one line for each method."""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lumirage.analysis.ranking import AGGREGATE
from lumirage.analysis.score_matrices import NEEDED, RawCell, cells_of
from lumirage.core.failure_policy import COUNTED_AS, PolicyMean
from lumirage.core.layout import Layout
from lumirage.core.metrics import is_accuracy
from lumirage.core.model import SENTINELS, Outcome, Run
from lumirage.core.track import REFERENCE, Evaluation, Track
from lumirage.flow.stored_evaluation import load_evaluation, load_runs
from lumirage.reporting.pair_warnings import in_lines, read_pair_warnings


@dataclass(frozen=True)
class Summary:
    """What the closing table says; `failed` counts runs that did not end well."""

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]
    failed: int
    notes: tuple[str, ...] = field(default=())
    headline: str = ""
    filled: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Method -> column -> over how many pairs the failure policy put in a value; only where it did."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Pair -> why it was left out before anything ran."""
    pair_warnings: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """For machines."""
        methods = {name: dict(zip(self.columns, cells, strict=True)) for name, cells in self.rows.items()}
        filled = {name: dict(of) for name, of in self.filled.items()}
        return {
            "title": self.title,
            "headline": self.headline,
            "methods": methods,
            "failed": self.failed,
            "filled": filled,
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
            "pair_warnings": dict(self.pair_warnings),
        }

    def marked(self, method: str) -> tuple[str, ...]:
        """The cells of a method for a reader: a mean that is in part, or wholly, the failure policy's has an asterisk."""
        filled = self.filled.get(method, {})
        return tuple(
            f"{cell}*" if column in filled and cell else cell
            for column, cell in zip(self.columns, self.rows[method], strict=True)
        )


_SHOWN = (
    "dice_nearest_fg", "hd95_mm", "tre_mm_linear", "displacement_error_mm", "dice_lumir", "hd95_vox_lumir",
    "tre_vox_lumir", "tre_mm_cubic_l2r", "dice_argmax_fg", "mi_fixed_moved", "ncc_fixed_moved",
)  # fmt: skip
"""In this order; likeness of the images only where nothing measures accuracy."""
WARNINGS_SHOWN = 5
_FOLDS = "det_le0_percent"
_NO_ACCURACY = "no labels, landmarks or true fields belong to these pairs: nothing here measures accuracy"
_SHARED = "rank, as 2= [1, 3]: methods that share a place cannot be told apart; in brackets the ranks that the tests leave each"


def summarize(layout: Layout) -> Summary:
    """One line for each method: how many runs, how many failed, the means of the common metrics, time and memory.

    Means, time and memory are of one condition, preset and label source, which the notes name where there are more, and
    failed runs have been filled by the track's policy. The counts are of all runs.
    """
    evaluation = load_evaluation(layout)
    track = evaluation.track
    runs = list(load_runs(layout, evaluation).values())
    scores = _scores(layout)
    condition = _first(_names(scores, "condition"), [cell.name for cell in track.cells()]) or REFERENCE
    chosen = _choose(scores[scores["condition"] == condition], track)
    accuracy = any(map(is_accuracy, chosen))
    others = _other_sources(scores[scores["condition"] == condition], chosen, track)
    shown = [m for m in _SHOWN if m in chosen and is_accuracy(m) is accuracy]
    means = {
        metric: chosen[metric].runs.means(track.on_failure, metric) for metric in (*shown, *({_FOLDS} & set(chosen)))
    }
    places = _places(layout, chosen[shown[0]], track) if accuracy else {}
    names = [
        n for n in (*SENTINELS, *evaluation.methods) if n not in SENTINELS or any(n in of for of in means.values())
    ]
    filled = {name: {k: of[name].filled for k, of in means.items() if name in of and of[name].filled} for name in names}
    rows = {}
    for name in names:
        mine = [run for run in runs if run.method == name]
        values = [_number(of[name]) if name in of else "" for of in means.values()]
        of_condition = [run for run in mine if run.condition == condition]
        costs = (_device(of_condition), *_costs(of_condition))
        rows[name] = (*([places.get(name, "")] if places else []), *_counts(mine), *values, *costs)
    page = layout.report / "index.html"
    doubtful = read_pair_warnings(layout.score_table)
    return Summary(
        title=f"{track.name} on {evaluation.dataset_name}",
        columns=(*(["rank"] if places else []), "runs", "failed", *means, "device", "wall s", "cpu s", "peak MB"),
        rows=rows,
        failed=sum(run.outcome is not Outcome.OK for run in runs),
        notes=(
            *filter(None, (evaluation.caution,)),
            *((_NO_ACCURACY,) if chosen and not accuracy else ()),
            *_what_is_shown(scores, [chosen[metric] for metric in means], runs, track),
            *_left_out(evaluation),
            *([_SHARED] if any("=" in place for place in places.values()) else []),
            *others,
            *_devices(runs),
            *in_lines(doubtful, WARNINGS_SHOWN),
            *((f"report: {page}",) if page.is_file() else ()),
        ),
        headline=_headline(layout),
        filled={name: of for name, of in filled.items() if of},
        left_out=evaluation.left_out,
        pair_warnings=doubtful,
    )


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
    rows = pd.read_parquet(layout.score_table, columns=list(NEEDED))
    return rows[rows["label"].isna()]


def _choose(rows: pd.DataFrame, track: Track) -> dict[str, RawCell]:
    """Metric -> its values under the first preset that knows accuracy (or the first), by the first label source."""
    known = rows[rows["value"].notna()]
    accurate = known[known["metric"].map(is_accuracy).astype(bool)]
    preset = _first(_names(accurate if len(accurate) else known, "preset"), track.presets)
    rows = rows[rows["preset"] == preset]
    found: dict[str, RawCell] = {}
    for raw in cells_of(rows) if len(rows) else ():
        if np.isfinite(raw.runs.values).any():
            found.setdefault(raw.cell.metric, raw)  # they come sorted by source
    return found


def _other_sources(rows: pd.DataFrame, chosen: Mapping[str, RawCell], track: Track) -> list[str]:
    """The first metric of labels under the label sources that the table has no room for, a line each."""
    metric = next((m for m in _SHOWN if m in chosen and is_accuracy(m) and chosen[m].cell.key["source"]), None)
    if metric is None:
        return []
    shown = chosen[metric].cell.key
    rows = rows[(rows["metric"] == metric) & (rows["preset"] == shown["preset"]) & (rows["source"] != shown["source"])]
    lines = []
    for raw in cells_of(rows) if len(rows) else ():
        means = ", ".join(
            f"{method} {_number(mean)}" for method, mean in raw.runs.means(track.on_failure, metric).items()
        )
        lines.append(f"{metric} by {raw.cell.key['source']}: {means or 'no value'}")
    return lines


def _first(there: Sequence[str], wanted: Sequence[str]) -> str:
    """The first of what is wanted that is there, else the first that is; empty where nothing is."""
    return next((name for name in (*wanted, *there) if name in there), "")


def _names(rows: pd.DataFrame, column: str) -> list[str]:
    return sorted(set(rows[column].dropna().astype(str)) - {""})


def _places(layout: Layout, raw: RawCell, track: Track) -> dict[str, str]:
    """Method -> its place with ties and the interval of its rank, as the analysis has them; none before it was made."""
    path = layout.table("rankings")
    if not path.is_file():
        return {}
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if "place" not in table.columns:  # from before there were ties
        return {}
    wanted = raw.cell.key | {"policy": track.on_failure, "scheme": AGGREGATE}
    same = np.logical_and.reduce([table[name].replace("n/a", "") == value for name, value in wanted.items()])
    return {str(row["method"]): _place(row) for row in table[same].to_dict("records")}


def _place(row: Mapping[Hashable, str]) -> str:
    if row["beyond_gate"] == "True":
        return "gate"
    if "n/a" in (row["rank_low"], row["rank_high"]) or row["rank_low"] == row["rank_high"]:
        return row["place"].replace("n/a", "")
    return f"{row['place']} [{float(row['rank_low']):g}, {float(row['rank_high']):g}]"


def _what_is_shown(scores: pd.DataFrame, shown: Sequence[RawCell], runs: Sequence[Run], track: Track) -> list[str]:
    """In words, where the table is a part of what there is, where failures were counted, and where pairs have no value."""
    if not shown:
        return []
    key = next((raw.cell.key for raw in shown if raw.cell.key["source"]), shown[0].cell.key)
    of_metric = scores[scores["metric"] == next((raw.cell.metric for raw in shown if raw.cell.key["source"]), "")]
    several = [(what, len(_names(scores, what))) for what in ("condition", "preset")]
    several.append(("label source", len(_names(of_metric, "source"))))
    parts = [f"{what} {key[what.split()[-1]]} (of {count})" for what, count in several if count > 1]
    notes = [f"means: {', '.join(parts)}; the report has all"] if parts else []
    if any(run.condition != key["condition"] for run in runs):
        notes.append(f"time and memory: medians under {key['condition']}; runs and failed: of all conditions")
    if any(raw.runs.failed.any() for raw in shown):
        star = "; * marks means with such pairs" if track.on_failure != "drop" else ""
        notes.append(f"a failed run {COUNTED_AS[track.on_failure]} (policy {track.on_failure}){star}")
    return notes + [told for raw in shown if (told := _without_value(raw, track))]


def _without_value(raw: RawCell, track: Track) -> str:
    """Which methods have means over fewer pairs than the table has."""
    counts = np.isfinite(raw.under(track.on_failure).values).sum(axis=1)
    fewer = [f"{m} {n}" for m, n in zip(raw.cell.methods, counts, strict=True) if 0 < n < len(raw.cell.pairs)]
    return f"{raw.cell.metric} is over fewer than {len(raw.cell.pairs)} pairs: {', '.join(fewer)}" if fewer else ""


def _counts(runs: Sequence[Run]) -> tuple[str, str]:
    return (str(len(runs)) if runs else "", str(sum(run.outcome is not Outcome.OK for run in runs)) if runs else "")


def _devices(runs: Sequence[Run]) -> list[str]:
    """Who computed on what; the table has the column only where there is room for it."""
    by_method: dict[str, list[Run]] = {}
    for run in runs:
        by_method.setdefault(run.method, []).append(run)
    on: dict[str, list[str]] = {}
    for method, mine in by_method.items():
        on.setdefault(_device(mine), []).append(method)
    on.pop("", None)
    parts = [device if len(on) == 1 else f"{device} ({', '.join(names)})" for device, names in sorted(on.items())]
    return [f"computed on: {', '.join(parts)}"] if parts else []


def _device(runs: Sequence[Run]) -> str:
    """What they were told to compute on; both where some had a GPU and some had none."""
    return ", ".join(sorted({run.device for run in runs} - {""}))


def _costs(runs: Sequence[Run]) -> tuple[str, str, str]:
    """Medians over the runs that ended well, as a crash costs little; CPU time and memory are those of containers."""
    well = [run for run in runs if run.outcome is Outcome.OK]
    walls = [run.wall_s for run in well if run.wall_s is not None]
    cpus = [run.cpu_s_per_pair for run in well if run.cpu_s_per_pair is not None]
    peaks = [run.usage.peak_memory_bytes / 1e6 for run in well if run.usage.peak_memory_bytes is not None]
    wall, cpu, peak = (f"{pd.Series(v).median():.1f}" if v else "" for v in (walls, cpus, peaks))
    return wall, cpu, peak


def _left_out(evaluation: Evaluation) -> list[str]:
    if not evaluation.left_out:
        return []
    many = len(evaluation.left_out)
    first = "; ".join(f"{pair}: {why}" for pair, why in list(evaluation.left_out.items())[:3])
    return [f"{many} of {many + len(evaluation.pairs)} pairs left out before anything ran (on_bad_scan): {first}"]


def _number(mean: PolicyMean) -> str:
    return f"{mean.value:.4f}" if np.isfinite(mean.value) else ""

"""Makes a small output tree with known numbers: balls of some subjects, three methods, failures, conditions.

With `factors` also three resolutions, at the finest of which runs die of limits, a second label source under which the
methods stand in another order, a true field that Dice does not follow, and two repeats.
"""

import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lumirage.analysis.comparisons import CompareSettings, compare
from lumirage.analysis.condition_effects import ChangeSettings, condition_changes, growth_exponents, repeat_variance
from lumirage.analysis.power import power_table
from lumirage.analysis.ranking import RankSettings, rank, rank_agreement
from lumirage.analysis.resampling import Resampling
from lumirage.analysis.structure_effects import structure_effects
from lumirage.analysis.verdicts import verdicts
from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout, written_aside
from lumirage.core.model import SCORE_COLUMNS, SENTINELS, Limits, Method, Outcome, Pair, Prepared, Run, Scan, Usage
from lumirage.core.space import Displacement, make_grid, write_displacement, write_volume
from lumirage.core.track import Condition, Conditions, Evaluation, MethodUse, Prepare, Track
from lumirage.reporting.report_inputs import read_runs
from lumirage.reporting.report_problems import ReportProblems

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> & 'quotes' ${x}"
)
SHAPE = (40, 48, 36)
AFFINE = np.array([[2.0, 0, 0, -40], [0, 2, 0, -48], [0, 0, 2, -36], [0, 0, 0, 1]])
GIB = 2**30
DICE = {"identity": 0.42, "affine": 0.50, "alpha": 0.74, "beta": 0.76, "gamma-untrained": 0.55}
SECONDS = {"alpha": 24.0, "beta": 7.0, "gamma-untrained": 1.2}
MIB = {"alpha": 900, "beta": 300, "gamma-untrained": 2100}
MERGED_DICE = {"identity": 0.52, "affine": 0.60, "alpha": 0.74, "beta": 0.86, "gamma-untrained": 0.85}
TRUE_ERROR_MM = {"identity": 3.0, "affine": 2.5, "alpha": 0.9, "beta": 1.2, "gamma-untrained": 0.6}
REPEAT_STEP = 0.004
"""How much gamma-untrained's second repeat is better in Dice."""
GROWTH = 1.1
"""Exponent of time and memory with voxels."""
SPACINGS = {"spacing_mm-3": 3.0, "spacing_mm-1": 1.0}
LABELS = {1: "ventricle", 2: "thalamus", 3: "cortex"}
FAILING = "beta"


class NoProblems(ReportProblems):
    """Raises what a report would tell and go on: here everything can be made."""

    def attempt(self, what, make, otherwise):  # type: ignore[no-untyped-def]  # as its base says
        return make()


NONE_EXPECTED = NoProblems()


@dataclass(frozen=True)
class Recipe:
    """How large the tree is."""

    subjects: int = 5
    images: bool = True
    methods: tuple[str, ...] = ("alpha", "beta", "gamma-untrained")
    conditions: bool = True
    factors: bool = False


def make_out(root: Path, recipe: Recipe = Recipe()) -> Layout:
    """Write the tree and give its layout."""
    layout = Layout(root / "out")
    pairs = _pairs(root / "bids", recipe)
    track = _track(recipe)
    evaluation = _evaluation(root / "bids", track, pairs, recipe)
    layout.root.mkdir(parents=True, exist_ok=True)
    layout.evaluation.write_text(evaluation.model_dump_json(), encoding="utf-8")
    layout.pairs.write_text("fixed\tmoving\n" + "".join(f"{p.fixed.name}\t{p.moving.name}\n" for p in pairs))
    if recipe.images:
        for subject in {p.fixed.subject for p in pairs} | {p.moving.subject for p in pairs}:
            _write_scan(root / "bids", subject)
        for pair in pairs:
            _write_prepared(layout, pair)
    _write_runs(layout, track, pairs, recipe)
    _write_scores(layout, track, pairs, recipe)
    return layout


def _scan(bids: Path, subject: str) -> Scan:
    stem = bids / f"sub-{subject}_T1w"
    return Scan(
        name=f"sub-{subject}_T1w", subject=subject, suffix="T1w", image=Path(f"{stem}.nii"),
        labels={"manual": Path(f"{stem}_labels.nii")}, landmarks=Path(f"{stem}_landmarks.tsv"),
    )  # fmt: skip


def _pairs(bids: Path, recipe: Recipe) -> list[Pair]:
    scans = [_scan(bids, f"{1000 + i}") for i in range(recipe.subjects)]
    return [Pair(fixed=f, moving=m) for f, m in itertools.permutations(scans, 2)]


def _track(recipe: Recipe) -> Track:
    axes: dict[str, tuple[object, ...]] = {"noise": (0.05, 0.1), "inverted": (True,)} if recipe.conditions else {}
    axes |= {"spacing_mm": (3, 1)} if recipe.factors else {}
    return Track(
        name="synthetic", summary="Balls that grow", prepare=Prepare(spacing_mm=2, shape=SHAPE),
        conditions=Conditions(axes=axes), limits=Limits(memory_bytes=4 * GIB, pair_timeout_s=300),
    )  # fmt: skip


def _evaluation(bids: Path, track: Track, pairs: list[Pair], recipe: Recipe) -> Evaluation:
    uses = {}
    for name in recipe.methods:
        card = Method(
            name=name, version="1.2", summary=f"Method {name} & <co>", kind="iterative", untrained="untrained" in name,
            citation="Avants BB et al. Symmetric diffeomorphic registration. Med Image Anal 2008.", licence="Apache-2.0",
        )  # fmt: skip
        uses[name] = MethodUse(card=card, image=f"lumirage/{name}", digest="sha256:" + f"{hash_of(name):064x}")
    return Evaluation(
        harness="0.1.0", contract=1, created="2026-01-02T03:04:05Z", dataset=bids, dataset_name="Synthetic balls",
        runtime="docker", track=track, methods=uses, pairs=tuple(pairs), label_names={"manual": LABELS},
        repeats=2 if recipe.factors else 1,
    )  # fmt: skip


def hash_of(text: str) -> int:
    """A small stable number."""
    return sum((i + 1) * ord(c) for i, c in enumerate(text))


def _radii(subject: str) -> tuple[float, float, float]:
    k = int(subject) % 7
    return 8.0 + 0.6 * k, 14.0 + 0.5 * k, 28.0 + 0.8 * k


def _head(subject: str) -> tuple[np.ndarray, np.ndarray]:
    index = np.moveaxis(np.indices(SHAPE), 0, -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    x, y, z = np.moveaxis(index, -1, 0)
    radius = np.sqrt(x**2 + (y / 1.15) ** 2 + (z / 0.95) ** 2)
    labels = np.zeros(SHAPE, np.int16)
    for value, limit in zip((3, 2, 1), sorted(_radii(subject), reverse=True), strict=True):
        labels[radius < limit] = value
    image = np.choose(labels, [0.02, 0.25, 0.9, 0.6]) + 0.03 * np.sin(x / 5) * np.cos(y / 4) * (labels > 0)
    return image.astype(np.float32), labels


def landmarks_of(subject: str) -> dict[str, tuple[float, float, float]]:
    """Poles of the balls, mm, which lie elsewhere in every subject."""
    inner, middle, outer = _radii(subject)
    return {
        "right pole": (outer, 0.0, 0.0),
        "front & 'centre'": (0.0, 1.15 * middle, 0.0),
        "top": (0.0, 0.0, 0.95 * inner),
    }


def _write_scan(bids: Path, subject: str) -> None:
    scan = _scan(bids, subject)
    image, labels = _head(subject)
    assert scan.landmarks is not None
    scan.landmarks.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}\t" + "\t".join(f"{v:.4f}" for v in at) for name, at in landmarks_of(subject).items()]
    scan.landmarks.write_text("\n".join(["name\tx\ty\tz", *lines]) + "\n", encoding="utf-8")
    write_volume(scan.image, image, AFFINE)
    write_volume(scan.labels["manual"], labels, AFFINE)


def _write_prepared(layout: Layout, pair: Pair) -> None:
    folder = layout.prepared(f"key{pair.id}")
    prepared = Prepared(
        key=f"key{pair.id}", fixed=folder / "fixed.nii", moving=folder / "moving.nii", grid=make_grid(SHAPE, AFFINE),
        affine=tuple(map(tuple, np.eye(4).tolist())),
    )  # fmt: skip
    write_volume(prepared.fixed, _head(pair.fixed.subject)[0], AFFINE)
    write_volume(prepared.moving, _head(pair.moving.subject)[0], AFFINE)
    (folder / "prepared.json").write_text(prepared.model_dump_json(), encoding="utf-8")


def _outcome(method: str, condition: str, k: int) -> tuple[Outcome, str]:
    if condition == "reference" and method == FAILING and k % 3 == 1:
        return (Outcome.CRASHED, "signal 11") if k % 2 else (Outcome.TIMEOUT, "no answer after 3600 s")
    if condition == "reference" and method == "gamma-untrained" and k == 4:
        return Outcome.INVALID_ANSWER, f"12 NaN in the field {HOSTILE}"
    if condition == "spacing_mm-1" and method == "gamma-untrained":
        return Outcome.OUT_OF_MEMORY, "killed at 4 GiB"
    if condition == "spacing_mm-1" and method == "alpha" and k % 2:
        return Outcome.TIMEOUT, "no answer after 300 s"
    return Outcome.OK, ""


def _field(pair: Pair, method: str) -> Displacement:
    index = np.moveaxis(np.indices(SHAPE), 0, -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    ratio = _radii(pair.moving.subject)[2] / _radii(pair.fixed.subject)[2]
    strength = {"alpha": 1.0, "beta": 0.8}.get(method, 0.3)
    waves = 1.5 * np.sin(index[..., [1, 2, 0]] / 7) if method == "gamma-untrained" else 0.0
    return Displacement(((ratio - 1) * strength * index + waves).astype(np.float32), AFFINE)


def _write_runs(layout: Layout, track: Track, pairs: list[Pair], recipe: Recipe) -> None:
    repeats = range(2 if recipe.factors else 1)
    for method, cell, (k, pair), repeat in itertools.product(recipe.methods, track.cells(), enumerate(pairs), repeats):
        files = layout.run_files(method, pair, cell.name, repeat)
        files.record.parent.mkdir(parents=True, exist_ok=True)
        run = _run(method, cell, pair, k).model_copy(update={"repeat": repeat})
        if run.outcome is Outcome.OK and recipe.images:
            write_displacement(files.field, _field(pair, method))
        if recipe.images:
            _write_memory(files.memory, method)
        files.record.write_text(run.model_dump_json(), encoding="utf-8")


def _write_memory(path: Path, method: str) -> None:
    at = np.linspace(0, SECONDS.get(method, 5.0), 60)
    held = MIB.get(method, 500) * 2**20 * np.minimum(1, at / at.max() * 3) * (0.9 + 0.1 * np.sin(at))
    pd.DataFrame({"seconds": at, "bytes": held.astype(int)}).to_csv(path, sep="\t", index=False)


def _run(method: str, cell: Condition, pair: Pair, k: int) -> Run:
    outcome, message = _outcome(method, cell.name, k)
    cold = k % 5 == 0
    larger = (2.0 / SPACINGS.get(cell.name, 2.0)) ** 3
    wall = larger**GROWTH * (SECONDS.get(method, 5.0) * (1 + 0.1 * np.sin(3 * k)) + (1.5 if cold else 0))
    usage = Usage(
        wall_s=wall + 0.6, exit_code=0 if outcome is Outcome.OK else 1, cpu_s=wall * 1.9,
        peak_memory_bytes=int(larger**GROWTH * MIB.get(method, 500) * 2**20 * (1 + 0.02 * np.cos(k))),
        memory_how="cgroup, 20 Hz",
        warnings=("load 7.9 on 2 cores",) if k == 3 else (),
    )  # fmt: skip
    return Run(
        harness="0.1.0", method=method, image="sha256:" + f"{hash_of(method):064x}", runtime="docker", isolated=True,
        track="synthetic", condition=cell.name, pair=pair.id, job=f"{method}-{cell.name}-{k // 5}",
        prepared=f"key{pair.id}", voxels=int(64000 * larger), outcome=outcome, message=message, started="2026-01-02T03:04:05Z",
        wall_s=wall,
        load_s=1.4 if cold else None, cold=cold, usage=usage, pairs_in_job=5, phases_s={"read": 0.3, "optimize": wall - 0.5},
        host={"cpu": "Some CPU", "cores": 2}, log_tail=f"level 1 {HOSTILE}\nlevel 2 done\n" * 3,
    )  # fmt: skip


def _write_scores(layout: Layout, track: Track, pairs: list[Pair], recipe: Recipe) -> None:
    rows = []
    for method, cell, (k, pair) in itertools.product(
        ("identity", "affine", *recipe.methods), track.cells(), enumerate(pairs)
    ):
        rows += _scores(method, cell, pair, k)
    frame = pd.DataFrame(rows, columns=list(SCORE_COLUMNS)).astype({"label": "Int64", "value": "float64"})
    frame = _with_factors(frame) if recipe.factors else frame
    with written_aside(layout.score_table) as aside:
        frame.to_parquet(aside)


def true_dice(method: str, condition: str, k: int) -> float:
    """The mean Dice that the table says for pair k."""
    harm = {"noise-0.05": 0.02, "noise-0.1": 0.05, "inverted-True": 0.2, "spacing_mm-3": 0.1}.get(condition, 0.0)
    return (
        DICE.get(method, 0.7)
        + 0.02 * float(np.sin(1.7 * k + hash_of(method) % 7))
        - (0 if method in {"identity", "affine"} else harm)
    )


def _scores(method: str, cell: Condition, pair: Pair, k: int) -> list[tuple[object, ...]]:
    outcome, _ = _outcome(method, cell.name, k)
    ok = outcome is Outcome.OK
    dice = true_dice(method, cell.name, k)
    head = ("synthetic", cell.name, 0, method, pair.id, pair.fixed.name, pair.moving.name, pair.fixed.subject,
            pair.moving.subject, outcome.value, "strict", "abc123", "1")  # fmt: skip
    why = "" if ok else f"the run ended as {outcome.value}"
    found: list[tuple[str, str, int | None, str, float, str]] = [
        ("dice_nearest_fg", "manual", None, "", dice, ""),
        ("hd95_mm", "manual", None, "", 12 * (1 - dice), "mm"),
        ("ndv_percent", "", None, "", 0.0 if method in {"identity", "affine"} else 0.05 * (1 + k % 3), "%"),
        ("sdlogj", "", None, "", 0.0 if method in {"identity", "affine"} else 0.3 + 0.01 * k, ""),
    ]
    found += [("dice_nearest_fg", "manual", n, name, dice + 0.05 * (n - 2), "") for n, name in LABELS.items()]
    return [
        (*head, metric, source, label, name, value if ok else None, unit, why, None, "")
        for metric, source, label, name, value, unit in found
    ]


def _with_factors(scores: pd.DataFrame) -> pd.DataFrame:
    """Also the second label source, the true error, and the second repeat of all but the sentinels."""
    dice = scores[(scores["metric"] == "dice_nearest_fg") & scores["label"].isna()]
    wave = dice["value"] - dice["method"].map(DICE)
    merged = dice.assign(source="merged", value=dice["method"].map(MERGED_DICE) + wave)
    error = dice["method"].map(TRUE_ERROR_MM) - wave
    error_rows = dice.assign(source="", metric="displacement_error_mm", unit="mm", value=error)
    once = pd.concat([scores, merged, error_rows])
    again = once[~once["method"].isin(SENTINELS)].assign(repeat=1)
    better = (
        (again["method"] == "gamma-untrained") & (again["metric"] == "dice_nearest_fg") & (again["source"] == "manual")
    )
    again["value"] += REPEAT_STEP * better
    return pd.concat([once, again], ignore_index=True)


def write_analysis(layout: Layout) -> None:
    """Tables of the analysis, made by the analysis itself, and a sentence."""
    scores = pd.read_parquet(layout.score_table)
    resampling = Resampling(draws=200)
    tables = {
        "comparisons": compare(scores, CompareSettings(resampling=resampling)),
        "rankings": (rankings := rank(scores, RankSettings(resampling=resampling))),
        "agreement": rank_agreement(rankings),
        "conditions": condition_changes(scores, ChangeSettings(resampling)),
        "growth": growth_exponents(read_runs(layout, [*read_evaluation(layout).methods])),
        "repeats": repeat_variance(scores),
        "structures": structure_effects(scores),
        "power": power_table(scores),
    }
    for name, table in tables.items():
        table.to_csv(layout.table(name), sep="\t", index=False, na_rep="n/a")
    found = [asdict(v) for v in verdicts(tables["comparisons"], tables["rankings"], tables["conditions"])]
    layout.verdicts.write_text(json.dumps(found), encoding="utf-8")

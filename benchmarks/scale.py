"""A hundred thousand pairs: seconds, memory and files of each stage, and whether it grows faster than the pairs do.

    nice python benchmarks/scale.py WORK [--pairs 1000 10000 100000] [--until STAGE]

People with an image of 4 x 4 x 4 voxels and a label map each, random ordered pairs, one method. sbatch and squeue only pretend.
The runs are not executed, and only the pairs of one task are scored: the records, fields and scores of the others are written
as the harness writes them, so that the stages around them can be measured. Each stage is a command of its own, measured
with what it starts; what is done is noted in WORK/<pairs>/measured.json and not done again, so a run that was stopped goes on
where it was.
"""

import argparse
import json
import math
import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout
from lumirage.core.model import Outcome, Pair, Run, Usage
from lumirage.core.records import with_checksum
from lumirage.core.space import write_volume
from lumirage.planning.preparation import prepared_key
from lumirage.scoring.presets import preset_named
from lumirage.scoring.score_store import PART, read_part, score_parts, write_part

HARNESS = [sys.executable, "-m", "lumirage.cli"]
TRACK = """name: all
pairing: {scheme: random, count: COUNT}
prepare: {affine: none, intensity: none}
presets: [strict]
limits: {memory_bytes: 268435456}
"""
CARD = "name: tiny\nversion: '1'\nsummary: for the table\nkind: reference\n"
FAKES = {
    "sbatch": 'n=$(cat "$FAKE/n" 2>/dev/null || echo 0); n=$((n + 1)); echo $n >"$FAKE/n"; echo $n',
    "scontrol": "echo 'MaxArraySize = 10001'",
    "squeue": ":",
}


def make_world(work: Path, pairs: int) -> dict[str, str]:
    """Dataset, track, method and a Slurm that pretends; gives the environment."""
    people = math.ceil((1 + math.sqrt(1 + 4 * pairs)) / 2)
    bids = work / "people"
    random = np.random.default_rng(0)
    for number in range(people):
        name = f"sub-{number:04d}"
        folder, labels = bids / name / "anat", bids / "derivatives" / "labels" / name / "anat"
        folder.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        write_volume(folder / f"{name}_T1w.nii", random.uniform(1, 2, (4, 4, 4)).astype(np.float32), np.eye(4))
        write_volume(labels / f"{name}_space-orig_dseg.nii", np.indices((4, 4, 4))[0].astype(np.float32), np.eye(4))
    (bids / "dataset_description.json").write_text(json.dumps({"Name": "people", "BIDSVersion": "1.10.0"}))
    (bids / "derivatives" / "labels" / "dataset_description.json").write_text(
        json.dumps(
            {"Name": "labels", "BIDSVersion": "1.10.0", "DatasetType": "derivative", "GeneratedBy": [{"Name": "x"}]}
        )
    )
    (work / "all.yaml").write_text(TRACK.replace("COUNT", str(pairs)))
    method, fakes = work / "tiny", work / "fakes"
    method.mkdir(exist_ok=True)
    (method / "method.yaml").write_text(CARD)
    (method / "run.py").write_text("")
    fakes.mkdir(exist_ok=True)
    for name, text in FAKES.items():
        (fakes / name).write_text(f"#!/bin/bash\n{text}\n")
        (fakes / name).chmod(stat.S_IRWXU)
    return {
        **os.environ,
        "PATH": f"{fakes}:{os.environ['PATH']}",
        "FAKE": str(fakes),
        "XDG_CACHE_HOME": str(work / "cache"),
    }


def measure(words: list[str], environment: dict[str, str], log: Path) -> dict[str, float]:
    """CPU seconds, wall seconds and peak memory of a command and all it starts."""
    code = (
        "import resource, subprocess, sys, time, json\n"
        "start = time.time()\n"
        "done = subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], 'w'), stderr=subprocess.STDOUT)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([done.returncode, used.ru_utime + used.ru_stime, time.time() - start, used.ru_maxrss * 1024]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(log), *words], capture_output=True, text=True, env=environment, check=True
    )
    code_, cpu_s, wall_s, peak = json.loads(done.stdout)
    if code_ not in (0, 1):
        raise SystemExit(f"{' '.join(words)}: exit code {code_}; see {log}")
    return {"cpu_s": cpu_s, "wall_s": wall_s, "peak_bytes": peak}


def write_runs(out: Path) -> dict[str, float]:
    """Records and fields of all runs, as the harness writes them; those of one in a hundred say that it failed."""
    layout = Layout(out)
    evaluation = read_evaluation(layout)
    (cell,) = evaluation.track.cells()
    digest = evaluation.methods["tiny"].digest
    start = time.process_time()
    fields = [_field_file(layout.work / f"field-{number}.nii", number / 10) for number in range(7)]
    for number, pair in enumerate(evaluation.pairs):
        files = layout.run_files("tiny", pair, cell.name)
        if files.record.is_file():
            continue
        ok = bool(number % 100)
        files.record.parent.mkdir(parents=True, exist_ok=True)
        if ok:
            files.field.write_bytes(fields[number % 7])
        files.log.write_text("")
        files.memory.write_text("seconds\tbytes\n0\t1\n")
        run = Run(
            harness="0", method="tiny", image=digest, runtime="local", isolated=False, track="all", condition=cell.name,
            pair=pair.id, job="j", prepared=prepared_key(pair, cell.prepare), voxels=64, started="2026-01-01T00:00:00+00:00",
            outcome=Outcome.OK if ok else Outcome.FAILED, cold=True, wall_s=1.0,
            usage=Usage(wall_s=1.0, cpu_s=1.0, peak_memory_bytes=10**6),
        )  # fmt: skip
        # as write_json, without waiting for the disk each time
        files.record.write_text(with_checksum(run.model_dump_json(indent=1) + "\n"))
    return _used(start)


def _field_file(path: Path, shift: float) -> bytes:
    """A file of a field that moves all by so many millimetres."""
    write_volume(path, np.full((4, 4, 4, 3), shift, np.float32), np.eye(4))
    raw = path.read_bytes()
    path.unlink()
    return raw


def write_scores(out: Path) -> dict[str, float]:
    """Scores of all runs that lack them, as those of the first task but for noise: the real scorer takes .3 s a pair here, and
    what is measured is what becomes of its rows."""
    layout, preset = Layout(out), preset_named("strict")
    evaluation = read_evaluation(layout)
    start = time.process_time()
    rows = pa.concat_tables([read_part(part) for part in score_parts(layout, preset)])
    done = set(rows["pair"].to_pylist())
    one = rows.filter(pc.field("method") == "tiny")["pair"][0]  # one that did not fail
    random = np.random.default_rng(1)
    pairs = [pair for pair in evaluation.pairs if pair.id not in done]
    (cell,) = evaluation.track.cells()
    for some in (pairs[at : at + PART] for at in range(0, len(pairs), PART)):
        records = [layout.run_files("tiny", pair, cell.name).record.read_bytes() for pair in some]
        well = [pair for pair, record in zip(some, records, strict=True) if b'"outcome": "ok"' in record]
        for method in ("identity", "affine", "tiny"):
            template = rows.filter((pc.field("method") == method) & (pc.field("pair") == one))
            table = _for_pairs(template, well if method == "tiny" else some, random)
            write_part(layout, preset, method, table.set_column(
                table.column_names.index("answers"), "answers", pa.array([""] * len(table), pa.string())
            ))  # fmt: skip
    return _used(start)


def _for_pairs(template: pa.Table, pairs: Sequence[Pair], random: np.random.Generator) -> pa.Table:
    """The rows of one pair as if they were those of each of these, with noise on the values."""
    each = np.repeat(np.arange(len(pairs)), len(template))
    table = template.take(pa.array(np.tile(np.arange(len(template)), len(pairs))))
    own = {
        "pair": [pair.id for pair in pairs], "fixed": [pair.fixed.name for pair in pairs],
        "moving": [pair.moving.name for pair in pairs], "fixed_subject": [pair.fixed.subject for pair in pairs],
        "moving_subject": [pair.moving.subject for pair in pairs],
    }  # fmt: skip
    columns = {name: pa.array(texts, pa.string()).take(pa.array(each)) for name, texts in own.items()}
    columns["value"] = pc.add(table["value"], pa.array(random.normal(0, 0.01, len(pairs))[each]))
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _used(start: float) -> dict[str, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_s": time.process_time() - start, "wall_s": 0.0, "peak_bytes": used.ru_maxrss * 1024}


def inodes(folder: Path) -> int:
    """Files and folders below."""
    return sum(len(names) + len(files) for _, names, files in os.walk(folder))


def stages(work: Path, environment: dict[str, str]) -> Iterator[tuple[str, Callable[[], dict[str, float]]]]:
    """The stages by name, in order."""
    out, log = work / "out", work / "log"
    options = ["-m", str(work / "tiny"), "--runtime", "local", "--track", str(work / "all.yaml")]
    typed = [*HARNESS, "evaluate", *options, "--executor", "slurm", str(work / "people"), str(out)]

    def command(*words: str) -> Callable[[], dict[str, float]]:
        return lambda: measure(list(words), environment, log)

    def task(array: str) -> Callable[[], dict[str, float]]:
        def one() -> dict[str, float]:
            script = sorted(out.glob(f"work/jobs/*/{array}.sh"))[0]
            return measure([*HARNESS, "run-job", str(out), script.parent.name, array, "0"], environment, log)

        return one

    yield "plan and submit", command(*typed)
    yield "one task prepares", task("prepare-0")
    yield "(write the records of all runs)", lambda: write_runs(out)
    yield "status", command(*HARNESS, "status", str(out))
    yield "typed again: submit the scores", command(*typed)
    yield "one task scores", task("score-0")
    yield "(write the scores of all runs)", lambda: write_scores(out)
    yield "score", command(*HARNESS, "score", str(out))
    yield "compare", command(*HARNESS, "compare", str(out))
    yield "report", command(*HARNESS, "report", str(out))
    yield "typed again: all is there", command(*typed)
    yield "pack", command(*HARNESS, "pack", str(out))
    yield "typed again: all is packed", command(*typed)
    yield "report of packed runs", command(*HARNESS, "report", str(out))


def main() -> None:
    """Measure what is not measured yet, and print the table."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("work", type=Path)
    words.add_argument("--pairs", type=int, nargs="+", default=[1000, 10_000, 100_000])
    words.add_argument("--until", default="", help="stop after the stage of this name")
    given = words.parse_args()
    found: dict[int, dict[str, dict[str, float]]] = {}
    for pairs in given.pairs:
        work = given.work.resolve() / str(pairs)
        work.mkdir(parents=True, exist_ok=True)
        kept = work / "measured.json"
        found[pairs] = json.loads(kept.read_text()) if kept.is_file() else {}
        environment = make_world(work, pairs) if not found[pairs] else None
        for name, stage in stages(work, environment or make_environment(work)):
            if name not in found[pairs]:
                found[pairs][name] = stage() | {"inodes": inodes(work / "out")}
                kept.write_text(json.dumps(found[pairs], indent=1))
                print(pairs, name, found[pairs][name], flush=True)
            if name == given.until:
                break
    print(table(found))


def make_environment(work: Path) -> dict[str, str]:
    """That of a world which is there."""
    fakes = work / "fakes"
    return {
        **os.environ,
        "PATH": f"{fakes}:{os.environ['PATH']}",
        "FAKE": str(fakes),
        "XDG_CACHE_HOME": str(work / "cache"),
    }


def table(found: dict[int, dict[str, dict[str, float]]]) -> str:
    """Markdown: CPU seconds and peak memory by stage and number of pairs, and how the seconds grow."""
    sizes = sorted(found)
    lines = ["| stage | " + " | ".join(f"{n:,} pairs: CPU s, GB" for n in sizes) + " | growth |"]
    lines.append("|---|" + "---|" * (len(sizes) + 1))
    for name in found[sizes[0]]:
        cells = []
        for size in sizes:
            row = found[size].get(name)
            cells.append(f"{row['cpu_s']:.1f}, {row['peak_bytes'] / 1e9:.2f}" if row else "not run")
        there = [size for size in sizes if name in found[size]]
        growth = "-"
        if len(there) > 1:
            first, last = there[-2], there[-1]
            ratio = found[last][name]["cpu_s"] / max(found[first][name]["cpu_s"], 1e-9)
            growth = f"{ratio:.1f} for {last / first:.0f} times the pairs"
        lines.append(f"| {name} | {' | '.join(cells)} | {growth} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

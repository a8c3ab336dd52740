"""Writes the files that make an output tree a BIDS derivative and explain it to a reader."""

import json
from pathlib import Path

from lumirage.core.errors import UsageError
from lumirage.core.evaluation_file import DATASET, dataset_links, write_evaluation
from lumirage.core.layout import Layout, digest, write_text
from lumirage.core.manifest import list_files
from lumirage.core.track import Evaluation, MethodUse
from lumirage.planning.pairing import pairs_tsv

_BIDS_VERSION = "1.10.0"
_README = """# {title}

Registration methods compared by lumirage-harness {harness} on {dataset}, track `{track}`.
{summary}

- `report/index.html`: open this first
- `scores.tsv`, `scores.parquet`: one row a method, pair, metric and label; `scores.json` says what the columns are
- `comparisons.tsv`, `rankings.tsv`: what the differences are worth
- one folder a method: displacement fields (mm, RAS+, pull: x_moving = x_fixed + u(x_fixed)), run records, logs
- `pairs.tsv`, `evaluation.json`: what was compared
- `work/`: may be deleted once nothing of this runs or waits in a cluster's queue; it is made again when needed
"""
_METHOD_README = """# {method}

{summary}

Answers of this method in the evaluation one folder up: displacement fields (`_xfm.nii`: mm, RAS+, pull:
x_moving = x_fixed + u(x_fixed), on the working grid of the fixed image), and for each the record of its run (`_run.json`),
what the method printed (`_log.txt`) and its memory over time (`_memory.tsv`). Of a failed run there is no field.
"""
_IGNORED = """/*.tsv
/*.parquet
/evaluation.json
/scores.json
/verdicts.json
/times.json
/scores
/report
/checksums
/work
/.lock*
*.damaged*
"""
"""Files of the whole tree that BIDS has no names for; the folders of methods are datasets of their own."""
_METHOD_IGNORED = """*_xfm.nii
*_run.json
runs-*.zip
*_log.txt
*_memory.tsv
*.damaged*
"""


def place_work_folder(layout: Layout, work: Path | None) -> None:
    """Move OUT's work folder to another disk, such as a node's own, by a link to a separate folder there.

    Raises UsageError if OUT already has a work folder in another place.
    """
    if work is None:
        return
    target = work.resolve() / digest(str(layout.root.resolve()))
    if layout.work.is_symlink() and not layout.work.exists():
        layout.work.unlink()  # the old folder is gone, and its content can be made again
    if layout.work.exists():
        if layout.work.resolve().parent != target.parent:  # its name was made from OUT's first path
            raise UsageError(f"{layout.work} is in use already ({layout.work.resolve()}); remove it, or leave -w out")
        return
    target.mkdir(parents=True, exist_ok=True)
    layout.root.mkdir(parents=True, exist_ok=True)
    layout.work.symlink_to(target)


def write_output_description(layout: Layout, evaluation: Evaluation) -> None:
    """Describe the tree before anything runs. evaluation.json is written last: its presence means complete."""
    track = evaluation.track
    title = f"{track.name} on {evaluation.dataset_name}"
    readme = _README.format(
        title=title,
        harness=evaluation.harness,
        dataset=evaluation.dataset_name,
        track=track.name,
        summary=track.summary,
    )
    write_text(layout.readme, readme)
    write_text(layout.bidsignore, _IGNORED + "".join(f"/{name}\n" for name in sorted(evaluation.methods)))
    write_text(layout.description, _description(title, layout, evaluation))
    of_methods = [Layout(layout.method(use.card.name)) for use in evaluation.methods.values()]
    for use, folder in zip(evaluation.methods.values(), of_methods, strict=True):
        _begin_method(folder, evaluation, use, title)
    write_text(layout.pairs, pairs_tsv(evaluation.pairs))
    described = [path for at in (layout, *of_methods) for path in (at.readme, at.bidsignore, at.description)]
    list_files(layout, "descriptions", [*described, layout.pairs, *(folder.participants for folder in of_methods)])
    write_evaluation(layout, evaluation)


def _begin_method(folder: Layout, evaluation: Evaluation, use: MethodUse, title: str) -> None:
    """One method's own derivative dataset."""
    card = use.card
    write_text(folder.readme, _METHOD_README.format(method=f"{card.name} {card.version}", summary=card.summary))
    write_text(folder.bidsignore, _METHOD_IGNORED)
    write_text(folder.description, _description(f"{card.name} {card.version}: {title}", folder, evaluation, use))
    people = sorted({f"sub-{pair.fixed.subject}" for pair in evaluation.pairs})
    write_text(folder.participants, "\n".join(["participant_id", *people]) + "\n")


def _description(title: str, folder: Layout, evaluation: Evaluation, method: MethodUse | None = None) -> str:
    """dataset_description.json of a derivative in `folder`: the harness first, then the method by its image's digest.

    The paths behind BIDS URIs are relative to the folder, so that it can be moved together with the datasets.
    """
    generated: list[dict[str, object]] = [{"Name": "lumirage-harness", "Version": evaluation.harness}]
    if method is not None:
        container = {"Type": evaluation.runtime, "Tag": method.image, "URI": method.digest}
        generated.append({"Name": method.card.name, "Version": method.card.version, "Container": container})
    content = {
        "Name": title,
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": generated,
        "DatasetLinks": dataset_links(folder, evaluation),
        "SourceDatasets": [{"URL": f"bids:{DATASET}:"}],
    }
    return json.dumps(content, indent=1) + "\n"

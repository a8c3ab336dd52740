"""The line of each command in lists of commands, and examples at the end of every `--help`; a test parses each of them."""

from collections.abc import Mapping

import typer

NAME = "lumirage-harness"

SUMMARIES: Mapping[str, str] = {
    "evaluate": "Run methods on pairs, score, compare, report",
    "run": "Run methods on pairs; score later",
    "participant": "BIDS App: run and score the pairs of some participants",
    "group": "BIDS App: tables, comparisons and report",
    "score": "Score the answers in OUT again; no method is run",
    "compare": "Effects, intervals and ranks of OUT, or OUT against OUT2",
    "report": "Write the report of OUT again",
    "query": "Ask OUT for one metric by method, structure or pair",
    "export": "Tables, figures and transforms of OUT",
    "doctor": "Try what isolates, limits and measures on this machine",
    "clean": "Remove what can be made again",
    "verify": "Check every file of OUT against its checksum",
    "pack": "Put the files of finished runs into archives",
    "unpack": "Make single files of packed runs again",
    "run-job": "One task of a job array; its batch script calls this",
    "status": "Count the runs of OUT: done, failed, running, missing",
    "methods list": "Every method and variant, and what each still needs",
    "methods show": "All that is known of one method",
    "methods new": "Make the folder of a new method",
    "methods build": "Build the image of a method",
    "methods pull": "Get the published image of a method",
    "methods prefetch": "Get all that methods need, for nodes without internet",
    "methods fetch": "Get the trained weights of a method",
    "methods check": "Say whether a method keeps the contract",
    "tracks list": "The tracks that come with the harness",
    "tracks show": "A track with all its defaults, as YAML",
    "tracks validate": "Say whether a file is a track",
    "methods": "The registration methods",
    "tracks": "The experiments that can be run",
    "study": "Several tracks, the same methods, and claims",
    "study list": "The studies that come with the harness",
    "study show": "A study with all its defaults, as YAML",
    "study validate": "Say whether a file is a study",
    "study run": "Run a study: its tracks, its claims, its page",
    "study status": "Count the runs of every track of a study",
    "study report": "Write the page of a study again",
    "challenge": "Many submissions, one leaderboard",
    "challenge init": "Begin a desk: a challenge.yaml to fill in",
    "challenge add": "Take a submission: validate, archive, answer",
    "challenge check": "What the desk would say of a submission, at home",
    "challenge run": "Run the images, score every submission",
    "challenge verify": "Every byte by its hash, every score made again",
    "challenge status": "What was handed in, and what is scored",
    "challenge rank": "Rank the teams as declared, and by what else",
    "challenge publish": "Write the public page, and one for each team",
    "dataset": "Make, plant, import and check BIDS datasets",
    "dataset phantom": "Make synthetic brains with known true fields",
    "dataset plant": "Warp real scans by known fields: pairs with a truth",
    "dataset import": "Make a BIDS dataset from a common layout",
    "dataset check": "Look for what would spoil an evaluation",
}
"""Words of a command -> at most 60 characters, so that no list of commands cuts it off."""

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "": (
        "evaluate --method greedy",
        "evaluate -m greedy -m ants-syn /data/bids results",
        "dataset check /data/bids",
    ),
    "evaluate": (
        "evaluate -m greedy -m ants-syn /data/bids results --dry-run",
        "evaluate -m greedy -m ants-syn /data/bids results",
        "evaluate -m voxelmorph /data/bids results",
        "evaluate -m greedy -t mine.yaml --limit 3 /data/bids look",
        "evaluate -m greedy --participant-label 01 02 -- bids some",
    ),
    "run": (
        "run -m greedy /data/bids results",
        "score results -j 4",
    ),
    "participant": (
        "bids results participant -m greedy --participant-label 01",
        "bids results group",
    ),
    "group": ("bids results group", "group results -j 4"),
    "score": (
        "score results --preset lumir25 -j 4",
        "score --lumir-submission fields --truth lumir-truth",
    ),
    "compare": ("compare results", "compare results other-results"),
    "report": ("report results", "report results --pair sub-01,sub-02 --one-file"),
    "query": (
        "query results --structure '*hippocampus*' --by method",
        "query results --metric hd95 --by structure --method greedy",
    ),
    "export": (
        "export results csv tables",
        "export results latex t.tex --columns rank,dice,time",
        "export results figures pdfs",
        "export results bundle results.zip",
        "export transforms results --format ants",
    ),
    "doctor": ("doctor", "doctor --runtime apptainer --image lumirage/greedy"),
    "clean": ("clean results", "clean results --cache"),
    "verify": ("verify results", "verify results --json"),
    "pack": ("pack results",),
    "unpack": ("unpack results",),
    "run-job": ("run-job results 20260101T120000-0 run-0 3",),
    "status": ("status results", "status results --json"),
    "methods": ("methods list", "methods show voxelmorph", "methods new my-method --from torch"),
    "methods list": ("methods list", "methods list --json"),
    "methods show": ("methods show voxelmorph", "methods show ./my-method"),
    "methods new": ("methods new my-method", "methods new my-network --from torch --in ~/methods"),
    "methods build": (
        "methods build greedy",
        "methods build all --quiet",
        "methods build greedy --sif",
        "methods build greedy --sif --from-archive greedy.tar",
    ),
    "methods pull": ("methods pull greedy --image registry.example.org/greedy:1",),
    "methods prefetch": ("methods prefetch greedy voxelmorph --runtime apptainer",),
    "methods fetch": ("methods fetch voxelmorph", "methods fetch voxelmorph --from-file cvpr2018_vm2_cc.h5"),
    "methods check": ("methods check greedy", "methods check ./my-method --page my-method.html"),
    "tracks": ("tracks list", "tracks show t1w", "tracks validate mine.yaml"),
    "tracks list": ("tracks list", "tracks list --json"),
    "tracks show": ("tracks show t1w", "tracks show t1w >mine.yaml"),
    "tracks validate": ("tracks validate mine.yaml",),
    "study": (
        "study show template >mine.yaml",
        "study validate mine.yaml",
        "study run mine.yaml results --data people=/data/bids",
    ),
    "challenge": (
        "challenge init desk --configuration truth/",
        "challenge add desk team-a fields",
        "challenge run desk -j 4",
    ),
    "challenge init": ("challenge init desk --configuration truth/",),
    "challenge add": ("challenge add desk team-a fields --note 'second try'", "challenge add desk team-b ./method"),
    "challenge check": ("challenge check fields --for desk",),
    "challenge run": ("challenge run desk -j 4", "challenge run desk --phase test --jitter"),
    "challenge verify": ("challenge verify desk -j 4",),
    "challenge status": ("challenge status desk", "challenge status desk --json"),
    "challenge rank": ("challenge rank desk", "challenge rank desk --scheme learn2reg"),
    "challenge publish": ("challenge publish desk --dry-run", "challenge publish desk site --yes"),
    "study list": ("study list",),
    "study show": ("study show lumirage", "study show template >mine.yaml"),
    "study validate": ("study validate mine.yaml",),
    "study run": (
        "study run mine.yaml out --data people=/data/bids --dry-run",
        "study run lumirage results --data nimh=/data/ds004215 -j 4",
        "study run lumirage results -m greedy,symnet",
        "study run lumirage results --executor slurm",
    ),
    "study status": ("study status results",),
    "study report": ("study report results", "study report results --json"),
    "dataset": ("dataset phantom phantom", "dataset import freesurfer subjects bids", "dataset check bids"),
    "dataset phantom": (
        "dataset phantom phantom",
        "dataset phantom small --subjects 3 --spacing 4",
        "dataset phantom sessions --amplitude 3,6 --smoothness 20,10",
    ),
    "dataset plant": (
        "dataset plant /data/bids planted",
        "dataset plant mice planted --amplitude 0.3 --smoothness 2",
    ),
    "dataset import": (
        "dataset import freesurfer subjects bids",
        "dataset import synthseg images bids --labels segmentations",
        "dataset import lumir downloaded bids",
    ),
    "dataset check": ("dataset check /data/bids", "dataset check /data/bids --page check.html"),
}
"""Words of a command -> what one may type."""


def add_help_texts(app: typer.Typer) -> None:
    """Put them into every command and group of commands."""
    app.info.epilog = _epilog(EXAMPLES[""])
    _of_commands(app, "")
    for group in app.registered_groups:
        if group.typer_instance is not None and group.name:
            group.short_help = SUMMARIES.get(group.name)
            group.typer_instance.info.epilog = _epilog(EXAMPLES.get(group.name, ()))
            _of_commands(group.typer_instance, f"{group.name} ")


def _of_commands(app: typer.Typer, before: str) -> None:
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        command.epilog = _epilog(EXAMPLES.get(before + name, ()))
        command.short_help = SUMMARIES.get(before + name)


def _epilog(lines: tuple[str, ...]) -> str | None:
    """The mark `\\b` keeps the lines as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {NAME} {line}" for line in lines) if lines else None

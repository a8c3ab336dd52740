"""What the user says of a Slurm cluster: options of sbatch, for all arrays or for those of one stage or method."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from lumirage.core.errors import UsageError, nearest
from lumirage.core.model import Record
from lumirage.running.executors.cluster_tasks import KINDS, Array

Options = dict[str, str | Literal[True]]
AT_ONCE = 256
SETUP = "setup"
MEMORY = ("mem", "mem_per_cpu", "mem_per_gpu")
"""Slurm takes one of these."""
GPUS = ("gpus", "gpus_per_node", "gpus_per_task")
_OTHER_VARIABLES = {
    "array": ("SBATCH_ARRAY_INX",),
    "time": ("SBATCH_TIMELIMIT",),
    "output": ("SBATCH_ERROR",),
    "requeue": ("SBATCH_NO_REQUEUE",),
    **dict.fromkeys(MEMORY, ("SBATCH_MEM_PER_NODE", "SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_GPU")),
    **dict.fromkeys(GPUS, ("SBATCH_GPUS", "SBATCH_GPUS_PER_NODE", "SBATCH_GPUS_PER_TASK")),
}
"""Variables of sbatch that are not spelled as the option, or contradict it."""
WAIT = "SBATCH_WAIT"
"""Would keep sbatch until the array has ended."""


class Site(Record):
    """What the user says of the cluster: `options` are sbatch's, by their long names with _ for -, True where they take
    no value; `setup` are shell lines. `parts`: the same for a stage or a method, which come before those for all."""

    options: Options = {}
    setup: tuple[str, ...] = ()
    at_once: int = AT_ONCE
    parts: dict[str, "Site"] = {}

    @classmethod
    def of_words(cls, words: Sequence[str], at_once: int) -> "Site":
        """From the words KEY=VALUE and KEY, each for all arrays, or as STAGE.KEY=VALUE or METHOD.KEY=VALUE; setup=COMMAND
        may be repeated. Raises UsageError."""
        by_part: dict[str, list[tuple[str, str | Literal[True]]]] = {}
        for word in words:
            key, equals, value = word.partition("=")
            part, _, key = key.removeprefix("--").rpartition(
                "."
            )  # methods may have dots in their names, options have none
            name = key.replace("-", "_")  # as ours are spelled, so that it takes their place
            if not name.isidentifier() or (name == SETUP and not equals):
                raise UsageError(
                    f"--slurm {word}: expected KEY=VALUE or KEY, such as --slurm partition=gpu, or for one stage "
                    "--slurm score.mem=16G"
                )
            by_part.setdefault(part, []).append((name, value if equals else True))
        whole = _site(by_part.pop("", []), at_once)
        return whole.model_copy(update={"parts": {part: _site(given, at_once) for part, given in by_part.items()}})

    def check_parts(self, methods: Collection[str]) -> None:
        """Raise UsageError for a part that is neither a stage nor one of these methods."""
        for part in self.parts:
            if part not in KINDS and part not in methods:
                known = (*KINDS, *methods)
                raise UsageError(f"--slurm {part}.KEY: '{part}' is neither a stage nor a method{nearest(part, known)}")

    def of_array(self, array: Array) -> "Site":
        """What is said of this array: for all, then for its stage, then for its method."""
        parts = [self.parts[name] for name in (array.kind, array.method) if name in self.parts]
        options: Options = dict(self.options)
        for part in parts:
            for name in part.options:
                for other in MEMORY if name in MEMORY else ():
                    options.pop(other, None)
            options |= part.options
        setup = (*self.setup, *(line for part in parts for line in part.setup))
        return Site(options=options, setup=setup, at_once=array.at_once or self.at_once)


def _site(given: Sequence[tuple[str, str | Literal[True]]], at_once: int) -> Site:
    options: Options = {name: value for name, value in given if name != SETUP}
    setup = tuple(str(value) for name, value in given if name == SETUP)
    return Site(options=options, setup=setup, at_once=at_once)


def gives_gpus(options: Options) -> bool:
    """Whether GPUs are asked for in other words than ours."""
    kinds = str(options.get("gres", "")).split(",")
    return any(name in options for name in GPUS) or any(kind.split(":")[0].endswith("gpu") for kind in kinds)


def overriding_variables(script: str) -> Iterator[str]:
    """Variables of sbatch that would take the place of what a batch script says."""
    yield WAIT
    for line in script.splitlines():
        if line.startswith("#SBATCH --"):
            option = line.removeprefix("#SBATCH --").partition("=")[0].replace("-", "_")
            yield f"SBATCH_{option.upper()}"
            yield from _OTHER_VARIABLES.get(option, ())


def submitting_environment(environment: Mapping[str, str], script: str) -> dict[str, str]:
    """The variables with which a script is submitted: those of the site stay where the script says nothing.

    A task that submits others does not hand on what Slurm told it of itself.
    """
    gone = set(overriding_variables(script))
    if "SLURM_JOB_ID" in environment:
        own = {name for name in environment if name.startswith("SLURM_")} - {"SLURM_CONF", "SLURM_CLUSTERS"}
        gone |= own | {"CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES"}
    return {name: value for name, value in environment.items() if name not in gone}

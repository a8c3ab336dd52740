"""Options that say how methods are run: the same words, help and defaults for every command that runs any."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from lumirage.cli.completion import runtime_names
from lumirage.core.errors import UsageError, nearest

if TYPE_CHECKING:
    from lumirage.flow.request import DeviceChoice, EvaluationRequest

EXECUTORS = ("here", "slurm")

Runtime = Annotated[
    str,
    typer.Option(
        metavar="NAME", autocompletion=runtime_names, help="docker, apptainer, local; auto takes the first that works"
    ),
]
Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", min=1, help="containers at a time; tasks of an array at a time (then 1 means 256)"),
]
Batch = Annotated[int, typer.Option(min=1, help="pairs that one container registers")]
Seed = Annotated[int, typer.Option(help="seed given to the methods")]
Timeout = Annotated[float | None, typer.Option(min=0.1, help="seconds a pair may take; default from the track")]
Memory = Annotated[float | None, typer.Option(min=0.01, help="memory of a container, GB; default from the track")]
Cpus = Annotated[int | None, typer.Option(min=1, help="CPUs of a container; default from the track")]
Gpus = Annotated[str, typer.Option(help="GPUs to use, by index or UUID, separated by commas; default all")]
Device = Annotated[
    str, typer.Option(help="auto: a GPU for methods that can use one, where one is here; cpu: none; gpu: demanded")
]
Offline = Annotated[
    bool,
    typer.Option("--offline", envvar="LUMIRAGE_OFFLINE", help="fetch, pull and build nothing; say what is missing"),
]
Executor = Annotated[str, typer.Option(help="here: this machine; slurm: job arrays, and the command returns at once")]
Slurm = Annotated[
    list[str],
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        help="KEY=VALUE or KEY for sbatch, as partition=gpu; setup=COMMAND before each task; repeatable",
    ),
]
WriteSbatch = Annotated[
    Path | None, typer.Option("--write-sbatch", help="write what Slurm would get to this script; submit nothing")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="print the plan and stop; nothing is made or written")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON, and no progress")]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How methods are run, as typed."""

    runtime: Runtime = "auto"
    jobs: Jobs = 1
    batch: Batch = 1
    seed: Seed = 0
    timeout: Timeout = None
    memory: Memory = None
    cpus: Cpus = None
    gpus: Gpus = ""
    device: Device = "auto"
    offline: Offline = False
    executor: Executor = "here"
    slurm: Slurm = field(default_factory=list)
    write_sbatch: WriteSbatch = None

    def into(self, request: "EvaluationRequest") -> "EvaluationRequest":
        """The request with these options. Raises UsageError for an unknown device or executor."""
        return replace(
            request, runtime=self.runtime, jobs=self.jobs, batch=self.batch, seed=self.seed, limits=self._limits(),
            gpus=tuple(filter(None, self.gpus.split(","))), device=_device(self.device), offline=self.offline,
            executor=_executor(self.executor, self.write_sbatch), slurm=tuple(self.slurm), write_sbatch=self.write_sbatch,
        )  # fmt: skip

    def _limits(self) -> dict[str, float | int]:
        memory = int(self.memory * 1e9) if self.memory else None
        given = {"pair_timeout_s": self.timeout, "memory_bytes": memory, "cpus": self.cpus}
        return {name: value for name, value in given.items() if value is not None}


def with_run_options(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `options: RunOptions` is the single options in its place, as typer wants them."""
    hints = get_type_hints(RunOptions, include_extras=True)
    names = [item.name for item in fields(RunOptions)]

    @wraps(function)
    def command(**words: Any) -> None:  # whatever the options are
        options = RunOptions(**{name: words.pop(name) for name in names})
        function(**words, options=options)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "options":
            defaults = RunOptions()
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters += [
                inspect.Parameter(name, kind, default=getattr(defaults, name), annotation=hints[name]) for name in names
            ]
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del command.__wrapped__  # else its signature would be read instead
    return command


def _device(name: str) -> "DeviceChoice":
    devices: tuple[DeviceChoice, ...] = ("auto", "cpu", "gpu")
    for known in devices:
        if name.lower() == known:
            return known
    raise UsageError(f"unknown device '{name}'{nearest(name, devices)}")


def _executor(name: str, script: Path | None) -> str:
    if name not in EXECUTORS:
        raise UsageError(f"unknown executor '{name}'{nearest(name, EXECUTORS)}")
    return "slurm" if script else name

"""What a task of a cluster knows of itself, from the variables that its scheduler sets."""

from collections.abc import Iterable, Mapping

from lumirage.core.errors import UsageError

INDICES = {
    "SLURM_ARRAY_TASK_ID": 0,
    "PBS_ARRAY_INDEX": 0,
    "PBS_ARRAYID": 0,
    "LSB_JOBINDEX": 1,
    "SGE_TASK_ID": 1,
}
"""Variable of Slurm, PBS, Torque, LSF and Grid Engine -> the number of the first task: some cannot count from 0."""
JOBS = ("PBS_JOBID", "LSB_JOBID", "JOB_ID")


def index_of_task(environment: Mapping[str, str]) -> int:
    """Which task of its array this is, from 0. Raises UsageError where no scheduler says so."""
    for name, first in INDICES.items():
        given = environment.get(name, "")
        if given.isdigit() and int(given) >= first:  # LSF sets 0, Grid Engine `undefined`, outside of an array
            return int(given) - first
    raise UsageError(f"which task? give its number, or set one of {', '.join(INDICES)}, as the schedulers do")


def cpus_of_task(environment: Mapping[str, str], affinity: Iterable[int]) -> tuple[int, ...]:
    """The CPUs to which Slurm confined this task; none where it did not: several tasks would take the same."""
    cpus = tuple(sorted(affinity))
    return cpus if environment.get("SLURM_CPUS_PER_TASK") == str(len(cpus)) else ()


def processes_of_task(environment: Mapping[str, str]) -> int:
    """How many processes of ours a task may start: its CPUs, not those of its node."""
    given = environment.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdigit() else 1


def number_of_task(environment: Mapping[str, str]) -> str:
    """What the scheduler calls this task, also in the lives that it has after being requeued; nothing outside of one."""
    array, index = environment.get("SLURM_ARRAY_JOB_ID", ""), environment.get("SLURM_ARRAY_TASK_ID", "")
    if array:
        return f"{array}_{index}"
    if job := environment.get("SLURM_JOB_ID", ""):
        return job
    job = next((environment[name] for name in JOBS if environment.get(name)), "")
    task = next((environment[name] for name in INDICES if environment.get(name)), "")
    return f"{job}_{task}" if job else ""

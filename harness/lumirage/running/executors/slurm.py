"""Job arrays for Slurm: their batch scripts (by submitit), and how they are submitted."""

import math
import os
import re
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress

from submitit.slurm import slurm as submitit_slurm

from lumirage.core.errors import UnavailableError
from lumirage.core.layout import digest
from lumirage.core.submission_files import SubmissionFiles
from lumirage.running.executors.cluster_tasks import GRACE_S, Array
from lumirage.running.executors.slurm_queue import ask, numbers_of
from lumirage.running.executors.slurm_site import MEMORY, Site, gives_gpus, overriding_variables, submitting_environment

_NO_ROOM = re.compile(r"SubmitJobs?(PerUser)?Limit|MaxSubmit|temporarily un|MaxJobCount", re.IGNORECASE)
"""In sbatch's words: this user, or the cluster, has as many tasks in the queue as may be there."""


_LOST = re.compile(r"timed out|contact|connection|unexpected|zero bytes", re.IGNORECASE)
"""The answer to sbatch did not arrive: whether the array was taken is not known."""
LOOK_AGAIN_S = (0.0, 2.0, 8.0)


class QueueFullError(UnavailableError):
    """The queue takes no more tasks now."""


def job_name(array: Array, files: SubmissionFiles, site: Site) -> str:
    """The array's name in the queue, which no other array has, of this tree or another; empty if the user gives one."""
    named = "job_name" in site.of_array(array).options
    return "" if named else f"lumirage-{array.name}-{digest(str(files.folder))}"


def parameters(array: Array, site: Site, files: SubmissionFiles) -> dict[str, object]:
    """The array in submitit's words. What tasks print goes to its own place, whatever folder names look like."""
    needs, said = array.needs, site.of_array(array)
    given: dict[str, object] = {
        "job_name": job_name(array, files, site),
        "time": needs.minutes,
        "cpus_per_task": needs.cpus,
        "mem": f"{math.ceil(needs.memory_bytes / 2**20)}M",
        "map_count": array.count,
        "array_parallelism": said.at_once,
        "stderr_to_stdout": True,
        "use_srun": False,
        "wckey": None,
        "additional_parameters": {
            "requeue": True,
            "signal": f"B:USR2@{GRACE_S}",
            "output": f"{files.logs}/".replace("%", "%%") + "%A_%a_0_log.out",
            **said.options,
        },
    }
    if any(name in said.options for name in MEMORY):
        del given["mem"]
    if needs.gpus and not gives_gpus(said.options):
        given["gpus_per_node"] = needs.gpus
    if said.setup:
        given["setup"] = list(said.setup)
    return given


def script(array: Array, site: Site, files: SubmissionFiles, command: Sequence[str]) -> str:
    """The batch script of an array, without what it waits for. The task replaces the shell, so that signals reach it."""
    text = submitit_slurm._make_sbatch_string(
        command=f"exec {shlex.join(command)}", folder=files.logs, **parameters(array, site, files)
    )
    return str(text)


def driver(arrays: Sequence[Array], files: SubmissionFiles) -> str:
    """A shell script that submits the arrays in their order, for sites that want to see what is submitted.

    If it was interrupted, running it again submits the rest: an array that has a number, or is in the queue by its name, is
    not submitted twice.
    """
    lines = ["#!/bin/sh", "# Submits what lumirage-harness planned; each script below may be edited first.", "set -eu"]
    scripts = [files.script(array.name).read_text(encoding="utf-8") for array in arrays]
    gone = sorted({name for text in scripts for name in overriding_variables(text)})
    lines += ["# variables of the site that would take the place of what the scripts say", f"unset {' '.join(gone)}"]
    for array in arrays:
        name = array.name.replace("-", "_")
        waits = "".join(f":${{{one.replace('-', '_')}%%;*}}" for one in array.after)
        option = f" --dependency=afterany{waits}" if waits else ""
        if array.clusters and array.after:
            option += f' --clusters="${{{array.after[0].replace("-", "_")}##*;}}"'
        place, number = shlex.quote(str(files.script(array.name))), shlex.quote(str(files.number(array.name)))
        look = f"squeue -h --name={array.job_name} -o %F 2>/dev/null | sed -n 1p | grep . || " if array.job_name else ""
        lines += [
            f"{name}=$(cat {number} 2>/dev/null || {look}sbatch --parsable{option} {place})",
            f'echo "${name}" >{number}',
            f'echo "{array.name}: ${{{name}%%;*}}"',
        ]
    return "\n".join(lines) + "\n"


def submit_array(array: Array, files: SubmissionFiles, after: Sequence[str]) -> str:
    """Submit an array by its script, to start when the arrays of these numbers have ended; gives its number.

    Where sbatch fails, the array is looked for in the queue by its name: it may have been taken, and the answer lost. Raises
    QueueFullError, UnavailableError in Slurm's own words.
    """
    options = [f"--dependency=afterany:{':'.join(job for job, _ in map(_parts, after))}"] if after else []
    clusters = {cluster for _, cluster in map(_parts, after) if cluster}
    if clusters:  # what waits for others must be where they are
        options.append(f"--clusters={clusters.pop()}")
    place = files.script(array.name)
    environment = submitting_environment(os.environ, place.read_text(encoding="utf-8"))
    try:
        return ask(["sbatch", "--parsable", *options, str(place)], environment).strip()
    except UnavailableError as error:
        if _NO_ROOM.search(str(error)):
            raise QueueFullError(str(error)) from error
        if array.job_name and (number := _taken(array, str(error))):
            return number
        raise


def _taken(array: Array, said: str) -> str:
    """The number of an array that the queue has although sbatch failed; empty if it is not there."""
    for pause_s in LOOK_AGAIN_S if _LOST.search(said) else (0.0,):
        time.sleep(pause_s)
        with suppress(UnavailableError):
            if found := numbers_of({array.job_name: array.clusters}):
                return found[array.job_name]
    return ""


def _parts(number: str) -> tuple[str, str]:
    job, _, cluster = number.partition(";")
    return job, cluster

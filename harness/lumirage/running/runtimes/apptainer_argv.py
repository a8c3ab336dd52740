"""Spells one call for Apptainer (or Singularity) as words and variables. Pure, and tested against a golden text."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lumirage.running.marked_processes import CALL_VARIABLE, OWNER_VARIABLE
from lumirage.running.runtimes.runtime_interface import PATHS_SHOWN, Call, Mount

STARTED = ".lumirage-started"
"""Made in the call's /tmp by the last step before the entry point: if it exists, the engine did not fail."""
RUNSCRIPT = "/.singularity.d/runscript"
BASE = ("--containall", "--cleanenv", "--no-privs")
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "network": ("--net", "--network", "none"),
    "host_files": ("--no-mount", "bind-paths,hostfs"),
    "hostname": ("--hostname", "method"),
    "arguments": ("--no-eval",),
    "umask": ("--no-umask",),
}
"""What a site or an old version may refuse; each is tried once."""
PROGRAM_PREFIXES = ("APPTAINER", "SINGULARITY")
HARMLESS = ("CACHEDIR", "CONFIGDIR", "DISABLE_CACHE", "TMPDIR")
"""Variables of the program that the user may set. Any option can be given as one, and many undo the isolation: with
WRITABLE_TMPFS the root can be written, CONTAINLIBS brings the host's libraries in, ADD_CAPS gives capabilities."""
ENTER = f'HOME=$1; shift; export HOME; : >/tmp/{STARTED}; exec "$@"'
JOIN = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ >"$1" || exit 125; shift; n=$((n - 1)); done; exec "$@"'
"""The starting shell joins the control groups and becomes the container's starter: nothing runs outside of them."""


@dataclass(frozen=True)
class Site:
    """What calls depend on: the program, which of OPTIONAL works, and whether we may choose the user (root only)."""

    program: str = "apptainer"
    held: tuple[str, ...] = tuple(OPTIONAL)
    root: bool = False


@dataclass(frozen=True)
class Place:
    """The places of one call: its folder for temporary files, the image's working directory, control groups to join."""

    workdir: Path
    cwd: str = "/"
    groups: tuple[Path, ...] = field(default=())


def options(site: Site) -> list[str]:
    """The options that isolate, as far as the site permits."""
    return [*BASE, *(word for name in site.held for word in OPTIONAL[name])]


def apptainer_argv(call: Call, site: Site, place: Place) -> list[str]:
    """The whole command of one call."""
    words = [site.program, "--quiet", "exec", *options(site)]
    words += ["--workdir", str(place.workdir), "--home", f"{place.workdir}/tmp/home:/tmp/home", "--pwd", place.cwd]
    if site.root and call.user:
        words += ["--security", f"uid:{call.user[0]},gid:{call.user[1]}"]
    for mount in call.mounts:
        words += ["--mount", mount_word(mount)]
    if call.gpus:
        words += ["--nv", "--env", f"CUDA_VISIBLE_DEVICES={','.join(call.gpus)}"]
    entry = call.entrypoint or (RUNSCRIPT,)
    home = call.environment.get("HOME", "/root")  # without: the image's own
    words += [call.image, "/bin/sh", "-c", ENTER, "sh", home, *entry, *call.arguments]
    if not place.groups:
        return words
    return ["/bin/sh", "-c", JOIN, "sh", str(len(place.groups)), *map(str, place.groups), *words]


def mount_word(mount: Mount) -> str:
    """A mount as --mount reads it, one line of CSV: any path may stand in it."""
    fields = ["type=bind", f"source={mount.source}", f"destination={mount.target}", *(["ro"] if mount.readonly else [])]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def apptainer_environment(call: Call, site: Site, own: Mapping[str, str]) -> dict[str, str]:
    """Variables of the starter: the user's own, as `without_options` leaves them; and the call's, which the prefix hands
    on. HOME cannot be handed on this way."""
    prefix = PROGRAM_PREFIXES[site.program.endswith("singularity")]
    handed = {f"{prefix}ENV_{name}": value for name, value in sorted(call.environment.items()) if name != "HOME"}
    marks = {CALL_VARIABLE: call.name, OWNER_VARIABLE: call.owner}
    return {**without_options(own), **handed, **marks}


def without_options(own: Mapping[str, str]) -> dict[str, str]:
    """The user's variables, without those that change what the program does or hands on to a method."""
    allowed = {f"{prefix}_{name}" for prefix in PROGRAM_PREFIXES for name in HARMLESS}
    return {name: own[name] for name in own if name in allowed or not name.startswith(PROGRAM_PREFIXES)}


def isolation(site: Site, limits_held: bool) -> dict[str, str]:
    """Property -> "held", or why it is not; for the run record."""
    refused = "not held: refused by this site"
    sampled = "held: sampled at 20 Hz and killed"
    return {
        "network": "held: none" if "network" in site.held else refused,
        "root_filesystem": "held: read-only",
        "inputs": "held: read-only",
        "capabilities": "held: none",
        "privileges": "held: no-new-privileges",
        "memory": "held: control group, memory + swap" if limits_held else sampled,
        "processes": "held: control group" if limits_held else "not held: no control group may be made here",
        "cpus": "asked for: affinity, which a method can undo",
        "user": "held: not root" if site.root else "held: the user who started the harness",
        "home": "held: not mounted, no PYTHONPATH, no ~/.local",
        "host_files": "held" if "host_files" in site.held else refused,
        "output_quota": "held: sampled 4 times a second",
        "temporary_files": "held: on disk, sampled 4 times a second",
        "log_size": "held",
        "host_paths": PATHS_SHOWN,
    }

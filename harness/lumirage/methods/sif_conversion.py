"""Converts images to SIF files, once each: from the local engine, from an archive, or from a registry.

Each conversion has a separate cache, in which Apptainer leaves the image's manifest. The OCI image's identity is read from
it, so that runs under Apptainer and under Docker record the same digest.
"""

import json
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import docker
import filelock
import requests

from lumirage.core.errors import DataError, UnavailableError, UsageError
from lumirage.core.layout import digest, write_text
from lumirage.core.sif_store import SifRecord, find_sif, full_name, record_of, record_path, sif_folder, sif_path

PROGRAMS = ("apptainer", "singularity")
COMPRESSION = "-comp zstd -Xcompression-level 1"
"""32 s instead of 182 s for an image with torch, and hardly larger."""
ARCHIVES = {"docker": "docker-archive", "oci": "oci-archive"}


@dataclass(frozen=True)
class Source:
    """The source of an image, in Apptainer's spelling, and its identity if known beforehand."""

    address: str
    digest: str | None = None


def from_engine(reference: str) -> Source | None:
    """The image in the local engine; None if no engine answers or it has no such image."""
    try:
        client = docker.from_env(timeout=30, version="auto")
        try:
            image = client.images.get(reference)
        finally:
            client.close()
    except (docker.errors.DockerException, requests.RequestException):
        return None
    return Source(f"docker-daemon:{image.id}", str(image.id))


def from_archive(path: Path) -> Source:
    """A file from `docker save`, or an OCI archive. Raises DataError for anything else."""
    import tarfile

    try:
        with tarfile.open(path) as archive:
            names = set(archive.getnames())
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{path}: not an archive of an image ({error})") from error
    kind = "docker" if "manifest.json" in names else "oci" if "index.json" in names else None
    if kind is None:
        raise DataError(f"{path}: neither a file from `docker save` nor an OCI archive")
    return Source(f"{ARCHIVES[kind]}:{path.resolve()}")


def from_registry(reference: str) -> Source:
    """An image in a registry."""
    return Source(f"docker://{reference}")


def pull_to_engine(published: str, reference: str, progress: Callable[[int, int], None] = lambda *_: None) -> str:
    """Pull an image into the local engine under our name for it; gives its id. `progress` gets the bytes done and the
    total, as far as the engine knows them. Raises UnavailableError."""
    try:
        client = docker.from_env(timeout=600, version="auto")
        try:
            _pull(client, full_name(published), progress)
            image = client.images.get(published)
            if reference != published:
                name, _, label = full_name(reference).rpartition(":")
                image.tag(name, tag=label)
        finally:
            client.close()
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise UnavailableError(f"cannot pull {published}: {error}") from error
    return str(image.id)


def _pull(client: docker.DockerClient, published: str, progress: Callable[[int, int], None]) -> None:
    layers: dict[str, tuple[int, int]] = {}
    for message in client.api.pull(published, stream=True, decode=True):
        if "error" in message:
            raise docker.errors.APIError(str(message["error"]))
        detail = message.get("progressDetail") or {}
        if message.get("status") == "Downloading" and detail.get("total"):
            layers[message["id"]] = (int(detail["current"]), int(detail["total"]))
            progress(*(sum(column) for column in zip(*layers.values(), strict=True)))
        elif message.get("status") == "Download complete" and message.get("id") in layers:
            layers[message["id"]] = (layers[message["id"]][1],) * 2


def make_sif(reference: str, source: Source, *, again: bool = False, folder: Path | None = None) -> Path:
    """The SIF of an image, made if the cache has none; `again` converts it again, as the source may have changed.

    Many processes may call this at once: one converts, the others wait. Raises UnavailableError if it cannot be made.
    """
    folder = folder or sif_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror}); set LUMIRAGE_SIF_DIR") from error
    with filelock.FileLock(folder / f"{digest(full_name(reference))}.lock"):
        found = find_sif(source.digest or reference, folder)
        if found is not None and _named(found, reference) and (source.digest or not again):
            return found
        return _convert(full_name(reference), source, folder)


def _named(sif: Path, reference: str) -> bool:
    record = record_of(sif)
    return record is not None and record.reference == full_name(reference)


def _convert(reference: str, source: Source, folder: Path) -> Path:
    program = _program()
    aside = folder / f".{uuid.uuid4().hex}.sif"
    try:
        with _own_cache() as cache:
            _build(program, aside, source, cache)
            identity, workdir = read_identity(cache)
        identity = source.digest or identity  # an engine may name images by another digest: then its digest is used
        target = sif_path(folder, identity)
        record = SifRecord(
            reference=reference,
            digest=identity,
            workdir=workdir,
            bytes=aside.stat().st_size,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            made_by=_version(program),
        )
        record_path(target).unlink(missing_ok=True)
        aside.replace(target)
        write_text(record_path(target), record.model_dump_json(indent=1) + "\n")
        return target
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _own_cache() -> Iterator[Path]:
    """A cache for one conversion, on the disk of APPTAINER_TMPDIR or TMPDIR."""
    place = os.environ.get("APPTAINER_TMPDIR") or os.environ.get("SINGULARITY_TMPDIR")
    folder = Path(tempfile.mkdtemp(prefix="lumirage-sif-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _build(program: str, target: Path, source: Source, cache: Path) -> None:
    argv = [program, "build", "--force", *_compression(program), str(target), source.address]
    variables = {"APPTAINER_CACHEDIR": str(cache), "SINGULARITY_CACHEDIR": str(cache)}
    done = subprocess.run(
        argv, env={**os.environ, **variables}, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise UnavailableError(f"cannot convert {source.address}:\n{last}")


def _compression(program: str) -> list[str]:
    told = subprocess.run([program, "build", "--help"], capture_output=True, text=True, check=False).stdout
    return ["--mksquashfs-args", COMPRESSION] if "--mksquashfs-args" in told else []


def read_identity(cache: Path) -> tuple[str, str]:
    """Digest of the configuration, and working directory, of the only image in a cache of Apptainer's.

    Raises UnavailableError if there is not exactly one.
    """
    indexes = list(cache.rglob("blob/index.json"))
    if len(indexes) != 1:
        raise UnavailableError(f"{cache}: this version of Apptainer leaves no manifest, so the image has no identity")
    blobs = indexes[0].parent / "blobs" / "sha256"
    listed = json.loads(indexes[0].read_text())["manifests"]
    manifest = json.loads(_blob(blobs, listed[-1]["digest"]))
    identity = str(manifest["config"]["digest"])
    settings = json.loads(_blob(blobs, identity)).get("config") or {}
    return identity, settings.get("WorkingDir") or "/"


def _blob(blobs: Path, name: str) -> bytes:
    return (blobs / name.partition(":")[2]).read_bytes()


def _program() -> str:
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    raise UnavailableError("neither apptainer nor singularity is on the PATH; load the module of your site")


def _version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()

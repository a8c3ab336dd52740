"""Builds a method folder into an image, with Docker's API.

The build context is the folder and the kit, as `_kit/lumirage_kit.py`. An image's tag is the hash of this context, so that
no folder overwrites another's image, and an image with the current tag was built from the folder's current content.
A Dockerfile whose default base is `lumirage/base-NAME:...` gets that image built first, from `_base-NAME` beside the kit.
"""

import contextlib
import errno
import functools
import http.server
import io
import os
import re
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import requests

from lumirage import __version__
from lumirage.core.engine_hints import engine_hint
from lumirage.core.errors import UnavailableError, UsageError
from lumirage.core.layout import digest, shipped
from lumirage.core.model import Method

KIT = "_kit"
DOCKERFILE = "Dockerfile"
REPOSITORY = "lumirage"
BASE_ARGUMENT = "BASE_IMAGE"
TORCH_ARGUMENT = "TORCH_INDEX"
SOURCE_LABEL = "org.lumirage.source"
PIP_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_FIND_LINKS")
WHEEL_PORT = 18765
"""Fixed: the address of the wheels is part of the key of Docker's layer cache."""
WHEEL_WAIT_S = 3600.0
"""How long to wait for the port while another build uses it."""
LOG_LINES = 15

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """Build settings. `wheels` is a folder of wheels on this machine that pip can use during the build."""

    base_image: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    wheels: Path | None = None


def pip_arguments(environment: Mapping[str, str]) -> dict[str, str]:
    """The user's pip settings that make sense inside a build: addresses, not paths of this machine."""
    return {
        name: value
        for name in PIP_VARIABLES
        if (value := environment.get(name, "")).startswith("http") or (name == "PIP_TRUSTED_HOST" and value)
    }


def image_source(folder: Path | None, card: Method) -> Path | None:
    """The folder that a method's image is built from: its own, or the shipped one whose image the card names.

    None if there is nothing to build: the image is published, or comes from its authors.
    """
    if folder and (folder / DOCKERFILE).is_file():
        return folder
    named = shipped("method_containers") / card.image.removeprefix(f"{REPOSITORY}/")
    return named if card.image.startswith(f"{REPOSITORY}/") and (named / DOCKERFILE).is_file() else None


def image_name(folder: Path | None, card: Method) -> str:
    """The image of a method: lumirage/<folder>:<hash of its source> if it is built or supplied, else the card's."""
    source = image_source(folder, card)
    if source is None and card.image:
        return card.image
    place = source or folder
    assert place is not None  # a card without a folder was read from an image, which it names
    return f"{image_repository(place)}:{source_digest(place)}"


def image_repository(folder: Path) -> str:
    """The name of a folder's images without the tag."""
    return f"{REPOSITORY}/{folder.resolve().name.lower()}"


def refuse_unobtainable(card: Method) -> None:
    """Raise UnavailableError, with the card's advice, if the harness can neither build nor pull a method's image."""
    if card.obtain:
        raise UnavailableError(f"the image {card.image} of {card.name} is not on this machine. {card.obtain}")


def source_digest(folder: Path) -> str:
    """Hash of the source of this folder's image, including the project's own base image that it starts from."""
    base = own_base(folder) if (folder / DOCKERFILE).is_file() else None
    files = [item for place in (folder, *(base[:1] if base else ())) for item in _context_files(place).items()]
    return digest(*(part for name, data in files for part in (name, data)))


def build_context(folder: Path) -> bytes:
    """The build context as a tar; the same files give the same bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in _context_files(folder).items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return raw.getvalue()


def _context_files(folder: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(folder)): path for path in _counted(folder)}
    kit = shipped("method_containers") / KIT
    files |= {f"{KIT}/{path.relative_to(kit)}": path for path in _counted(kit)}
    return {name: files[name].read_bytes() for name in sorted(files)}


def _counted(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if "__pycache__" not in path.parts and not path.name.startswith(".")]


def own_base(folder: Path) -> tuple[Path, str] | None:
    """Folder and name of the project's own base image that this Dockerfile starts from; None for a public one."""
    found = re.search(rf"^ARG {BASE_ARGUMENT}=(lumirage/(base-[\w.-]+):\S+)", _dockerfile(folder), re.MULTILINE)
    if found is None:
        return None
    return shipped("method_containers") / f"_{found[2]}", found[1]


def build_arguments(folder: Path, settings: BuildSettings) -> dict[str, str]:
    """The build arguments of one folder that its Dockerfile declares."""
    wanted = dict(settings.arguments)
    if settings.base_image and own_base(folder) is None:
        wanted[BASE_ARGUMENT] = settings.base_image
    if settings.wheels:
        wanted |= {"PIP_FIND_LINKS": f"http://127.0.0.1:{WHEEL_PORT}/"}
        wanted.setdefault(TORCH_ARGUMENT, "")
    declared = set(re.findall(r"^ARG (\w+)", _dockerfile(folder), re.MULTILINE))
    return {name: value for name, value in sorted(wanted.items()) if name in declared}


def _dockerfile(folder: Path) -> str:
    path = folder / DOCKERFILE
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; a method is built from a folder with a Dockerfile") from error


def labels(folder: Path, card: Method) -> dict[str, str]:
    """The labels of the image."""
    return {
        SOURCE_LABEL: source_digest(folder),
        "org.lumirage.harness": __version__,
        "org.lumirage.contract": card.contract,
        "org.opencontainers.image.title": card.name,
        "org.opencontainers.image.version": card.version,
        "org.opencontainers.image.description": card.summary,
        "org.opencontainers.image.licenses": card.licence,
    }


def build_method(folder: Path, card: Method, settings: BuildSettings, progress: Progress) -> str:
    """Build a method's image and its base image; gives the image's id. `progress` gets each line of the build.

    Raises UsageError if the folder cannot be built, UnavailableError if there is no engine or the build fails.
    """
    with _client() as client, serving(settings.wheels):
        if settings.arguments.get(TORCH_ARGUMENT) is None and _has_gpus(client):
            settings = BuildSettings(
                base_image=settings.base_image,
                arguments={**settings.arguments, TORCH_ARGUMENT: ""},  # the index's own wheels are those for GPUs
                wheels=settings.wheels,
            )
        if base := own_base(folder):
            base_folder, base_name = base
            _build(client, base_folder, (base_name, {SOURCE_LABEL: source_digest(base_folder)}), settings, progress)
        name = f"{image_repository(folder)}:{source_digest(folder)}"
        image = _build(client, folder, (name, labels(folder, card)), settings, progress)
        if folder.resolve().parent == shipped("method_containers").resolve():
            client.images.get(image).tag(image_repository(folder), tag="latest")  # for people and for `docker save`
        return image


def _build(
    client: docker.DockerClient,
    folder: Path,
    product: tuple[str, dict[str, str]],
    settings: BuildSettings,
    progress: Progress,
) -> str:
    name, marks = product
    stream = client.api.build(
        fileobj=io.BytesIO(build_context(folder)),
        custom_context=True,
        tag=name,
        buildargs=build_arguments(folder, settings),
        labels=marks,
        rm=True,
        forcerm=True,
        decode=True,
        network_mode="host" if settings.wheels else None,
    )
    log: list[str] = []
    try:
        for message in stream:
            _follow(message, log, progress)
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise UnavailableError(f"cannot build {name}: {error}") from error
    except _BuildFailed as error:
        last = "\n".join(log[-LOG_LINES:])
        raise UnavailableError(f"cannot build {name}: {error}\n{last}") from error
    return str(client.images.get(name).id)


class _BuildFailed(Exception):  # noqa: N818 -- a message on its way to UnavailableError
    pass


def _follow(message: dict[str, Any], log: list[str], progress: Progress) -> None:
    if "error" in message:
        raise _BuildFailed(message["error"])
    for line in str(message.get("stream", "")).splitlines():
        if line.strip():
            log.append(line.rstrip())
            progress(line.rstrip())


@contextlib.contextmanager
def _client() -> Iterator[docker.DockerClient]:
    try:
        client = docker.from_env(timeout=600, version="auto")
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise UnavailableError(
            f"no container engine answers ({error}); {engine_hint(os.environ)}, "
            "or use --runtime local, which builds no images"
        ) from error
    try:
        yield client
    finally:
        client.close()


def _has_gpus(client: docker.DockerClient) -> bool:
    info = client.info()
    return "nvidia" in (info.get("Runtimes") or {}) or bool(info.get("DiscoveredDevices"))


@contextlib.contextmanager
def serving(folder: Path | None, port: int = WHEEL_PORT, wait_s: float = WHEEL_WAIT_S) -> Iterator[None]:
    """Serve a folder of wheels on the loopback during a build; only one build at a time.

    Raises UnavailableError if the port stays in use.
    """
    if folder is None:
        yield
        return
    with _bound(folder, port, time.monotonic() + wait_s) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _bound(folder: Path, port: int, until_s: float) -> http.server.ThreadingHTTPServer:
    handler = functools.partial(_QuietHandler, directory=str(folder))
    while True:
        try:
            return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until_s:
                raise UnavailableError(f"wheels cannot be served on port {port}: {error.strerror}") from error
        time.sleep(0.2)


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""

"""What would be built, without an engine."""

import io
import shutil
import socket
import tarfile
import threading
import urllib.request
from pathlib import Path

import pytest

from lumirage.core.errors import UnavailableError, UsageError
from lumirage.core.layout import shipped
from lumirage.core.model import Method, Weights
from lumirage.core.records import read_yaml
from lumirage.methods.image_build import (
    BuildSettings,
    build_arguments,
    build_context,
    image_name,
    image_source,
    labels,
    own_base,
    pip_arguments,
    serving,
    source_digest,
)
from lumirage.methods.method_list import table

CONTAINERS = shipped("method_containers")
SHIPPED = sorted(path.parent for path in CONTAINERS.glob("*/method.yaml"))


def names(context: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(context)) as archive:
        return archive.getnames()


def test_the_context_is_the_folder_and_the_kit(method_folder: Path) -> None:
    (method_folder / "__pycache__").mkdir()
    (method_folder / "__pycache__" / "run.pyc").write_bytes(b"x")
    wanted = ["Dockerfile", "_kit/lumirage_kit.py", "method.yaml", "requirements.txt", "run.py"]
    assert names(build_context(method_folder)) == wanted
    assert build_context(method_folder) == build_context(method_folder)


def test_the_digest_follows_the_files(method_folder: Path) -> None:
    before = source_digest(method_folder)
    (method_folder / "run.py").write_text("print('other')\n")
    assert source_digest(method_folder) != before


def test_arguments_that_the_dockerfile_does_not_know_are_left_out(method_folder: Path) -> None:
    settings = BuildSettings(base_image="base:1", arguments={"PIP_INDEX_URL": "http://x"}, wheels=Path("/wheels"))
    assert build_arguments(method_folder, settings) == {
        "BASE_IMAGE": "base:1",
        "PIP_FIND_LINKS": "http://127.0.0.1:18765/",
    }


def test_a_method_on_torch_keeps_the_base_of_the_project() -> None:
    folder = CONTAINERS / "voxelmorph"
    assert own_base(folder) == (CONTAINERS / "_base-torch", "lumirage/base-torch:2.13.0")
    assert "BASE_IMAGE" not in build_arguments(folder, BuildSettings(base_image="base:1"))
    assert build_arguments(CONTAINERS / "_base-torch", BuildSettings(base_image="base:1"))["BASE_IMAGE"] == "base:1"


def test_paths_of_this_machine_are_no_arguments() -> None:
    environment = {"PIP_FIND_LINKS": "/wheels", "PIP_INDEX_URL": "https://mirror/simple", "PIP_TRUSTED_HOST": "mirror"}
    assert pip_arguments(environment) == {"PIP_INDEX_URL": "https://mirror/simple", "PIP_TRUSTED_HOST": "mirror"}


def test_a_build_waits_until_another_has_served_its_wheels(tmp_path: Path) -> None:
    (tmp_path / "one.whl").write_text("wheel")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"port {port}"), serving(tmp_path, port, wait_s=0.0):
            pass
        over = threading.Timer(0.3, other.close)
        over.start()
        with serving(tmp_path, port), urllib.request.urlopen(f"http://127.0.0.1:{port}/one.whl") as answer:
            assert answer.read() == b"wheel"
        over.join()


def test_a_folder_without_dockerfile_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Dockerfile"):
        build_arguments(tmp_path, BuildSettings())


def test_the_image_says_what_it_is(method_folder: Path) -> None:
    card = read_yaml(method_folder / "method.yaml", Method)
    assert image_name(method_folder, card) == f"lumirage/mine:{source_digest(method_folder)}"
    assert labels(method_folder, card)["org.opencontainers.image.version"] == "1"


def test_the_table_says_what_lacks(method_folder: Path, tmp_path: Path) -> None:
    card = read_yaml(method_folder / "method.yaml", Method)
    item = Weights(file="w.pt", url="http://x/w.pt", sha256="", bytes=283_000_000, licence="MIT")
    deep = card.model_copy(update={"name": "deep", "weights": (item,)})
    images = {image_name(method_folder, card), "lumirage/mine:latest"}
    rows = table([(method_folder, card), (method_folder, deep)], images, tmp_path)
    assert [(row.image, row.weights) for row in rows] == [("built", "none needed"), ("built", "missing 283 MB")]
    untrained = deep.model_copy(update={"parameters": {"weights": "none"}})
    assert table([(method_folder, untrained)], images, tmp_path)[0].weights == "untrained"
    assert table([(method_folder, card)], {"lumirage/mine:0123456789abcdef"}, tmp_path)[0].image == "outdated"
    assert table([(method_folder, card)], {}, tmp_path)[0].image == "not built"
    assert table([(method_folder, card)], None, tmp_path)[0].image == "no engine"


def test_two_folders_of_one_name_have_an_image_each(method_folder: Path, tmp_path: Path) -> None:
    card = read_yaml(method_folder / "method.yaml", Method)
    other = tmp_path / "elsewhere" / "mine"
    shutil.copytree(method_folder, other)
    assert image_name(other, card) == image_name(method_folder, card), "the same source is the same image"
    (other / "run.py").write_text("print('something else')\n")
    assert image_name(other, card) != image_name(method_folder, card)


def test_a_change_of_the_project_s_own_base_is_a_change_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(CONTAINERS / "_base-torch", tmp_path / "_base-torch")
    shutil.copytree(CONTAINERS / "_kit", tmp_path / "_kit")
    shutil.copytree(CONTAINERS / "voxelmorph", tmp_path / "voxelmorph")
    monkeypatch.setattr("lumirage.methods.image_build.shipped", lambda _: tmp_path)
    before = source_digest(tmp_path / "voxelmorph")
    (tmp_path / "_base-torch" / "requirements.txt").write_text("torch==9.9\n")
    assert source_digest(tmp_path / "voxelmorph") != before


def test_a_card_that_names_a_shipped_image_is_built_from_its_folder(tmp_path: Path) -> None:
    card = Method(name="mine", version="1", summary="", kind="deep", image="lumirage/greedy")
    assert image_source(tmp_path, card) == CONTAINERS / "greedy"
    assert image_name(tmp_path, card) == f"lumirage/greedy:{source_digest(CONTAINERS / 'greedy')}"
    published = card.model_copy(update={"image": "somebody/greedy:1"})
    assert image_source(tmp_path, published) is None
    assert image_name(tmp_path, published) == "somebody/greedy:1"


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_methods_keep_the_rules(folder: Path) -> None:
    card = read_yaml(folder / "method.yaml", Method)
    assert card.name.lower() == folder.name.lower()
    assert card.citation or card.kind == "reference"
    assert card.licence
    if not (folder / "Dockerfile").is_file():
        assert card.image
        return
    dockerfile = (folder / "Dockerfile").read_text()
    assert dockerfile.splitlines()[0].startswith("ARG BASE_IMAGE=")
    assert "# syntax=" not in dockerfile
    assert "--mount" not in dockerfile
    assert 'ENTRYPOINT ["python", "/method/run.py"]' in dockerfile
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert lines
    assert all("==" in line for line in lines if not line.startswith(("#", "--")))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_methods_know_nothing_of_the_harness(folder: Path) -> None:
    for script in folder.glob("*.py"):
        assert "import lumirage\n" not in script.read_text()
        assert "from lumirage " not in script.read_text()
        assert "from lumirage." not in script.read_text()

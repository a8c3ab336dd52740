"""An image registry on the loopback with one image of the local engine, and files beside it. Standard library and docker."""

import hashlib
import http.server
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import docker

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@contextmanager
def registry(image: str, name: str, scratch: Path, files: Mapping[str, bytes]) -> Iterator[str]:
    """Serve `image` as `name`, and `files` by their paths; gives the address, 127.0.0.1:PORT, to which engines speak HTTP."""
    served = {f"/{path}": ("application/octet-stream", data) for path, data in files.items()}
    manifest = json.dumps(_manifest(image, name, scratch, served)).encode()
    for reference in ("1", _digest(manifest)):
        served[f"/v2/{name}/manifests/{reference}"] = MANIFEST, manifest
    served["/v2/"] = "application/json", b"{}"

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, data = served.get(self.path, ("text/plain", b""))
            self.send_response(200 if self.path in served else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Docker-Content-Digest", _digest(data))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815 -- the name that the base class calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _manifest(image: str, name: str, scratch: Path, served: dict[str, tuple[str, bytes]]) -> dict[str, object]:
    """The image's manifest; its configuration and layers are added to what is served."""
    saved = scratch / "saved.tar"
    client = docker.from_env()
    with saved.open("wb") as file:
        for chunk in client.images.get(image).save():
            file.write(chunk)
    client.close()

    def blob(archive: tarfile.TarFile, path: str, kind: str) -> dict[str, object]:
        member = archive.extractfile(path)
        assert member is not None
        data = member.read()
        served[f"/v2/{name}/blobs/{_digest(data)}"] = "application/octet-stream", data
        return {"mediaType": kind, "size": len(data), "digest": _digest(data)}

    with tarfile.open(saved) as archive:
        listed = archive.extractfile("manifest.json")
        assert listed is not None
        (entry,) = json.load(listed)
        config = blob(archive, entry["Config"], CONFIG)
        layers = [blob(archive, path, LAYER) for path in entry["Layers"]]
    saved.unlink()
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"

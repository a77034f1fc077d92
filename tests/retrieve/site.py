"""A web server on this machine that misbehaves as told, and datasets of one file to fetch from it."""

import hashlib
import http.server
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from stgnn.catalog import Dataset, RawFile
from stgnn.download import Patience
from stgnn.errors import InputError
from stgnn.retrieve import retrieve

# Begins as an archive does; as `a.bin` it has no format that the checks know.
BODY = b"PK\x03\x04" + random.Random(0).randbytes(400_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
HTML = b"<!DOCTYPE html><html><body>Log in to continue</body></html>" + b" " * len(BODY)

# Signed by itself for localhost, valid 2020 to 2120, made for these tests and of no other use.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2QT2tMNQPqGJ1uXc
TtO5iYFda2NPnye6Urw5QSRekFqhRANCAATDQueVnJzkMnBcKkDn1t76PAqg+a1/
382pZ/7+gxB2M4A2qplN8ra1tCa8Uw6mYWXhGIDFp7eZLC+wfxIqRUkz
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIBAjAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMNC55WcnOQycFwq
QOfW3vo8CqD5rX/fzaln/v6DEHYzgDaqmU3ytrW0JrxTDqZhZeEYgMWnt5ksL7B/
EipFSTOjXjBcMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MA4GA1UdDwEB/wQEAwIChDAdBgNVHQ4EFgQU94lLdGtgID30DHgxe5Cd
kf1BNcowCgYIKoZIzj0EAwIDSAAwRQIgG4NqqqOkpJ1mpt6QzLDHaL//f8zx1bWF
SNMIGJ4lQMECIQCxjko1is+SDS9fcac/Gn5COxgwPsyuOXCAGhqvBpsWKw==
-----END CERTIFICATE-----
"""


class Site(http.server.ThreadingHTTPServer):
    """Serves `files`; `script` says, request by request, how it misbehaves first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "http"
        self.reset()

    def reset(self) -> None:
        self.files: dict[str, bytes] = {}
        self.script: list[Callable[[_Handler, bytes], None] | None] = []
        self.ranges, self.etag, self.sends_length = True, '"v1"', True
        self.content_type = "application/octet-stream"
        self.seen: list[tuple[str, str | None]] = []  # path and Range header of each request
        self.released = threading.Event()

    def url(self, path: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}/{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        site, path = self.server, urlsplit(self.path).path.lstrip("/")
        site.seen.append((path, self.headers.get("Range")))
        body = site.files.get(path)
        trick = site.script.pop(0) if site.script else None
        if trick is not None:
            trick(self, body or b"")
        elif body is None:
            self.send_error(404)
        else:
            self.send_body(body)

    def send_body(self, body: bytes, stop: int | None = None, hang: bool = False) -> None:
        """Send all of `body`, or all that the request asks for, or stop short of position `stop`."""
        site, first = self.server, 0
        current = self.headers.get("If-Range") in (None, site.etag)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and site.ranges and current:
            first = int(wanted[1])
            if first >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if site.etag:
            self.send_header("ETag", site.etag)
        if site.sends_length:
            self.send_header("Content-Length", str(len(body) - first))
        self.send_header("Content-Type", site.content_type)
        self.end_headers()
        self.wfile.write(body[first:stop])
        if hang:
            site.released.wait(20)

    def log_message(self, *arguments: Any) -> None:
        pass


def answers(code: int, **headers: str) -> Callable[[_Handler, bytes], None]:
    def trick(handler: _Handler, body: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return trick


def breaks_off(stop: int) -> Callable[[_Handler, bytes], None]:
    return lambda handler, body: handler.send_body(body, stop)


def hangs(stop: int) -> Callable[[_Handler, bytes], None]:
    return lambda handler, body: handler.send_body(body, stop, hang=True)


def serving(site: Site) -> Iterator[Site]:
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.released.set()
    site.shutdown()
    thread.join()
    site.server_close()


def declare(
    url: str | None, name: str = "a.bin", sha256: str | None = SHA256, size: int | None = None, **fields: Any
) -> Dataset:
    """A dataset of one file."""
    known: dict[str, Any] = dict.fromkeys(Dataset.__dataclass_fields__) | {"name": "town", "kind": "signal"}
    return Dataset(**known | {"files": (RawFile(name, url, sha256, size, "values"),), **fields})


def patient(*delays: float) -> tuple[Patience, list[float]]:
    """A patience that notes the waits instead of waiting."""
    waits: list[float] = []
    return Patience(delays, waits.append), waits


def refusal(dataset: Dataset, folder: Path, **options: Any) -> str:
    """The one line that the user sees; nothing is left behind."""
    options.setdefault("patience", patient()[0])
    with pytest.raises(InputError) as caught:
        retrieve(dataset, dataset.files[0].name, folder, **options)
    assert not folder.exists() or list(folder.iterdir()) == []
    message = str(caught.value)
    assert "\n" not in message and dataset.files[0].name in message
    return message


def leave_part(folder: Path, bytes_there: bytes, address: str, validator: str | None) -> None:
    """What a killed process leaves."""
    folder.mkdir(exist_ok=True)
    (folder / ".a.bin.part").write_bytes(bytes_there)
    (folder / ".a.bin.part.json").write_text(json.dumps({"address": address, "validator": validator}))

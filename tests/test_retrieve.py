"""Facts about bringing raw files into place, against a real HTTP(S) server on this machine."""

import hashlib
import http.server
import importlib.util
import json
import logging
import multiprocessing
import os
import random
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stgnn.catalog import Dataset, RawFile, load_catalog
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


def _serve(site: Site) -> Iterator[Site]:
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.released.set()
    site.shutdown()
    thread.join()
    site.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    yield from _serve(Site())


@pytest.fixture
def site(server: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("NO_PROXY", "*")
    server.reset()
    return server


@pytest.fixture
def secure_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "pair.pem").write_text(CERTIFICATE)
    site = Site()
    site.scheme = "https"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    site.socket = context.wrap_socket(site.socket, server_side=True)
    yield from _serve(site)


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


def test_a_file_is_downloaded_whole_and_alone(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"] = BODY
    path = retrieve(declare(site.url("a.bin"), size=len(BODY)), "a.bin", tmp_path / "town")
    assert path == tmp_path / "town" / "a.bin"
    assert path.read_bytes() == BODY
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_right_file_is_left_alone(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(BODY)
    before = (tmp_path / "a.bin").stat()
    retrieve(declare(site.url("a.bin")), "a.bin", tmp_path)
    assert site.seen == []
    assert (tmp_path / "a.bin").stat().st_mtime_ns == before.st_mtime_ns


def test_a_wrong_file_is_replaced(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site.files["a.bin"] = BODY
    (tmp_path / "a.bin").write_bytes(BODY[:-1] + b"?")
    assert retrieve(declare(site.url("a.bin")), "a.bin", tmp_path).read_bytes() == BODY
    assert "is not, or no longer, the file" in caplog.text


def test_a_misspelt_file_name_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"town: files: unknown \"b.bin\"; did you mean 'a.bin'\?"):
        retrieve(declare(None), "b.bin", tmp_path)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_goes_on_where_it_stopped(site: Site, tmp_path: Path, ranges: bool) -> None:
    site.files["a.bin"], site.ranges = BODY, ranges
    site.script = [breaks_off(300_000)]
    patience, waits = patient(3.0)
    assert retrieve(declare(site.url("a.bin")), "a.bin", tmp_path, patience=patience).read_bytes() == BODY
    (_, first), (_, second) = site.seen
    assert first is None
    assert second is not None and 100_000 < int(second[len("bytes=") : -1]) <= 300_000
    assert waits == [3.0]


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.etag = BODY, '"v2"'
    leave_part(tmp_path, b"old" * 50_000, site.url("a.bin"), '"v1"')
    assert retrieve(declare(site.url("a.bin"), sha256=None), "a.bin", tmp_path).read_bytes() == BODY
    assert len(site.seen) == 1  # the server was told which version the first half is of


def test_bytes_of_another_address_are_not_gone_on_with(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"] = BODY
    leave_part(tmp_path, b"old" * 50_000, site.url("other/a.bin"), site.etag)
    assert retrieve(declare(site.url("a.bin"), sha256=None), "a.bin", tmp_path).read_bytes() == BODY


def test_a_part_of_the_wrong_place_is_not_appended(site: Site, tmp_path: Path) -> None:
    def sends_the_end(handler: _Handler, body: bytes) -> None:
        handler.headers.replace_header("Range", f"bytes={len(body) - 5}-")
        handler.send_body(body)

    site.files["a.bin"], site.script = BODY, [sends_the_end]
    leave_part(tmp_path, BODY[:100_000], site.url("a.bin"), site.etag)
    assert retrieve(declare(site.url("a.bin"), sha256=None), "a.bin", tmp_path).read_bytes() == BODY


def test_a_part_that_was_whole_when_killed_is_not_sent_again(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"] = BODY
    leave_part(tmp_path, BODY, site.url("a.bin"), site.etag)
    assert retrieve(declare(site.url("a.bin"), sha256=None), "a.bin", tmp_path).read_bytes() == BODY
    assert site.seen == [("a.bin", f"bytes={len(BODY)}-")]


def test_halves_of_two_versions_are_found_out_by_the_checksum(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.etag = BODY, ""
    leave_part(tmp_path, b"old" * 50_000, site.url("a.bin"), None)
    site.script = [None, breaks_off(200_000)]  # and a resumed second attempt is still believed
    patience, _ = patient(0.0)
    assert retrieve(declare(site.url("a.bin")), "a.bin", tmp_path, patience=patience).read_bytes() == BODY
    wanted = [range_ and int(range_[len("bytes=") : -1]) for _, range_ in site.seen]
    assert wanted[:2] == [150_000, None] and wanted[2] is not None


def test_a_server_that_mixes_versions_is_not_believed(site: Site, tmp_path: Path) -> None:
    def ignores_if_range(handler: _Handler, body: bytes) -> None:
        del handler.headers["If-Range"]
        handler.send_body(body)

    site.files["a.bin"], site.etag, site.script = BODY, '"v2"', [ignores_if_range]
    leave_part(tmp_path, b"old" * 50_000, site.url("a.bin"), '"v1"')
    assert retrieve(declare(site.url("a.bin"), sha256=None), "a.bin", tmp_path).read_bytes() == BODY


def test_without_validator_or_checksum_nothing_is_resumed(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.etag = BODY, ""
    leave_part(tmp_path, BODY[:100_000], site.url("a.bin"), None)
    retrieve(declare(site.url("a.bin"), sha256=None), "a.bin", tmp_path)
    assert site.seen == [("a.bin", None)]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_killed_process_left_the_file_is_right(
    site: Site, tmp_path: Path, data: st.DataObject
) -> None:
    site.reset()
    folder = tmp_path / "town"
    shutil.rmtree(folder, ignore_errors=True)
    site.files["a.bin"] = BODY
    site.ranges, site.etag = data.draw(st.booleans()), data.draw(st.sampled_from(['"v1"', ""]))
    site.script = [
        breaks_off(stop) for stop in data.draw(st.lists(st.integers(0, len(BODY) - 1), max_size=2))
    ]
    cut = data.draw(st.one_of(st.integers(0, len(BODY)), st.just(len(BODY))))
    left = data.draw(st.sampled_from([BODY[:cut], b"\0" * cut, BODY + b"more"]))
    leave_part(folder, left, site.url(data.draw(st.sampled_from(["a.bin", "b.bin"]))), site.etag or None)
    patience, _ = patient(0, 0, 0)
    assert retrieve(declare(site.url("a.bin")), "a.bin", folder, patience=patience).read_bytes() == BODY
    assert [path.name for path in folder.iterdir()] == ["a.bin"]


def test_a_killed_download_goes_on_and_equals_an_undisturbed_one(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.script = BODY, [hangs(300_000)]
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from stgnn.retrieve import retrieve; from stgnn.catalog import load_catalog\n"
        "retrieve(load_catalog(sys.argv[2])['town'], 'a.bin', sys.argv[3])"
    )
    entry: dict[str, Any] = {"title": "t", "reader": "windmill-json", "units": "u"}
    entry["files"] = [{"name": "a.bin", "role": "values", "url": site.url("a.bin")}]
    (tmp_path / "own.yaml").write_text(json.dumps({"town": entry}))
    folder, part = tmp_path / "town", tmp_path / "town" / ".a.bin.part"
    root = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", program, root, str(tmp_path / "own.yaml"), str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while not part.exists() or part.stat().st_size < 100_000:
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    there = part.stat().st_size
    assert not (folder / "a.bin").exists()
    subprocess.run(command, check=True, timeout=30)
    assert (folder / "a.bin").read_bytes() == BODY
    assert [path.name for path in folder.iterdir()] == ["a.bin"]
    assert site.seen[1] == ("a.bin", f"bytes={there}-")


def test_a_truncated_file_is_refused(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.script = BODY, [breaks_off(200_000)] * 10
    patience, waits = patient(1.0, 2.0)
    message = refusal(declare(site.url("a.bin"), sha256=None), tmp_path / "town", patience=patience)
    assert re.search(rf"a\.bin breaks off after \d+ of {len(BODY)} bytes \(tried 3 times\)", message)
    assert "give that folder as mirror" in message
    assert waits == [1.0, 2.0]


def test_tries_are_counted_anew_when_bytes_arrived(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.script = BODY, [breaks_off(stop) for stop in (100_000, 200_000, 300_000)]
    patience, waits = patient(1.0)
    assert retrieve(declare(site.url("a.bin")), "a.bin", tmp_path, patience=patience).read_bytes() == BODY
    assert waits == [1.0, 1.0, 1.0]


def test_an_archive_cut_off_without_a_length_is_refused(site: Site, tmp_path: Path) -> None:
    site.files["a.zip"], site.sends_length = BODY, False
    assert "is cut off" in refusal(declare(site.url("a.zip"), "a.zip", sha256=None), tmp_path / "town")


def test_a_wrong_checksum_is_refused_with_both(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"] = BODY[:-1] + b"?"
    message = refusal(declare(site.url("a.bin")), tmp_path / "town")
    assert f"town/a.bin: {site.url('a.bin')} has sha256 " in message
    assert f"expected {SHA256[:12]}" in message and f"put a.bin (sha256 {SHA256})" in message


def test_a_wrong_size_is_refused_before_the_bytes_come(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"] = BODY
    assert f"announces {len(BODY)} bytes, expected 7" in refusal(
        declare(site.url("a.bin"), size=7), tmp_path / "town"
    )


@pytest.mark.parametrize("name", ["a.h5", "a.zip", "a.json", "a.pkl", "a.csv", "a.npy", "a.bin"])
@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_web_page_is_no_data(site: Site, tmp_path: Path, name: str, sha256: str | None) -> None:
    site.files[name] = HTML
    message = refusal(declare(site.url(name), name, sha256), tmp_path / "town")
    assert f"{site.url(name)} is a web page" in message


def test_what_is_declared_a_web_page_is_none_if_the_checksum_is_right(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.content_type = BODY, "text/html; charset=utf-8"
    assert "is declared a web page" in refusal(declare(site.url("a.bin"), sha256=None), tmp_path / "town")
    retrieve(declare(site.url("a.bin")), "a.bin", tmp_path)


@pytest.mark.parametrize("code", [404, 403, 410])
def test_a_dead_link_is_asked_once(site: Site, tmp_path: Path, code: int) -> None:
    site.script = [answers(code)]
    patience, waits = patient(1.0, 1.0)
    message = refusal(declare(site.url("a.bin")), tmp_path / "town", patience=patience)
    assert f"{site.url('a.bin')} answers {code}" in message
    assert len(site.seen) == 1 and waits == []


def test_a_dead_link_takes_the_part_file_with_it(site: Site, tmp_path: Path) -> None:
    leave_part(tmp_path / "town", BODY[:100_000], site.url("a.bin"), '"v1"')
    refusal(declare(site.url("a.bin")), tmp_path / "town")


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path, code: int) -> None:
    site.files["a.bin"], site.script = BODY, [answers(code), answers(code, Retry_After="7")]
    patience, waits = patient(1.0, 2.0)
    assert retrieve(declare(site.url("a.bin")), "a.bin", tmp_path, patience=patience).read_bytes() == BODY
    assert waits == [1.0, 7.0]


def test_a_retry_date_is_honoured_and_an_absurd_one_is_not_waited_for(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.script = BODY, [answers(503, Retry_After="Wed, 01 Jan 2020 00:00:00 GMT")]
    patience, waits = patient(1.0)
    retrieve(declare(site.url("a.bin")), "a.bin", tmp_path, patience=patience)
    assert waits == [1.0]
    site.script = [answers(503, Retry_After="86400")]
    assert "asks to wait 86400 s" in refusal(declare(site.url("a.bin")), tmp_path / "town", patience=patience)


def test_a_refused_connection_is_one_clear_line(site: Site, tmp_path: Path) -> None:
    site.scheme = "http"
    with Site() as closed:
        address = closed.url("a.bin")
    patience, waits = patient(1.0, 2.0)
    message = refusal(declare(address), tmp_path / "town", patience=patience)
    assert f"{address} cannot be reached (Connection refused) (tried 3 times)" in message
    assert waits == [1.0, 2.0]


def test_a_certificate_signed_by_itself_is_refused(secure_site: Site, tmp_path: Path) -> None:
    secure_site.files["a.bin"] = BODY
    patience, waits = patient(1.0)
    message = refusal(declare(secure_site.url("a.bin")), tmp_path / "town", patience=patience)
    assert "has a certificate that" in message and "CERTIFICATE_VERIFY_FAILED" in message
    assert secure_site.seen == [] and waits == []


def test_an_encrypted_address_must_not_lead_to_a_plain_one(
    secure_site: Site, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "authorities.pem").write_text(CERTIFICATE[CERTIFICATE.index("-----BEGIN CERT") :])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authorities.pem"))
    secure_site.files["a.bin"] = site.files["a.bin"] = BODY
    dataset = declare(secure_site.url("a.bin"))
    assert retrieve(dataset, "a.bin", tmp_path / "trusted").read_bytes() == BODY
    secure_site.script = [answers(302, Location=site.url("a.bin"))]
    assert "without encryption" in refusal(dataset, tmp_path / "town")


def test_a_mirror_folder_is_searched_at_any_depth_and_the_checksum_decides(
    site: Site, tmp_path: Path
) -> None:
    for place, content in {"a": BODY[:-1] + b"?", "b/deep/er": BODY, "c": b"short"}.items():
        (tmp_path / "mirror" / place).mkdir(parents=True)
        (tmp_path / "mirror" / place / "a.bin").write_bytes(content)
    for loop in ("loop", "ring"):  # two, so that walking in circles would never end
        (tmp_path / "mirror" / "b" / loop).symlink_to(tmp_path / "mirror")
    path = retrieve(declare(site.url("a.bin")), "a.bin", tmp_path / "town", mirror=tmp_path / "mirror")
    assert path.read_bytes() == BODY and site.seen == []
    shutil.rmtree(tmp_path / "mirror")
    assert path.read_bytes() == BODY and not path.is_symlink()


def test_a_linked_folder_of_a_mirror_is_searched(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.bin").write_bytes(BODY)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "link").symlink_to(tmp_path / "elsewhere")
    assert retrieve(declare(None), "a.bin", tmp_path / "town", mirror=tmp_path / "mirror").is_file()


def test_without_a_checksum_a_mirror_must_be_unambiguous(tmp_path: Path) -> None:
    mirror, dataset = tmp_path / "mirror", declare(None, sha256=None)
    for place in ("a", "b"):
        (mirror / place).mkdir(parents=True)
        (mirror / place / "a.bin").write_bytes(place.encode())
    assert f"{mirror}: holds different files of that name: {mirror}/a/a.bin" in refusal(
        dataset, tmp_path / "town", mirror=mirror
    )
    (mirror / "c" / "town").mkdir(parents=True)
    (mirror / "c" / "town" / "a.bin").write_bytes(b"c")
    assert retrieve(dataset, "a.bin", tmp_path / "x", mirror=mirror).read_bytes() == b"c"
    (mirror / "c" / "town" / "a.bin").unlink()
    (mirror / "b" / "a.bin").write_bytes(b"a")
    assert retrieve(dataset, "a.bin", tmp_path / "y", mirror=mirror).read_bytes() == b"a"


def test_a_mirror_with_the_wrong_file_falls_back_to_the_public_address(site: Site, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.bin").write_bytes(HTML)
    site.files["a.bin"] = BODY
    dataset = declare(site.url("a.bin"))
    assert retrieve(dataset, "a.bin", tmp_path / "town", mirror=tmp_path / "mirror").read_bytes() == BODY
    site.files.clear()
    message = refusal(dataset, tmp_path / "other", mirror=tmp_path / "mirror")
    assert (
        f"{tmp_path}/mirror/a.bin is a web page" in message and f"{site.url('a.bin')} answers 404" in message
    )


@pytest.mark.parametrize("layout", ["mirror/town/a.bin", "mirror/a.bin"])
def test_a_mirror_address_comes_before_the_public_one(site: Site, tmp_path: Path, layout: str) -> None:
    site.files[layout] = BODY
    retrieve(declare(site.url("public/a.bin")), "a.bin", tmp_path, mirror=site.url("mirror/"))
    assert site.seen[-1][0] == layout and "public/a.bin" not in dict(site.seen)


@pytest.mark.parametrize("mirror", ["/no/such/folder", "s3://bucket/data"])
def test_a_mirror_that_is_none_is_named(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{mirror}: no such mirror; give a folder")):
        retrieve(declare("https://localhost/a.bin"), "a.bin", tmp_path / "town", mirror=mirror)


def test_without_an_address_only_a_mirror_can_supply_the_file(tmp_path: Path) -> None:
    dataset = declare(None, note="The publisher is gone.")
    message = refusal(dataset, tmp_path / "town")
    assert message.startswith("town/a.bin: no public address is known; put a.bin")
    assert "The publisher is gone." in message
    assert f"{tmp_path} holds no file of that name, no public address" in refusal(
        dataset, tmp_path / "town", mirror=tmp_path
    )


def test_a_copy_overwrites_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(BODY)
    leave_part(tmp_path / "town", b"x" * 500_000, "https://localhost/a.bin", '"v1"')
    path = retrieve(declare((tmp_path / "a.bin").as_uri()), "a.bin", tmp_path / "town")
    assert path.read_bytes() == BODY and list(path.parent.iterdir()) == [path]


def test_a_file_of_ones_own_is_copied_again_when_it_changed(tmp_path: Path) -> None:
    own, dataset = tmp_path / "own.bin", declare((tmp_path / "own.bin").as_uri(), sha256=None)
    own.write_bytes(b"old")
    path = retrieve(dataset, "a.bin", tmp_path / "town")
    first = path.stat().st_mtime_ns
    assert retrieve(dataset, "a.bin", tmp_path / "town").stat().st_mtime_ns == first
    own.write_bytes(b"new")
    os.utime(own, ns=(first + 10**9, first + 10**9))
    assert retrieve(dataset, "a.bin", tmp_path / "town").read_bytes() == b"new"
    own.unlink()
    assert retrieve(dataset, "a.bin", tmp_path / "town").read_bytes() == b"new"


def test_a_second_process_waits_for_the_first_and_finds_its_file(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"] = BODY
    context = multiprocessing.get_context("fork")
    arguments = (declare(site.url("a.bin")), "a.bin", tmp_path)
    processes = [context.Process(target=retrieve, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_ctrl_c_keeps_the_part_file_for_the_next_attempt(site: Site, tmp_path: Path) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    site.files["a.bin"], site.script = BODY, [breaks_off(200_000)]
    with pytest.raises(KeyboardInterrupt):
        retrieve(declare(site.url("a.bin")), "a.bin", tmp_path, patience=Patience((1.0,), interrupt))
    assert (tmp_path / ".a.bin.part").stat().st_size > 100_000


def test_a_folder_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "town").write_text("in the way")
    with pytest.raises(
        InputError, match=r"town/a\.bin: cannot be retrieved \(.*\); check the space and the rights"
    ):
        retrieve(declare(site.url("a.bin")), "a.bin", tmp_path / "town")


def test_the_source_and_checksum_are_logged(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    site.files["a.bin"] = BODY
    retrieve(declare(site.url("a.bin"), sha256=None), "a.bin", tmp_path)
    assert f"from {site.url('a.bin')}, sha256 {SHA256}" in caplog.text


synthetic = pytest.mark.skipif(importlib.util.find_spec("stgnn.synthetic") is None, reason="no generators")


@synthetic
@pytest.mark.parametrize("name", ["synthetic-traffic", "synthetic-chickenpox"])
def test_synthetic_files_are_written_again_equal_and_one_by_one(tmp_path: Path, name: str) -> None:
    dataset = load_catalog()[name]
    names = [raw.name for raw in dataset.files]
    for file_name in names:
        retrieve(dataset, file_name, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    first, written = (tmp_path / names[0]).read_bytes(), (tmp_path / names[-1]).stat().st_mtime_ns
    (tmp_path / names[0]).unlink()
    retrieve(dataset, names[0], tmp_path)
    assert (tmp_path / names[0]).read_bytes() == first
    assert len(names) == 1 or (tmp_path / names[-1]).stat().st_mtime_ns == written


@synthetic
def test_a_synthetic_file_that_its_generator_does_not_write_is_named(tmp_path: Path) -> None:
    shipped = load_catalog()["synthetic-chickenpox"]
    dataset = declare(None, "wrong.json", None, synthetic=shipped.synthetic)
    assert "its generator writes chickenpox.json, not wrong.json" in refusal(dataset, tmp_path / "town")

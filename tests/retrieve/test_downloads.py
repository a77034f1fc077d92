"""Facts about downloads, against a real HTTP server on this machine: whole, resumed, after kills."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stgnn.errors import InputError
from stgnn.retrieve import retrieve
from tests.retrieve.site import BODY, Site, _Handler, breaks_off, declare, hangs, leave_part, patient


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
    root = str(Path(__file__).parents[2])
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

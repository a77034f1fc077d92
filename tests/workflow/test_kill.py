"""`kill -9` of a job or of Snakemake itself, or two of them at once: all end, with the files of an undisturbed run."""

import hashlib
import http.server
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil
import pytest

from tests.workflow.conftest import Project, undisturbed

PATIENCE = 120.0


@contextmanager
def running(
    project: Project, *arguments: str, out: IO[str] | int = subprocess.DEVNULL
) -> Iterator["subprocess.Popen[bytes]"]:
    """`snakemake` in a process group of its own, all of which is gone at the end; what it says goes to `out`."""
    with subprocess.Popen(
        project.command(*arguments), cwd=project.path, env=project.environment,
        stdout=out, stderr=out, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            kill_group(process)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_for(happened: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Wait until something is seen while `process` runs."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert process.poll() is None, "snakemake ended before it was to be killed"
        assert time.monotonic() < end
        time.sleep(0.01)


def stage(name: str) -> psutil.Process | None:
    """The running `stgnn NAME ...` that is this test's, if it runs."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            command = process.cmdline()
            if command[1:4] == ["-m", "stgnn", name]:
                return process
    return None


def long_study(project: Project) -> None:
    """One run of some seconds."""
    project.declare(
        datasets=["tiny-chickenpox"], models=["pgti-dcrnn"], batching=["index"],
        exclude=[], overrides=[], baseline={"model": "pgti-dcrnn"},
        training={"epochs": 120, "batch_size": 8, "milestones": [], "patience": None},
    )  # fmt: skip


def checkpoint(project: Project) -> bool:
    return any((project.path / "results").rglob("checkpoint.pt"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Project], dict[str, bytes]]:
    """Gives, for a project whose long study is done, the metrics when nobody kills anything; trains for them once."""
    metrics: dict[str, bytes] = {}

    def of(project: Project) -> dict[str, bytes]:
        if not metrics:
            metrics.update(undisturbed(project, tmp_path_factory.mktemp("undisturbed")))
        return metrics

    return of


def test_a_killed_training_job_goes_on_from_its_checkpoint(
    project: Project, expected: Callable[[Project], dict[str, bytes]]
) -> None:
    long_study(project)
    with running(project, "collect") as snakemake:
        wait_for(lambda: checkpoint(project), snakemake)
        training = stage("train")
        assert training is not None
        training.kill()
        assert snakemake.wait(PATIENCE) != 0
    assert not project.results()
    project.run("collect")
    assert project.results() == expected(project)
    (log,) = (project.path / "logs" / "train").rglob("*.log")
    assert "resum" in log.read_text().lower()


def test_after_snakemake_itself_is_killed_the_same_command_ends(
    project: Project, expected: Callable[[Project], dict[str, bytes]]
) -> None:
    long_study(project)
    with running(project, "collect") as snakemake:
        wait_for(lambda: checkpoint(project), snakemake)
        kill_group(snakemake)
    left = [
        path for kind in ("locks", "incomplete") for path in (project.path / ".snakemake" / kind).iterdir()
    ]
    assert left, "a killed Snakemake leaves its marks"
    project.run("collect")
    assert project.results() == expected(project)


def test_training_that_outlives_its_snakemake_does_no_harm(
    project: Project, expected: Callable[[Project], dict[str, bytes]]
) -> None:
    long_study(project)
    with running(project, "collect") as snakemake:
        wait_for(lambda: checkpoint(project), snakemake)
        snakemake.kill()
        snakemake.wait()
        project.run("collect")
    assert project.results() == expected(project)


def long_ingest(project: Project) -> tuple[Path, list[str]]:
    """Make tiny-traffic take a second to store; return its manifest, also as what to ask Snakemake for."""
    project.edit(
        "config/datasets.yaml", "entries: 400, nodes: 6, seed: 1", "entries: 60000, nodes: 60, seed: 1"
    )
    target = "data/stores/tiny-traffic.manifest.json"
    return project.path / target, [target]


@pytest.fixture(scope="module")
def whole() -> Callable[[Project], bytes]:
    """Gives the manifest of the long ingest when nobody kills anything; the first project that asks makes it."""
    found: list[bytes] = []

    def of(project: Project) -> bytes:
        target = "data/stores/tiny-traffic.manifest.json"
        if not found:
            project.run("--forceall", target)
            found.append((project.path / target).read_bytes())
        return found[0]

    return of


def test_a_killed_ingest_leaves_no_half_store(project: Project, whole: Callable[[Project], bytes]) -> None:
    manifest, target = long_ingest(project)
    store = manifest.parent
    with running(project, *target) as snakemake:
        wait_for(lambda: any(store.rglob("*")), snakemake)
        kill_group(snakemake)
    assert not manifest.exists()
    project.run(*target)
    left = manifest.read_bytes()
    assert left == whole(project)


def test_an_ingest_that_outlives_its_snakemake_does_no_harm(
    project: Project, whole: Callable[[Project], bytes]
) -> None:
    manifest, target = long_ingest(project)
    with running(project, *target) as snakemake:
        wait_for(lambda: any(manifest.parent.rglob("*.partial")), snakemake)
        ingest = stage("ingest")
        assert ingest is not None
        ingest.suspend()  # else it might end before the next one begins
        snakemake.kill()
        snakemake.wait()
        with running(project, *target) as again:
            logs = project.path / "logs"
            wait_for(lambda: any("another process" in log.read_text() for log in logs.rglob("*.log")), again)
            ingest.resume()
            assert again.wait(PATIENCE) == 0
    left = manifest.read_bytes()
    assert "Nothing to be done" in project.run(*target)
    assert left == whole(project)


def test_two_at_once_write_a_shared_store_once(project: Project) -> None:
    manifest, target = long_ingest(project)
    said = project.path / "said"
    with (
        said.open("w") as out,
        running(project, *target, out=out) as one,
        running(project, *target, out=out) as two,
    ):
        assert (one.wait(PATIENCE), two.wait(PATIENCE)) == (0, 0), said.read_text()
    assert manifest.exists()
    text = said.read_text()
    assert text.count("Finished jobid") == 3 and "waiting for it to" in text and "Nothing to be done" in text


class SlowServer(http.server.ThreadingHTTPServer):
    """Serves one file; the first half at once, the rest when `released`. Notes the ranges asked for."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.released, self.ranges = content, threading.Event(), list[str]()


class Handler(http.server.BaseHTTPRequestHandler):
    server: SlowServer

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-") or 0)
        content = self.server.content
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", '"one"')
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        half = max(start, len(content) // 2)
        with suppress(OSError):  # the client may be dead
            self.wfile.write(content[start:half])
            self.server.released.wait(PATIENCE)
            self.wfile.write(content[half:])

    def log_message(self, *_: object) -> None:
        pass


def test_a_killed_download_goes_on_where_it_was(project: Project) -> None:
    content = json.dumps(
        {"edges": [[0, 1]], "node_ids": {"a": 0, "b": 1}, "FX": [[0.5, 1.5]] * 100_000}
    ).encode()
    server = SlowServer(content)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    generated = "  synthetic: {generator: chickenpox, entries: 60, nodes: 4, seed: 1}\n"
    project.edit("config/datasets.yaml", generated, "")
    address = f"http://127.0.0.1:{server.server_port}/chickenpox.json"
    declared = (
        f'role: values, url: "{address}", sha256: {hashlib.sha256(content).hexdigest()}, size: {len(content)}'
    )
    project.edit("config/datasets.yaml", "chickenpox.json, role: values", f"chickenpox.json, {declared}")
    raw = project.path / "data" / "raw" / "tiny-chickenpox"
    try:
        with running(project, "data/raw/tiny-chickenpox/chickenpox.json") as snakemake:
            wait_for(lambda: any(path.stat().st_size for path in raw.glob(".*.part")), snakemake)
            kill_group(snakemake)
        assert not (raw / "chickenpox.json").exists()
        server.released.set()
        project.run("data/raw/tiny-chickenpox/chickenpox.json")
    finally:
        server.shutdown()
        server.server_close()
    assert (raw / "chickenpox.json").read_bytes() == content
    assert server.ranges[0] == "" and server.ranges[-1].startswith("bytes=")

"""Whole runs by `stgnn train` with real launchers: the results of one worker's, also after a worker was killed."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stgnn.distributed.heartbeat import read_beat
from stgnn.store import SignalStore, open_store, write_store
from stgnn.training.engine import train_run
from tests.conftest import make_signal
from tests.distributed.test_training import assert_same_results, read_results, settings, train
from tests.distributed.workers import run_workers

PATIENCE = 180.0  # seconds for anything on a busy machine


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SignalStore:
    values = 50 + 10 * np.sin(np.arange(600) / 20)[:, None, None] + np.zeros((600, 4, 1))
    path = tmp_path_factory.mktemp("stores") / "small.zarr"
    write_store(make_signal(values.astype(np.float32), null_value=0.0), path)
    return open_store(path)


@pytest.fixture(scope="module")
def launched(store: SignalStore, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder of a run of two workers that a launcher started, the same for all who ask."""

    @functools.cache
    def by(launcher: str) -> Path:
        folder = tmp_path_factory.mktemp(launcher) / "two"
        status, said = finish(start(exact(launcher=launcher), store, folder))
        assert status == 0 and "epoch 2/2" in said, said
        return folder

    return by


def exact(batching: str = "distributed-index", **changes: Any) -> dict[str, Any]:
    """Two epochs of two workers in float64."""
    return settings(batching, **{"workers": 2, "precision": "float64", **changes})


def start(run: dict[str, Any], store: SignalStore, folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "stgnn", "train", "--settings", json.dumps(run)]
    command += ["--store", str(store.path), "--out", str(folder), "--threads", "1"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said = process.communicate(timeout=PATIENCE)[1]
    return process.returncode, said


@pytest.mark.parametrize("launcher", ["dask", "torchrun"])
def test_two_launched_workers_leave_the_results_of_one(
    store: SignalStore, launched: Callable[[str], Path], tmp_path: Path, launcher: str
) -> None:
    train_run(exact(workers=1, launcher="none"), store.path, tmp_path / "one")
    assert_same_results(launched(launcher), tmp_path / "one", 1e-9)


def test_dask_ddp_trains_to_the_same_bits_and_most_of_its_data_moves(
    store: SignalStore, launched: Callable[[str], Path], tmp_path: Path
) -> None:
    status, said = finish(start(exact("dask-ddp", launcher="dask"), store, tmp_path))
    assert status == 0, said
    asked, mapped = (read_results(folder)[0]["splits"] for folder in (tmp_path, launched("dask")))
    assert asked == mapped
    header, row = (tmp_path / "stats.csv").read_text().splitlines()
    stats = dict(zip(header.split(","), row.split(","), strict=True))
    window = 7 * 4 * 4 / 2**20  # MB: entries, graph nodes, bytes
    # Of 416 training and 59 validation windows, by which worker Dask lets hold the first 297 windows and the others:
    # 0 and 1, 0 and 0, 1 and 1, 1 and 0. Batches are sorted, so that worker 0 trains on the earlier windows.
    moved = {89 + 50, 208 + 9, 208 + 50, 327 + 9}
    assert float(stats["data_mb_per_epoch"]) / window in map(pytest.approx, moved)


def test_a_run_whose_worker_was_killed_ends_as_if_undisturbed(store: SignalStore, tmp_path: Path) -> None:
    run = settings(workers=2, launcher="torchrun", epochs=25)
    disturbed = tmp_path / "cut"
    process = start(run, store, disturbed)
    kill_when(disturbed / ".job" / "rank-1.beat", lambda beat: beat["step"] >= 60)
    status, said = finish(process)
    assert status == 1 and "rank 1" in said and "SIGKILL" in said
    assert (disturbed / "checkpoint.pt").exists() and not (disturbed / "metrics.json").exists()
    status, said = finish(start(run, store, disturbed))
    assert status == 0 and "resumed at epoch" in said, said
    run_workers(2, train, run, store.path, tmp_path / "whole")
    assert read_results(disturbed)[0]["splits"] == read_results(tmp_path / "whole")[0]["splits"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True
    ).returncode:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_ends_the_run_by_name_and_the_same_command_finishes_it(
    store: SignalStore, launched: Callable[[str], Path], small_disk: Path
) -> None:
    run = exact(launcher="torchrun")
    filler = small_disk / "filler"
    filler.write_bytes(bytes((4 << 20) - (24 << 10)))  # room to start, none for a checkpoint
    status, said = finish(start(run, store, small_disk / "run"))
    assert status == 1 and "No space left on device" in said, said
    assert not (small_disk / "run" / "metrics.json").exists()
    filler.unlink()
    status, said = finish(start(run, store, small_disk / "run"))
    assert status == 0, said
    assert read_results(small_disk / "run")[0]["splits"] == read_results(launched("torchrun"))[0]["splits"]


def kill_when(file: Path, ready: Callable[[dict[str, Any]], bool]) -> None:
    """Kill the process that beats in `file` once its beat is so."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        beat = read_beat(file)
        if beat is not None and ready(beat):
            os.kill(beat["pid"], signal.SIGKILL)
            return
        time.sleep(0.05)
    raise AssertionError(f"{file} never came to the point")

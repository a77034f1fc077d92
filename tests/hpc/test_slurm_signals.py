"""Signals of a real SLURM reach `stgnn train`, however many workers it has."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from stgnn.store import SignalStore
from tests.distributed.test_training import settings
from tests.hpc.slurm import Cluster, said, two_nodes, wait_for, why_not

PATIENCE = 180.0  # seconds for anything on a busy machine


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The SLURM that the tests of this file share."""
    if reason := why_not():
        pytest.skip(reason)
    with two_nodes() as cluster:
        yield cluster


@pytest.mark.parametrize("workers, launcher", [(1, "none"), (2, "torchrun")])
def test_slurm_s_announcement_of_the_end_reaches_training(
    cluster: Cluster, make_store: Callable[..., SignalStore], tmp_path: Path, workers: int, launcher: str
) -> None:
    """`scancel --signal` reaches what `sbatch --signal` and a preemption do: steps, not the script."""
    store = make_store(np.random.default_rng(0).random((600, 4, 1)))
    run = settings(workers=workers, launcher=launcher, epochs=9999)
    (tmp_path / "run.yaml").write_text(json.dumps(run))
    train = (
        f"{sys.executable} -m stgnn train --run {tmp_path}/run.yaml --store {store.path} --out {tmp_path}/run"
    )
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\nOMP_NUM_THREADS=1 {train} --threads 1\necho status $?\n")
    said("sbatch", "--chdir=/", f"--nodes={workers}", "--mem=3000", f"--output={tmp_path}/log", str(script))
    (job,) = cluster.jobs("pending,configuring,running")
    wait_for(
        lambda: (tmp_path / "run" / "checkpoint.pt").exists() or ended(tmp_path), "a checkpoint", PATIENCE
    )
    said("scancel", "--signal=USR1", job)
    wait_for(lambda: ended(tmp_path), "the end", PATIENCE)
    assert "status 75" in (tmp_path / "log").read_text()


def ended(folder: Path) -> bool:
    """Has the job's script come to its last line?"""
    log = folder / "log"
    return log.exists() and "status" in log.read_text()

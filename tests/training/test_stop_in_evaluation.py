"""A stop that is asked for in the midst of an evaluation: heeded within two batches, and the results are the same."""

import csv
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo  # an optimiser's first step imports it: seconds in each of the forked workers

from stgnn.data.loader import WindowLoader
from stgnn.data.placements import WindowBatch
from stgnn.data.windows import split_windows
from stgnn.distributed.world import World
from stgnn.store import SignalStore
from stgnn.training.engine import train_worker
from stgnn.training.stop import Stopped
from tests.distributed.workers import run_workers
from tests.training.conftest import settings_of
from tests.training.test_engine import without_clocks

LAST_VALUE = {"name": "last-value", "class": "stgnn.models.baselines.LastValue", "settings": {}}


def train(world: World, run: dict[str, Any], store: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    train_worker(run, store, folder, "", world)


def train_until_asked(
    world: World, run: dict[str, Any], store: Path, folder: Path, split: str, passes: int
) -> tuple[str, int]:
    """Train; the last worker gets a SIGTERM in its second batch of the split, after `passes` whole passes over it.

    What was said at the end, and how many more batches of the split this worker was given.
    """
    original, wanted = WindowLoader.in_time_order, split_windows(420, 4, 3).of(split)
    begun, further = 0, 0

    def in_time_order(self: WindowLoader) -> Iterator[WindowBatch]:
        nonlocal begun, further
        begun += self.starts == wanted
        for number, batch in enumerate(original(self)):
            now = self.starts == wanted and begun == passes + 1
            if now and number == 1 and world.rank == world.size - 1:
                os.kill(os.getpid(), signal.SIGTERM)
            further += now and number > 1
            yield batch

    WindowLoader.in_time_order = in_time_order  # type: ignore[method-assign]
    try:
        train(world, run, store, folder)
    except Stopped as stopped:
        return str(stopped).partition(";")[0], further
    return "not stopped", further


def data_moved(folder: Path) -> float:
    with (folder / "stats.csv").open() as file:
        (row,) = csv.DictReader(file)
    return float(row["data_mb_per_epoch"])


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "changes, split, passes, said",
    [
        ({}, "validation", 1, "stopped in epoch 2"),
        ({"batching": "partitioned-index"}, "validation", 0, "stopped in epoch 1"),
        ({}, "test", 0, "stopped after training"),
        ({"save_predictions": True}, "test", 1, "stopped after training"),
        ({"model": LAST_VALUE}, "train", 0, "stopped in epoch 1"),
    ],
)
def test_a_stop_in_an_evaluation_is_heeded_at_once_and_changes_no_result(
    small_store: SignalStore,
    tmp_path: Path,
    workers: int,
    changes: dict[str, Any],
    split: str,
    passes: int,
    said: str,
) -> None:
    short = {
        "epochs": 2,
        "max_steps_per_epoch": 3,
        "batch_scope": "global",
        "batch_size": 12,
        "evaluate": ["test"],
    }
    run = settings_of(workers=workers, **short, **changes)
    run_workers(workers, train, run, small_store.path, tmp_path / "whole")
    asked = (run, small_store.path, tmp_path / "cut", split, passes)
    for stopped, further in run_workers(workers, train_until_asked, *asked):
        assert stopped == said
        assert further <= 2 * workers
    kept = torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)["progress"]
    assert not (tmp_path / "cut" / "metrics.json").exists()
    assert kept["finished"] == (split == "test")
    if split == "validation":
        assert (kept["epoch"], kept["batch"]) == (passes, 3)  # the epoch's steps are done
    run_workers(workers, train, run, small_store.path, tmp_path / "cut")
    assert without_clocks(tmp_path / "cut") == without_clocks(tmp_path / "whole")
    assert data_moved(tmp_path / "cut") == data_moved(
        tmp_path / "whole"
    )  # also by halos: once, not once an attempt
    assert (data_moved(tmp_path / "cut") > 0) == (workers > 1 and "batching" in changes)

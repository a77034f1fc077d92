"""stats.csv says how large the signal is, and how large its windows are, as the materialised placement holds them."""

import csv
from pathlib import Path

import numpy as np
import pytest

from stgnn.data.placements import MaterialisedPlacement
from stgnn.data.windows import split_windows
from stgnn.store import SignalStore
from stgnn.training.engine import train_run
from tests.training.conftest import settings_of

MB = 2**20  # bytes


@pytest.mark.parametrize("batching", ["index", "materialised"])
def test_sizes_are_those_of_the_arrays(small_store: SignalStore, tmp_path: Path, batching: str) -> None:
    model = {"name": "last-value", "class": "stgnn.models.baselines.LastValue", "settings": {}}
    train_run(settings_of(model, batching=batching), small_store.path, tmp_path / "run")
    with (tmp_path / "run" / "stats.csv").open() as file:
        (stats,) = csv.DictReader(file)
    assert float(stats["signal_mb"]) == small_store.rows(0, 420).nbytes / MB
    assert [float(stats[name]) for name in ("graph_nodes", "edges_per_node", "node_inputs")] == [3, 1, 4 * 2]
    windows = split_windows(420, 4, 3, (0.7, 0.1, 0.2))
    copied = MaterialisedPlacement(small_store, windows)
    arrays = [each for each in vars(copied).values() if isinstance(each, np.ndarray)]
    assert float(stats["windows_mb"]) == pytest.approx(sum(each.nbytes for each in arrays) / MB, rel=1e-12)

"""What many tests need: small signals and stores, and where the real raw files lie, if they do."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stgnn.raw.signal import Signal
from stgnn.store import SignalStore, open_store, write_store

FIVE_MINUTES = np.timedelta64(5, "m")


def make_signal(
    values: np.ndarray, *, null_value: float | None = None, block: int = 100, dated: bool = True
) -> Signal:
    """A signal on a ring of nodes that yields `values` [T, N, F] in blocks of `block` entries."""
    num_entries, num_nodes, num_features = values.shape
    values = values.astype(np.float32)
    start = np.datetime64("2017-01-01", "ns")
    ring = np.arange(num_nodes)
    return Signal(
        blocks=lambda: (values[first : first + block] for first in range(0, num_entries, block)),
        time=start + np.arange(num_entries) * FIVE_MINUTES if dated else np.arange(num_entries),
        node=tuple(f"s{number}" for number in ring),
        feature=tuple(f"f{number}" for number in range(num_features)),
        edge_index=np.stack([ring, (ring + 1) % num_nodes]),
        edge_weight=np.linspace(0.5, 1.0, num_nodes, dtype=np.float32),
        null_value=null_value,
        attributes={"dataset": "small", "units": "mph"},
    )


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., SignalStore]:
    """Write and open a store of the given values; keyword arguments go to `make_signal`."""

    def make(
        values: np.ndarray, shard_bytes: int = 2**28, name: str = "small", **options: object
    ) -> SignalStore:
        path = tmp_path / f"{name}.zarr"
        write_store(make_signal(values, **options), path, shard_bytes=shard_bytes)  # type: ignore[arg-type]
        return open_store(path)

    return make


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real raw files, or skip: a checkout elsewhere has none."""
    folder = Path(os.environ.get("STGNN_SHARED", Path(__file__).parents[2] / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("the real raw files are not here")
    return folder

"""Large synthetic stores for the benchmarks: cheap to write, of any size, in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stgnn.raw.signal import Signal
from stgnn.store import SignalStore, open_store, write_store

BLOCK = 2880  # ten days of five-minute entries


def large_store(folder: Path, num_entries: int, num_nodes: int, seed: int = 0) -> SignalStore:
    """A store of random speeds, [num_entries, num_nodes, 1]; made anew unless it is there already."""
    path = folder / f"t{num_entries}-n{num_nodes}.zarr"
    if not path.with_suffix(".manifest.json").exists():
        write_store(_signal(num_entries, num_nodes, seed), path)
    return open_store(path)


def _signal(num_entries: int, num_nodes: int, seed: int) -> Signal:
    rng = np.random.default_rng(seed)
    base = rng.uniform(10, 70, (BLOCK, num_nodes, 1)).astype(np.float32)

    def blocks() -> Iterator[np.ndarray]:
        for number, first in enumerate(range(0, num_entries, BLOCK)):
            yield base[: min(BLOCK, num_entries - first)] + np.float32(number % 7)

    ring = np.arange(num_nodes)
    step = np.timedelta64(5, "m")
    return Signal(
        blocks=blocks,
        time=np.datetime64("2017-01-01", "ns") + np.arange(num_entries) * step,
        node=tuple(f"s{node}" for node in ring),
        feature=("speed",),
        edge_index=np.stack([ring, (ring + 1) % num_nodes]),
        edge_weight=np.ones(num_nodes, dtype=np.float32),
        null_value=0.0,
        attributes={"dataset": f"synthetic {num_entries} x {num_nodes}", "units": "mph"},
    )

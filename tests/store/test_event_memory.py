"""Writing a long stream takes the memory of its blocks and nodes, not of its events."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stgnn.raw.events import EventBlock, Events
from stgnn.store import derive, event_ids, pairs, row_files, sorting, split, temporal_csr, tie_blocks
from stgnn.store.write_events import write_events

BLOCK = 2**12


def stream(num_events: int) -> Events:
    """Events out of order among 200 nodes, made a block at a time."""

    def blocks() -> Iterator[EventBlock]:
        for first in range(0, num_events, BLOCK):
            rng, count = np.random.default_rng(first), min(BLOCK, num_events - first)
            src, dst, t = (rng.integers(0, most, count) for most in (200, 200, 10 * num_events))
            yield EventBlock(src, dst, t, feature=rng.random((count, 4), dtype=np.float32))

    return Events(blocks, bipartite=False, feature=("a", "b", "c", "d"))


def test_private_memory_does_not_grow_with_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask of events would be a byte an event, a column of times or keys eight."""
    for module in (derive, temporal_csr, sorting, event_ids, pairs, split):
        monkeypatch.setattr(module, "BLOCK", BLOCK)
    monkeypatch.setattr(row_files, "BLOCK_BYTES", 8 * BLOCK)
    monkeypatch.setattr(tie_blocks, "EVENTS_AT_ONCE", BLOCK)
    peaks = []
    for num_events in (2_000, 30_000, 90_000):  # the first only loads what is loaded once
        tracemalloc.start()
        write_events(stream(num_events), tmp_path / f"{num_events}.zarr")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 60_000 / 4

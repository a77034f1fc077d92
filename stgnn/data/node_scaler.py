"""Z-scores of every graph node by itself: for signals whose graph nodes differ in size, such as counts of regions.

Axes: R rows (entries), N graph nodes, F features.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from stgnn.data.scaler import Scaler
from stgnn.store.signal_store import SignalStore


def fit_node_scaler(store: SignalStore, entries: range) -> Scaler:
    """Mean and population standard deviation [N, F] of every graph node over the entries, in float64.

    Each entry counts once, missing values count as the number that marks them. A graph node that is constant
    becomes 0: its std is taken for 1. Two passes over the rows, a block at a time.
    """
    mean_NF = sum(rows.sum(axis=0) for rows in _blocks(store, entries)) / len(entries)
    square_NF = sum(((rows - mean_NF) ** 2).sum(axis=0) for rows in _blocks(store, entries))
    std_NF = np.sqrt(square_NF / len(entries))
    constant = std_NF <= 1e-10 * np.abs(mean_NF)
    return Scaler(torch.from_numpy(mean_NF), torch.from_numpy(np.where(constant, 1.0, std_NF)))


def _blocks(store: SignalStore, entries: range) -> Iterator[NDArray[np.float64]]:
    for start in range(entries.start, entries.stop, store.block_rows):
        yield store.rows(start, min(start + store.block_rows, entries.stop)).astype(np.float64)

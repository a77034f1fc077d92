"""Z-scores of every graph node by itself: for signals whose graph nodes differ in size, such as counts of regions.

Axes: R rows (entries), N graph nodes, F features.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from stgnn.data.scaler import Scaler
from stgnn.store.signal_store import SignalStore


def fit_node_scaler(store: SignalStore, entries: range, nulls: str = "include") -> Scaler:
    """Mean and population standard deviation [N, F] of every graph node over the entries, in float64.

    Each entry counts once. `nulls="include"` counts missing values as the number that marks them, `"exclude"` leaves
    them out; NaN is always left out. A graph node that is constant becomes 0, its std being taken for 1, and one
    without values keeps what it has. Two passes over the rows, a block at a time.
    """
    null_value = store.null_value if nulls == "exclude" else None
    count_NF, sum_NF = np.int64(0), np.float64(0)
    for rows, present in _blocks(store, entries, null_value):
        count_NF, sum_NF = count_NF + present.sum(axis=0), sum_NF + rows.sum(axis=0, where=present)
    least_NF = np.maximum(count_NF, 1)
    mean_NF = sum_NF / least_NF
    square_NF = np.zeros_like(mean_NF)
    for rows, present in _blocks(store, entries, null_value):
        square_NF += ((rows - mean_NF) ** 2).sum(axis=0, where=present)
    std_NF = np.sqrt(square_NF / least_NF)
    constant = std_NF <= 1e-10 * np.abs(mean_NF)
    return Scaler(torch.from_numpy(mean_NF), torch.from_numpy(np.where(constant, 1.0, std_NF)))


def _blocks(
    store: SignalStore, entries: range, null_value: float | None
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Yield the rows [R, N, F] and which of their values count."""
    for start in range(entries.start, entries.stop, store.block_rows):
        rows = store.rows(start, min(start + store.block_rows, entries.stop))
        present = ~np.isnan(rows)
        if null_value is not None:
            present &= rows != np.float32(null_value)
        yield rows.astype(np.float64), present

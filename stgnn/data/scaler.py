"""Z-scores from training windows only, computed from a store's block sums.

Axes: R rows (entries), N graph nodes, F features, K blocks, L input entries of a window.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stgnn.errors import InputError
from stgnn.store.signal_store import SignalStore
from stgnn.store.statistics import Sums, sums_of


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation by feature; the last axis of what it scales is the feature.

    Of shape [N, F] where every graph node has its own.
    """

    mean_F: Tensor
    std_F: Tensor

    def scale(self, values: Tensor) -> Tensor:
        """Raw units to z-scores."""
        return (values - self.mean_F) / self.std_F

    def unscale(self, values: Tensor) -> Tensor:
        """Z-scores to raw units."""
        return values * self.std_F + self.mean_F

    def of(self, features: Sequence[int]) -> "Scaler":
        """The same for these features alone, in this order."""
        chosen = list(features)
        return Scaler(self.mean_F[..., chosen], self.std_F[..., chosen])

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Scaler":
        """The same scaler on a device, in a dtype."""
        return Scaler(self.mean_F.to(device, dtype), self.std_F.to(device, dtype))


def fit_scaler(store: SignalStore, train: range, input_len: int, nulls: str = "include") -> Scaler:
    """Mean and population standard deviation of the training windows' inputs, in float64.

    An entry counts as often as training windows contain it, which is exactly the statistic that the
    classic preprocessing takes over its stacked `x_train` (DCRNN; PGT-I's index-batching). Entries
    that every window around them contains come from the store's block sums, the ramps at both
    ends from their rows, so the cost is O(blocks) whatever the signal's length.

    `nulls="include"` counts missing values as the number that marks them, as the reference
    implementations do with 0; `"exclude"` leaves them out. NaN is always left out.
    """
    total = _weighted_sums(store, train, input_len)
    count, null = total.count.astype(float), total.null_count.astype(float)
    sum_F, sumsq_F = total.sum, total.sumsq
    if nulls == "include" and store.null_value is not None and not np.isnan(store.null_value):
        # NaN cannot be told from the null value here; readers admit NaN only where it is the null.
        count = count + null
        sum_F = sum_F + null * store.null_value
        sumsq_F = sumsq_F + null * store.null_value**2
    if (count == 0).any():
        raise InputError(store.path, "a feature has no values in the training windows", "check the raw files")
    mean_F = sum_F / count
    variance_F = np.maximum(sumsq_F / count - mean_F**2, 0.0)
    constant = variance_F <= 1e-14 * np.maximum(mean_F**2, 1e-300)
    std_F = np.where(constant, 1.0, np.sqrt(variance_F))
    return Scaler(torch.from_numpy(mean_F), torch.from_numpy(std_F))


def multiplicity(rows: NDArray[np.int64], train: range, input_len: int) -> NDArray[np.int64]:
    """How many training windows contain each entry among their first `input_len` entries."""
    first = np.maximum(rows - input_len + 1, train.start)
    last = np.minimum(rows, train.stop - 1)
    counted: NDArray[np.int64] = np.maximum(last - first + 1, 0)
    return counted


def _weighted_sums(store: SignalStore, train: range, input_len: int) -> Sums:
    """Sums over the training windows' inputs, each entry weighted by its multiplicity: arrays [F]."""
    begin, end = train.start, train.stop + input_len - 1  # the entries that any window contains
    plateau = min(input_len, len(train))
    full = range(begin + plateau - 1, end - plateau + 1)  # entries contained `plateau` times
    whole = range(-(-full.start // store.block_rows), full.stop // store.block_rows)
    if len(whole) == 0:
        return _row_sums(store, begin, end, train, input_len)
    inner = _scaled(_sum_blocks(store.block_sums, whole), plateau)
    head = _row_sums(store, begin, whole.start * store.block_rows, train, input_len)
    tail = _row_sums(store, whole.stop * store.block_rows, end, train, input_len)
    return _added(_added(head, inner), tail)


def _row_sums(store: SignalStore, start: int, stop: int, train: range, input_len: int) -> Sums:
    """Weighted sums of the rows `[start, stop)`, read one block at a time."""
    features = store.shape[2]
    total = Sums(
        np.zeros(features, np.int64), np.zeros(features, np.int64), np.zeros(features), np.zeros(features)
    )
    for first in range(start, stop, store.block_rows):
        rows = store.rows(first, min(first + store.block_rows, stop))
        weights = multiplicity(np.arange(first, first + len(rows)), train, input_len)
        for row, weight in zip(rows, weights.tolist(), strict=True):
            total = _added(total, _scaled(sums_of(row, store.null_value), weight))
    return total


def _sum_blocks(blocks: Sums, which: range) -> Sums:
    cut = slice(which.start, which.stop)
    return Sums(*(getattr(blocks, name)[cut].sum(axis=0) for name in ("count", "null_count", "sum", "sumsq")))


def _scaled(sums: Sums, weight: int) -> Sums:
    return Sums(sums.count * weight, sums.null_count * weight, sums.sum * weight, sums.sumsq * weight)


def _added(a: Sums, b: Sums) -> Sums:
    return Sums(a.count + b.count, a.null_count + b.null_count, a.sum + b.sum, a.sumsq + b.sumsq)

"""Signals that are small enough to be read whole; the streamed ones build their `Signal` themselves.

Axes: T entries, N graph nodes, F features, E edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import check_values
from stgnn.raw.describe import described, times_without_dates
from stgnn.raw.rows import rows_per_block
from stgnn.raw.signal import Signal

if TYPE_CHECKING:
    from stgnn.catalog import Dataset


def blocks_of(x_TNF: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield an array's rows in time order, a block at a time."""
    step = rows_per_block(x_TNF[0].size)
    for start in range(0, len(x_TNF), step):
        yield x_TNF[start : start + step]


def whole_signal(
    dataset: Dataset,
    path: Path,
    key: str,
    x_TNF: NDArray[np.float32],
    *,
    node: tuple[str, ...],
    feature: tuple[str, ...],
    edge_index: NDArray[np.int64],
    edge_weight: NDArray[Any],
    edge_ptr: NDArray[np.int64] | None = None,
    label: NDArray[np.int64] | None = None,
    **attributes: Any,
) -> Signal:
    """Return the signal of values already in memory, checked for NaN and inf; its graph is the caller's to check."""
    if not x_TNF.size:
        raise InputError(path, f"{key}: shape {x_TNF.shape} holds no values", "retrieve the file again")
    check_values(path, key, x_TNF, 0, node, dataset.null_value)
    return Signal(
        blocks=lambda: blocks_of(x_TNF),
        time=times_without_dates(dataset, len(x_TNF)),
        node=node,
        feature=feature,
        edge_index=edge_index,
        edge_weight=edge_weight.astype(np.float32),
        null_value=dataset.null_value,
        edge_ptr=edge_ptr,
        label=label,
        attributes=described(dataset, standardised=is_standardised(x_TNF), **attributes),
    )


def is_standardised(x_TNF: NDArray[np.float32]) -> bool:
    """Whether the file's values have mean 0 and standard deviation 1 at every node: z-scored before publication."""
    with np.errstate(invalid="ignore"):
        mean, std = np.mean(x_TNF, axis=0, dtype=np.float64), np.std(x_TNF, axis=0, dtype=np.float64)
        return bool(np.all(np.abs(mean) < 1e-3) and np.all(np.abs(std - 1) < 1e-3))

"""Per-chunk sums of a signal, from which any split's scaler follows without another pass.

Axes: R rows of one chunk, N graph nodes, F features, K chunks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sums:
    """Counts and sums of values by feature; null values are counted apart and not summed."""

    count: NDArray[np.int64]  # [..., F] values that are not null
    null_count: NDArray[np.int64]  # [..., F]
    sum: NDArray[np.float64]  # [..., F]
    sumsq: NDArray[np.float64]  # [..., F]


def is_null(values: NDArray[Any], null_value: float | None) -> NDArray[np.bool_]:
    """Mark the entries that stand for a missing value: equal to `null_value`, or NaN."""
    nan: NDArray[np.bool_] = np.isnan(values)
    if null_value is None or np.isnan(null_value):
        return nan
    null: NDArray[np.bool_] = nan | (values == null_value)
    return null


def sums_of(rows_RNF: NDArray[np.float32], null_value: float | None) -> Sums:
    """Sum one run of rows in float64."""
    values_RF = rows_RNF.reshape(-1, rows_RNF.shape[-1])
    exact_RF = values_RF.astype(np.float64)
    null_count_F = np.zeros(values_RF.shape[1], dtype=np.int64)
    if null_value is not None and not np.isnan(null_value):
        null_count_F += np.count_nonzero(values_RF == np.float32(null_value), axis=0)
    sum_F = exact_RF.sum(axis=0)
    # A sum of numbers without NaN is no NaN, and zeros add nothing: most chunks need no mask.
    if np.isnan(sum_F).any() or (null_value != 0 and null_count_F.any()):
        null_RF = is_null(values_RF, null_value)
        null_count_F = null_RF.sum(axis=0, dtype=np.int64)
        exact_RF[null_RF] = 0.0
        sum_F = exact_RF.sum(axis=0)
    sumsq_F = np.einsum("rf,rf->f", exact_RF, exact_RF)
    return Sums(len(values_RF) - null_count_F, null_count_F, sum_F, sumsq_F)


def stack(sums: list[Sums]) -> Sums:
    """Put the sums of K chunks into arrays [K, F]."""
    return Sums(
        count=np.stack([s.count for s in sums]),
        null_count=np.stack([s.null_count for s in sums]),
        sum=np.stack([s.sum for s in sums]),
        sumsq=np.stack([s.sumsq for s in sums]),
    )

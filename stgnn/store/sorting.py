"""Sorting arrays as long as a stream where they lie, in mapped files as in memory, with a few blocks beside them."""

import numpy as np
from numpy.typing import NDArray

from stgnn.store.temporal_csr import BLOCK, Allocate


def sort_distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sort `values` in place and move each distinct one to the front; return that front."""
    values.sort()
    kept = 0
    for first in range(0, len(values), BLOCK):
        block = values[first : first + BLOCK]
        new = np.ones(len(block), dtype=np.bool_)
        new[1:] = block[1:] != block[:-1]
        new[0] = kept == 0 or block[0] != values[kept - 1]
        distinct = block[new]
        values[kept : kept + len(distinct)] = distinct
        kept += len(distinct)
    return values[:kept]


def stable_order(values: NDArray[np.int64], allocate: Allocate) -> NDArray[np.int64]:
    """Return the permutation that sorts `values` [E], equal ones in their order.

    Values are replaced by their ranks, so that rank * E + place is one integer to sort by. `allocate` gives 16 bytes
    a value.
    """
    copy = allocate("distinct", len(values), np.int64)
    copy[:] = values
    distinct = sort_distinct(copy)
    order, length = allocate("order", len(values), np.int64), max(len(values), 1)
    for first in range(0, len(values), BLOCK):
        block = values[first : first + BLOCK]
        place = np.arange(first, first + len(block))
        order[first : first + len(block)] = np.searchsorted(distinct, block) * length + place
    order.sort()
    for first in range(0, len(order), BLOCK):
        order[first : first + BLOCK] %= length
    return order

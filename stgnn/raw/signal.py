"""`Signal`: what every reader of raw files returns and the store writer consumes.

Axes: T entries, N graph nodes, F features, E edges.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Signal:
    """Values on the nodes of a graph over time, described in full but read only block by block.

    `blocks()` starts a fresh pass over the raw files and yields float32 arrays `[rows, N, F]` in
    time order whose rows add up to `len(time)`; a reader raises `InputError` from it, naming file,
    key and position, when it meets a value that its format does not allow.
    """

    blocks: Callable[[], Iterator[NDArray[np.float32]]]
    time: NDArray[Any]  # [T] datetime64[ns], or int64 where the raw files carry no dates
    node: tuple[str, ...]  # N ids, as the raw files spell them
    feature: tuple[str, ...]  # F names
    edge_index: NDArray[np.int64]  # [2, E], source row then target row
    edge_weight: NDArray[np.float32]  # [E]
    null_value: float | None = None  # marks a missing value: 0.0, nan, or None where none is missing
    edge_ptr: NDArray[np.int64] | None = None  # [T + 1]: entry t owns edges edge_ptr[t]:edge_ptr[t+1]
    label: NDArray[np.int64] | None = None  # [T] class of each entry, where the dataset has one
    attributes: Mapping[str, Any] = field(default_factory=dict)  # units, frequency, provenance, ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """The whole signal's shape (T, N, F)."""
        return len(self.time), len(self.node), len(self.feature)

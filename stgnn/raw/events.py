"""`Events`: what every reader of raw event files returns and the event store's writer consumes.

Axes: R events of a block, E events, N graph nodes, F edge features, V node features.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_EVENTS = 65_536  # the most events in a block


@dataclass(frozen=True)
class EventBlock:
    """A run of events as the raw file has them, in its order; nothing is renumbered or sorted."""

    src: NDArray[Any]  # [R] raw ids: int64, or objects (all text) where the file has words
    dst: NDArray[Any]  # [R] of the same kind
    t: NDArray[np.int64]  # [R] in the stream's `time_unit`
    label: NDArray[np.int8] | None = None  # [R]
    feature: NDArray[np.float32] | None = None  # [R, F]

    def __len__(self) -> int:
        """Count the block's events, R."""
        return len(self.t)


@dataclass(frozen=True)
class Events:
    """A stream of timed interactions, described in full but read only block by block.

    `blocks()` starts a fresh pass over the raw files and yields blocks of at most `BLOCK_EVENTS`
    events in the file's order, sorted or not; a reader raises `InputError` from it, naming file
    and line, when it meets a value that its format does not allow. No event is ever left out.
    """

    blocks: Callable[[], Iterator[EventBlock]]
    bipartite: bool  # sources and destinations are different id spaces: source 3 is not destination 3
    feature: tuple[str, ...] = ()  # F names; () where events carry no features
    has_label: bool = False
    node_feature: NDArray[np.float32] | None = None  # [N, V], row i for the raw id i
    time_unit: str = "s"  # of `t`: s, ms, us or ns
    attributes: Mapping[str, Any] = field(default_factory=dict)  # licence, provenance, ...

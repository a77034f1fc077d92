"""A stream cut into blocks that never part events of the same time, and what is counted in them.

Axes: E events, R events of a block.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EVENTS_AT_ONCE = 2**16


@dataclass(frozen=True)
class Repeats:
    """How often a stream repeats itself."""

    ties: int  # events at the time of the one before
    duplicates: int  # events with source, destination and time of an earlier one
    self_loops: int  # events from a node to itself


def tie_blocks(t: NDArray[np.int64], first: int = 0, width: int = 1) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of blocks from `first` on, each ending where a time does.

    A block has about `EVENTS_AT_ONCE` events, or, where an event means `width` numbers, about as many numbers. Raises
    `ValueError` at a time before an earlier event's.
    """
    size = max(1, EVENTS_AT_ONCE // width)
    while first < len(t):
        last = min(first + size, len(t))
        last = int(np.searchsorted(t, t[last - 1], side="right"))
        # Of times in disorder the search may also find an end that was passed already, for ever.
        if last <= first or np.any(t[first + 1 : last] < t[first : last - 1]):
            raise ValueError("events are not in time order")
        yield first, last
        first = last


def begins_time(t_R: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the first event of each time in a block of whole times."""
    begins = np.ones(len(t_R), dtype=np.bool_)
    np.not_equal(t_R[1:], t_R[:-1], out=begins[1:])
    return begins


def count_repeats(src: NDArray[np.int32], dst: NDArray[np.int32], t: NDArray[np.int64]) -> Repeats:
    """Count ties, duplicates and self-loops of a stream [E] in time order."""
    ties = duplicates = self_loops = 0
    for first, last in tie_blocks(t):
        begins, src_R, dst_R = begins_time(t[first:last]), src[first:last], dst[first:last]
        tied = ~begins
        ties += int(tied.sum())
        self_loops += int(np.count_nonzero(src_R == dst_R))
        tied[:-1] |= tied[1:]  # only events of a time that others have too can be repeated
        columns = (np.cumsum(begins)[tied], src_R[tied], dst_R[tied])
        order = np.lexsort(columns[::-1])
        same = np.logical_and.reduce([column[order][1:] == column[order][:-1] for column in columns])
        duplicates += int(np.count_nonzero(same))
    return Repeats(ties, duplicates, self_loops)

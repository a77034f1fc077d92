"""The temporal CSR: the events of every graph node in time order, built once, searched by every query.

Both endpoints of an event get an entry (a half-edge), so neighbourhoods are undirected; an event from a node to itself
gives that node two. Entries are sorted by one composite key, `node * (E + 1) + event`: the events of a node that
precede any event index lie in front of one binary search, at any earlier moment, equal timestamps included.

Axes: E events, N graph nodes, H half-edges (two an event).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

BLOCK = 2**20  # events or half-edges that are looked at together: 8 MB of keys

Shape = int | tuple[int, ...]
Allocate = Callable[[str, Shape, DTypeLike], NDArray[Any]]
"""Makes an array of a shape under a name: in memory, or mapped from a file that is kept."""


@dataclass(frozen=True)
class TemporalCSR:
    """Half-edges sorted by (node, event); event indices are those of the whole stream, whatever it was built of."""

    indptr: NDArray[np.int64]  # [N + 1]: node n owns half-edges indptr[n]:indptr[n+1]
    neighbour: NDArray[np.int32]  # [H] the other endpoint
    key: NDArray[np.int64]  # [H] node * (E + 1) + event, strictly increasing but for self-loops


def in_memory(name: str, shape: Shape, dtype: DTypeLike) -> NDArray[Any]:
    """Allocate an array of ordinary memory; its name is forgotten."""
    return np.empty(shape, dtype)


def build_temporal_csr(
    src: NDArray[np.int32],
    dst: NDArray[np.int32],
    events: NDArray[Any] | None,
    num_nodes: int,
    *,
    allocate: Allocate = in_memory,
) -> TemporalCSR:
    """Build the temporal CSR of a stream `src` [E] -> `dst` [E] in time order.

    `events` chooses the events that enter it: a mask [E], increasing event indices, or None for all. Beside what
    `allocate` gives (12 bytes a half-edge, 8 a node), memory is a few blocks: the keys are sorted
    where they lie.
    """
    num_events = len(src)
    chosen = _mask(events, num_events)
    count = np.zeros(num_nodes, dtype=np.int64)
    for event in _blocks_of(chosen, num_events):
        count += np.bincount(src[event], minlength=num_nodes)
        count += np.bincount(dst[event], minlength=num_nodes)
    indptr = allocate("indptr", num_nodes + 1, np.int64)
    indptr[0] = 0
    np.cumsum(count, out=indptr[1:])
    key = allocate("key", int(indptr[-1]), np.int64)
    _fill_keys(key, src, dst, _blocks_of(chosen, num_events))
    key.sort()  # in place, also in a mapped file
    neighbour = allocate("neighbour", len(key), np.int32)
    _fill_neighbours(neighbour, key, src, dst)
    return TemporalCSR(indptr, neighbour, key)


def _mask(events: NDArray[Any] | None, num_events: int) -> NDArray[np.bool_] | None:
    if events is None or events.dtype == np.bool_:
        return events
    mask = np.zeros(num_events, dtype=np.bool_)
    mask[events] = True
    return mask


def _blocks_of(chosen: NDArray[np.bool_] | None, num_events: int) -> Iterator[NDArray[np.int64]]:
    """The chosen event indices, a block of the stream at a time."""
    for first in range(0, num_events, BLOCK):
        last = min(first + BLOCK, num_events)
        if chosen is None:
            yield np.arange(first, last)
        else:
            yield first + np.flatnonzero(chosen[first:last])


def _fill_keys(
    key: NDArray[np.int64],
    src: NDArray[np.int32],
    dst: NDArray[np.int32],
    blocks: Iterator[NDArray[np.int64]],
) -> None:
    stride, place = len(src) + 1, 0
    for event in blocks:
        for end in (src, dst):
            key[place : place + len(event)] = end[event].astype(np.int64) * stride + event
            place += len(event)


def _fill_neighbours(
    neighbour: NDArray[np.int32], key: NDArray[np.int64], src: NDArray[np.int32], dst: NDArray[np.int32]
) -> None:
    stride = len(src) + 1
    for first in range(0, len(key), BLOCK):
        node, event = np.divmod(key[first : first + BLOCK], stride)
        # Of an event's two endpoints the one that is not `node`; of a self-loop's, `node`.
        neighbour[first : first + BLOCK] = src[event] ^ dst[event] ^ node.astype(np.int32)

"""Who met whom: the distinct pairs (source, destination) of a stream, in training and after it.

A pair is one integer, `src * N + dst`.

Axes: E events, N graph nodes, P distinct pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stgnn.store.sorting import sort_distinct, stable_order
from stgnn.store.split import TRAIN, Split
from stgnn.store.temporal_csr import BLOCK, Allocate, in_memory

Ints = NDArray[np.int64]
Nodes = NDArray[np.int32]


@dataclass(frozen=True)
class LaterPairs:
    """The pairs met after training and never in it, each with the event that first made it."""

    pair: Ints  # [P], sorted
    event: Ints  # [P]
    met: Ints  # [P] src * (E + 1) + event, sorted: a source's pairs in the order in which they were made


def trained_pairs(
    src: Nodes, dst: Nodes, num_nodes: int, split: Split, *, allocate: Allocate = in_memory
) -> Ints:
    """The pairs of all training events, sorted."""
    pairs, place = allocate("trained", split.first_validation, np.int64), 0
    for first in range(0, split.first_validation, BLOCK):
        last = min(first + BLOCK, split.first_validation)
        chosen = first + np.flatnonzero(split.role[first:last] == TRAIN)
        pairs[place : place + len(chosen)] = _pairs(src, dst, num_nodes, chosen)
        place += len(chosen)
    return sort_distinct(pairs[:place])


def later_pairs(
    src: Nodes,
    dst: Nodes,
    num_nodes: int,
    split: Split,
    trained: Ints,
    *,
    allocate: Allocate = in_memory,
) -> LaterPairs:
    """The pairs of validation and test events that are not among `trained`."""
    begin = split.first_validation
    pairs = _pairs_from(src, dst, num_nodes, begin, allocate)
    order = stable_order(pairs, allocate)
    event, kept, before = allocate("event", len(pairs), np.int64), 0, -1
    for first in range(0, len(order), BLOCK):
        block = order[first : first + BLOCK]
        key = pairs[block]
        new = np.diff(key, prepend=before) != 0
        before = int(key[-1])
        chosen = block[new & ~find(trained, key)[1]]
        event[kept : kept + len(chosen)] = chosen + begin
        kept += len(chosen)
    event = event[:kept]
    pair, met = allocate("pair", kept, np.int64), allocate("met", kept, np.int64)
    for first in range(0, kept, BLOCK):
        block = event[first : first + BLOCK]
        pair[first : first + BLOCK] = _pairs(src, dst, num_nodes, block)
        met[first : first + BLOCK] = src[block].astype(np.int64) * (len(src) + 1) + block
    met.sort()
    return LaterPairs(pair, event, met)


def surprise_index(
    src: Nodes,
    dst: Nodes,
    num_nodes: int,
    split: Split,
    trained: Ints,
    *,
    allocate: Allocate = in_memory,
) -> float:
    """The share of the test events' pairs that training never met (Poursafaei et al. 2022)."""
    pairs = sort_distinct(_pairs_from(src, dst, num_nodes, split.first_test, allocate))
    known = sum(
        int(find(trained, pairs[first : first + BLOCK])[1].sum()) for first in range(0, len(pairs), BLOCK)
    )
    return 1 - known / max(len(pairs), 1)


def find(sorted_values: Ints, values: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Where each value would stand among the sorted ones, and whether it is there."""
    place = np.searchsorted(sorted_values, values)
    found = np.zeros(len(values), dtype=np.bool_)
    inside = place < len(sorted_values)
    found[inside] = sorted_values[place[inside]] == values[inside]
    return place, found


def _pairs_from(src: Nodes, dst: Nodes, num_nodes: int, begin: int, allocate: Allocate) -> Ints:
    pairs = allocate("pairs", len(src) - begin, np.int64)
    for first in range(0, len(pairs), BLOCK):
        last = min(first + BLOCK, len(pairs))
        pairs[first:last] = _pairs(src, dst, num_nodes, np.arange(begin + first, begin + last))
    return pairs


def _pairs(src: Nodes, dst: Nodes, num_nodes: int, event: Ints) -> Ints:
    return src[event].astype(np.int64) * num_nodes + dst[event]

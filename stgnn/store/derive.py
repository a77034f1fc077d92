"""What follows from a stream and its protocol: split, neighbourhoods, negatives; in memory as in a store's files.

Axes: E events, N graph nodes, D destinations.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stgnn.store.negatives import Negatives, NegativeSampler
from stgnn.store.pairs import later_pairs, surprise_index, trained_pairs
from stgnn.store.split import TRAIN, Protocol, Split, split_events
from stgnn.store.temporal_csr import BLOCK, Allocate, TemporalCSR, build_temporal_csr, in_memory


@dataclass(frozen=True)
class Derived:
    """What follows from a stream and its protocol."""

    split: Split
    destination: NDArray[np.int32]
    train_destination: NDArray[np.int32]
    graph: TemporalCSR
    train_graph: TemporalCSR
    drawn: Mapping[str, Negatives]  # by kind
    surprise: float


def derive(
    src: NDArray[np.int32],
    dst: NDArray[np.int32],
    t: NDArray[np.int64],
    num_nodes: int,
    protocol: Protocol,
    *,
    allocate: Allocate = in_memory,
    scratch: Allocate = in_memory,
) -> Derived:
    """Split a stream in time order, build its temporal CSRs and draw its negatives.

    `allocate` makes the arrays that stay, under the names they have in a store, `scratch` those that do not.
    """
    split = split_events(src, dst, t, num_nodes, protocol, allocate=allocate)
    graph = build_temporal_csr(src, dst, None, num_nodes, allocate=_under("graph", allocate))
    train = np.equal(split.role, TRAIN, out=scratch("train", len(t), np.bool_))
    train_graph = build_temporal_csr(src, dst, train, num_nodes, allocate=_under("train_graph", allocate))
    destination, train_destination = _destinations(dst, split, num_nodes)
    trained = trained_pairs(src, dst, num_nodes, split, allocate=scratch)
    later = later_pairs(src, dst, num_nodes, split, trained, allocate=scratch)
    sampler = NegativeSampler(
        src, dst, t, destination, num_nodes, split.first_validation, trained, later, protocol
    )
    return Derived(
        split=split,
        destination=destination,
        train_destination=train_destination,
        graph=graph,
        train_graph=train_graph,
        drawn=sampler.draw(allocate=allocate),
        surprise=surprise_index(src, dst, num_nodes, split, trained, allocate=scratch),
    )


def _destinations(
    dst: NDArray[np.int32], split: Split, num_nodes: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """All destinations, and those of training events, sorted."""
    seen, trained = np.zeros(num_nodes, dtype=np.bool_), np.zeros(num_nodes, dtype=np.bool_)
    seen[dst] = True
    for first in range(0, split.first_validation, BLOCK):
        block = slice(first, min(first + BLOCK, split.first_validation))
        trained[dst[block][split.role[block] == TRAIN]] = True
    return np.flatnonzero(seen).astype(np.int32), np.flatnonzero(trained).astype(np.int32)


def _under(prefix: str, allocate: Allocate) -> Allocate:
    """Allocate with `prefix_` in front of every name."""
    return lambda name, shape, dtype: allocate(f"{prefix}_{name}", shape, dtype)

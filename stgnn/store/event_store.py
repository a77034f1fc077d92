"""`EventStore`: a stream of timed events as every run sees it, and one made of arrays in memory.

Axes: E events, N graph nodes, D destinations, F edge features, V node features, Q negatives of an event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stgnn.store.negatives import KINDS, NegativeSampler
from stgnn.store.split import TRAIN, Protocol, Split, split_events
from stgnn.store.temporal_csr import BLOCK, Allocate, TemporalCSR, build_temporal_csr, in_memory


@dataclass(frozen=True)
class EventStore:
    """Events in time order, with their neighbourhoods, their split and the negatives they are ranked against.

    Graph nodes are numbered from 0; in a bipartite stream sources come first, then destinations. Arrays may be mapped
    files: they are only to be read.
    """

    src: NDArray[np.int32]  # [E]
    dst: NDArray[np.int32]  # [E]
    t: NDArray[np.int64]  # [E], never decreasing, in `time_unit`
    label: NDArray[np.int8] | None  # [E]
    edge_feature: NDArray[np.float32] | None  # [E, F]
    node_feature: NDArray[np.float32] | None  # [N, V]
    destination: NDArray[np.int32]  # [D] every node that is ever a destination, sorted
    train_destination: NDArray[
        np.int32
    ]  # the same of training events: what training negatives are drawn from
    role: NDArray[np.uint8]  # [E] see `stgnn.store.split`
    new_node: NDArray[np.bool_]  # [N] in no training event
    graph: TemporalCSR  # of all events
    train_graph: TemporalCSR  # of training events
    negatives: Mapping[str, NDArray[np.int32]]  # kind -> [validation and test events in order, Q]
    bipartite: bool
    num_nodes: int
    time_unit: str = "s"
    feature: tuple[str, ...] = ()  # F names
    path: Path | None = None
    digest: str = ""  # of the manifest: changes when any byte of the store does
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_events(self) -> int:
        """E."""
        return len(self.t)


@dataclass(frozen=True)
class Derived:
    """What follows from a stream and its protocol."""

    split: Split
    destination: NDArray[np.int32]
    train_destination: NDArray[np.int32]
    graph: TemporalCSR
    train_graph: TemporalCSR
    negatives: Mapping[str, NDArray[np.int32]]
    described: dict[str, dict[str, Any]]  # kind of negatives -> hash and shares


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
    train = split.role == TRAIN
    train_graph = build_temporal_csr(src, dst, train, num_nodes, allocate=_under("train_graph", allocate))
    destination, train_destination = _destinations(dst, split, num_nodes)
    sampler = NegativeSampler(src, dst, t, destination, num_nodes, split, protocol, allocate=scratch)
    drawn = {kind: sampler.draw(kind, allocate=_under("negative", allocate)) for kind in KINDS}
    return Derived(
        split,
        destination,
        train_destination,
        graph,
        train_graph,
        {kind: negatives.destination for kind, negatives in drawn.items()},
        {
            kind: {"sha256": each.sha256, "fallback": each.fallback, "unavoidable": each.unavoidable}
            for kind, each in drawn.items()
        },
    )


def events_in_memory(
    src: ArrayLike,
    dst: ArrayLike,
    t: ArrayLike,
    feature: ArrayLike | None = None,
    *,
    label: ArrayLike | None = None,
    node_feature: ArrayLike | None = None,
    bipartite: bool = False,
    num_nodes: int | None = None,
    protocol: Protocol | None = None,
) -> EventStore:
    """Make a store of arrays, split and sampled as the writer does; nodes keep their numbers.

    `src`, `dst` [E] are numbers from 0 up to `num_nodes` (the largest, plus one), `t` [E] never decreases, `feature` is
    [E, F], `label` [E], `node_feature` [N, V]. Raises `ValueError` for arrays that do not fit together.
    """
    src, dst = np.asarray(src, dtype=np.int32), np.asarray(dst, dtype=np.int32)
    t = np.asarray(t, dtype=np.int64)
    edge_feature = None if feature is None else np.asarray(feature, dtype=np.float32)
    if not len(src) == len(dst) == len(t) == len(t if edge_feature is None else edge_feature):
        raise ValueError("src, dst, t and feature differ in length")
    if np.any(t[1:] < t[:-1]):
        raise ValueError("events are not in time order")
    if num_nodes is None:
        num_nodes = int(max(src.max(), dst.max())) + 1
    derived = derive(src, dst, t, num_nodes, protocol or Protocol())
    return EventStore(
        src=src,
        dst=dst,
        t=t,
        label=None if label is None else np.asarray(label, dtype=np.int8),
        edge_feature=edge_feature,
        node_feature=None if node_feature is None else np.asarray(node_feature, dtype=np.float32),
        destination=derived.destination,
        train_destination=derived.train_destination,
        role=derived.split.role,
        new_node=derived.split.new_node,
        graph=derived.graph,
        train_graph=derived.train_graph,
        negatives=derived.negatives,
        bipartite=bipartite,
        num_nodes=num_nodes,
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
    return lambda name, length, dtype: allocate(f"{prefix}_{name}", length, dtype)

"""Small streams of events: random ones with ties, self-loops and repeats, and what a reader would give of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stgnn.raw.events import EventBlock, Events


@dataclass(frozen=True)
class Stream:
    src: np.ndarray
    dst: np.ndarray
    t: np.ndarray
    num_nodes: int
    bipartite: bool

    def __len__(self) -> int:
        return len(self.t)


def random_stream(
    seed: int, num_events: int, *, nodes: int = 8, times: int = 20, bipartite: bool = False
) -> Stream:
    """Events in time order among few nodes at few times, so that everything happens twice."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, times, num_events))
    src = rng.integers(0, nodes, num_events)
    dst = rng.integers(0, nodes, num_events) + nodes * bipartite
    return Stream(src.astype(np.int32), dst.astype(np.int32), t, nodes * (1 + bipartite), bipartite)


def events_of(
    src: Any,
    dst: Any,
    t: Any,
    feature: np.ndarray | None = None,
    label: np.ndarray | None = None,
    *,
    bipartite: bool = False,
    block: int = 7,
    **described: Any,
) -> Events:
    """What a reader returns of these raw ids and times, in blocks of `block` events."""
    src, dst, t = np.asarray(src), np.asarray(dst), np.asarray(t, dtype=np.int64)

    def blocks() -> Iterator[EventBlock]:
        for first in range(0, len(t), block):
            cut = slice(first, first + block)
            columns = (None if each is None else each[cut] for each in (label, feature))
            yield EventBlock(src[cut], dst[cut], t[cut], *columns)

    names = () if feature is None else tuple(f"f{number}" for number in range(feature.shape[1]))
    return Events(
        blocks,
        bipartite=bipartite,
        feature=names,
        has_label=label is not None,
        attributes={"dataset": "toy"},
        **described,
    )


def neighbours_by_hand(stream: Stream, node: int, cut: int) -> list[tuple[int, int, int]]:
    """(neighbour, event, time) of every half-edge of a node before the cut, latest first."""
    found = []
    for event in range(cut):
        ends = int(stream.src[event]), int(stream.dst[event])
        for mine, other in (ends, ends[::-1]):
            if mine == node:
                found.append((other, event, int(stream.t[event])))
    return found[::-1]

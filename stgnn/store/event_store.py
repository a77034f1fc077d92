"""`EventStore`: a stream of timed events as every run sees it, and one made of arrays in memory.

Axes: E events, N graph nodes, D destinations, F edge features, V node features, Q negatives of an event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import ArrayLike, DTypeLike, NDArray

from stgnn.errors import InputError
from stgnn.store.derive import derive
from stgnn.store.negatives import KINDS, SOMETIMES_LACKING
from stgnn.store.opening import opening
from stgnn.store.rows import map_rows
from stgnn.store.split import Protocol
from stgnn.store.temporal_csr import TemporalCSR


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
    fallbacks: Mapping[str, NDArray[np.bool_]]  # kind -> [the same events] random for want of one
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

    @property
    def node(self) -> tuple[str, ...]:
        """The raw ids as text, N of them: read when asked for. In memory they are the numbers."""
        if self.path is None:
            return tuple(map(str, range(self.num_nodes)))
        with opening(self.path):
            return _text(self.path, "node")

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is not None:
            # A map of memory cannot be pickled; its file can be opened again.
            return open_event_store, (self.path,)
        return EventStore, tuple(getattr(self, field.name) for field in fields(self))


def open_event_store(path: str | Path) -> EventStore:
    """Open the store of events at `path` (`<dataset>.zarr`); all that is as long as the stream is mapped.

    Raises `InputError` if it was never finished, holds no events, is damaged or cannot be mapped.
    """
    path = Path(path)
    with opening(path) as manifest:
        if not holds_events(path):
            raise InputError(path, "holds a signal, not events", "name a dataset whose kind is events")
        return _read(path, manifest)


def holds_events(path: str | Path) -> bool:
    """Whether the finished store at `path` holds events and not a signal; `InputError` where there is none."""
    with opening(Path(path)):
        return zarr.open_group(path, mode="r").attrs.get("kind") == "events"


def _read(path: Path, manifest: Mapping[str, Any]) -> EventStore:
    attributes: dict[str, Any] = dict(zarr.open_group(path, mode="r").attrs)
    text = ("node", "feature")
    rows = {name: map_rows(path, name) for name in manifest["arrays"] if name not in text}
    if not {f"fallback_{kind}" for kind in SOMETIMES_LACKING} <= rows.keys():
        problem = "does not say which negatives are random ones: an earlier version of stgnn made it"
        raise InputError(path, problem, "ingest the dataset again")
    return EventStore(
        src=rows["src"],
        dst=rows["dst"],
        t=rows["t"],
        label=rows.get("label"),
        edge_feature=rows.get("edge_feature"),
        node_feature=rows.get("node_feature"),
        destination=rows["destination"],
        train_destination=rows["train_destination"],
        role=rows["role"],
        new_node=rows["new_node"],
        graph=_graph(rows, "graph"),
        train_graph=_graph(rows, "train_graph"),
        negatives={kind: rows[f"negative_{kind}"] for kind in KINDS},
        fallbacks={kind: rows[f"fallback_{kind}"] for kind in SOMETIMES_LACKING},
        bipartite=bool(attributes["bipartite"]),
        num_nodes=int(attributes["num_nodes"]),
        time_unit=str(attributes["time_unit"]),
        feature=_text(path, "feature") if "feature" in manifest["arrays"] else (),
        path=path,
        digest=manifest["digest"],
        attributes=attributes,
    )


def _text(path: Path, name: str) -> tuple[str, ...]:
    array = zarr.open_group(path, mode="r")[name]
    assert isinstance(array, zarr.Array)
    return tuple(map(str, np.asarray(array[:])))


def _graph(rows: Mapping[str, NDArray[Any]], name: str) -> TemporalCSR:
    return TemporalCSR(*(rows[f"{name}_{part}"] for part in ("indptr", "neighbour", "key")))


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
    edge_feature, labels = _optional(feature, np.float32), _optional(label, np.int8)
    _require_fitting(t, src, dst, edge_feature, labels)
    if num_nodes is None:
        num_nodes = int(max(src.max(), dst.max())) + 1
    derived = derive(src, dst, t, num_nodes, protocol or Protocol())
    return EventStore(
        src=src,
        dst=dst,
        t=t,
        label=labels,
        edge_feature=edge_feature,
        node_feature=_optional(node_feature, np.float32),
        destination=derived.destination,
        train_destination=derived.train_destination,
        role=derived.split.role,
        new_node=derived.split.new_node,
        graph=derived.graph,
        train_graph=derived.train_graph,
        negatives={kind: drawn.destination for kind, drawn in derived.drawn.items()},
        fallbacks={
            kind: drawn.is_fallback for kind, drawn in derived.drawn.items() if drawn.is_fallback is not None
        },
        bipartite=bipartite,
        num_nodes=num_nodes,
    )


def _optional(values: ArrayLike | None, dtype: DTypeLike) -> NDArray[Any] | None:
    return None if values is None else np.asarray(values, dtype=dtype)


def _require_fitting(t: NDArray[np.int64], *columns: NDArray[Any] | None) -> None:
    """Raise `ValueError` for columns that are not as long as the times, or times in disorder."""
    if any(len(column) != len(t) for column in columns if column is not None):
        raise ValueError("src, dst, t, feature and label differ in length")
    if np.any(t[1:] < t[:-1]):
        raise ValueError("events are not in time order")

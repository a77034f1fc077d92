"""Batches of a stream in time order, and what a model may look at beside its state.

Axes: E events, B events of a batch, F edge features, V node features, N graph nodes, R queries, X events asked for.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stgnn.data.events.neighbours import TemporalNeighbours, as_tensor
from stgnn.errors import InputError
from stgnn.prefetch import Prefetcher
from stgnn.store.event_store import EventStore
from stgnn.store.temporal_csr import BLOCK

READ_AHEAD = 3  # batches: one with the consumer, one ready, one being gathered
VISIBILITIES = ("strict_time", "previous_batches")


@dataclass(frozen=True)
class EventBatch:
    """Consecutive events of a stream, on the run's device."""

    first: int  # every event before this index is earlier than the whole batch, and none from it on is
    event_B: Tensor  # int64, indices of the stream
    src_B: Tensor  # int64
    dst_B: Tensor  # int64
    t_B: Tensor  # int64
    feature_BF: Tensor | None  # float32
    label_B: Tensor | None  # int64

    def __len__(self) -> int:
        return len(self.event_B)


def batch_bounds(t_E: NDArray[np.int64], events: NDArray[Any], size: int) -> NDArray[np.int64]:
    """Cut the increasing event indices `events` into batches of about `size`, never between equal times.

    Returns event indices: batch i is what `events` has in [bounds[i], bounds[i + 1]). Each cut lies at a multiple of
    `size` events, moved on to the end of the events at the same time; cuts that meet are one.
    """
    events = np.asarray(events)
    if not len(events):
        return np.zeros(1, dtype=np.int64)
    return _bounds(t_E, events[0], np.append(events[size - 1 :: size], events[-1]))


def _bounds(t_E: NDArray[np.int64], first: Any, last: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bounds of batches that end with the events `last`, or at the end of their times."""
    ends = np.searchsorted(t_E, t_E[last], side="right")
    return np.unique(np.append(ends, first)).astype(np.int64)


class EventStream:
    """The events that have one of `roles`, in batches of about `batch_size`, in order, on `device`.

    One thread gathers the next batch while the current one is computed with. Memory: a few batches, and 8 bytes a
    batch for the bounds.
    """

    def __init__(
        self,
        store: EventStore,
        roles: Collection[int],
        batch_size: int,
        device: torch.device | str = "cpu",
    ) -> None:
        if batch_size < 1:
            raise InputError("batch_size", f"{batch_size}", "say 1 or more")
        self.store, self.device = store, torch.device(device)
        self._chosen = np.isin(np.arange(256), list(roles))
        self.bounds = self._find_bounds(batch_size)

    def __len__(self) -> int:
        """Batches of a pass."""
        return len(self.bounds) - 1

    def batches(self, first_batch: int = 0) -> Iterator[EventBatch]:
        """Yield the batches from number `first_batch` on."""
        reader: Prefetcher[int, int, EventBatch] = Prefetcher(
            lambda number, _: self._gather(number), range(READ_AHEAD)
        )
        for batch in reader.run(range(first_batch, len(self))):
            yield _to(batch, self.device)

    def _find_bounds(self, size: int) -> NDArray[np.int64]:
        """As `batch_bounds`, with the chosen events looked at a block at a time."""
        store, count = self.store, 0
        first, last, ends = None, 0, []
        for begin in range(0, store.num_events, BLOCK):
            chosen = begin + np.flatnonzero(self._chosen[store.role[begin : begin + BLOCK]])
            if len(chosen):
                first, last = (chosen[0] if first is None else first), chosen[-1]
            ends.append(chosen[(size - 1 - count) % size :: size])
            count += len(chosen)
        if first is None:
            return np.zeros(1, dtype=np.int64)
        return _bounds(store.t, first, np.append(np.concatenate(ends), last))

    def _gather(self, number: int) -> EventBatch:
        """Batch `number` in ordinary memory, pinned for a GPU."""
        store, begin, end = self.store, int(self.bounds[number]), int(self.bounds[number + 1])
        event = begin + np.flatnonzero(self._chosen[store.role[begin:end]])
        batch = EventBatch(
            first=int(np.searchsorted(store.t, store.t[event[0]])),
            event_B=torch.from_numpy(event),
            src_B=torch.from_numpy(store.src[event].astype(np.int64)),
            dst_B=torch.from_numpy(store.dst[event].astype(np.int64)),
            t_B=torch.from_numpy(store.t[event]),
            feature_BF=None if store.edge_feature is None else take_rows(store.edge_feature, event),
            label_B=None if store.label is None else torch.from_numpy(store.label[event].astype(np.int64)),
        )
        return _pinned(batch) if self.device.type == "cuda" else batch


class EventView:
    """What a model may look at beside its state: the neighbourhoods visible to a batch, and features.

    `visibility` says which events a batch sees: `strict_time` all that are earlier than the query (TGN), other events
    of the same batch too; `previous_batches` none of its own batch (PyTorch Geometric, TGB).
    """

    def __init__(
        self,
        neighbours: TemporalNeighbours,
        visibility: str = "strict_time",
        edge_feature: NDArray[np.float32] | None = None,
        node_feature: NDArray[np.float32] | None = None,
        src: NDArray[np.int32] | None = None,
    ) -> None:
        if visibility not in VISIBILITIES:
            raise InputError("visibility", repr(visibility), f"expected one of {', '.join(VISIBILITIES)}")
        self.neighbours, self.visibility = neighbours, visibility
        self._edge_feature = edge_feature
        self.node_feature = None if node_feature is None else as_tensor(node_feature, neighbours.device)
        self._src = None if src is None else as_tensor(src, neighbours.device)

    def cuts(self, batch: EventBatch, t_R: Tensor) -> Tensor:
        """The cut of each query that `batch` makes at time t: [R] int64."""
        if self.visibility == "strict_time":
            return self.neighbours.cut_at(t_R)
        return torch.full_like(t_R, batch.first)

    def edge_feature(self, event_X: Tensor) -> Tensor | None:
        """The features of events, of any shape: float32 [X, F] on the device; None where events have none."""
        if self._edge_feature is None:
            return None
        rows = take_rows(self._edge_feature, event_X.reshape(-1).cpu().numpy())
        return rows.to(event_X.device).reshape(*event_X.shape, rows.shape[1])

    def source(self, event_X: Tensor) -> Tensor:
        """The sources of events, of any shape: neighbourhoods alone do not tell who of two began."""
        if self._src is None:
            raise ValueError("this view was made without the sources of events")
        return self._src[event_X]


def view_of(
    store: EventStore,
    visibility: str = "strict_time",
    device: torch.device | str = "cpu",
    *,
    training: bool = False,
) -> EventView:
    """The view of a store: of all its events, or of its training events where training must see no other."""
    graph = store.train_graph if training else store.graph
    neighbours = TemporalNeighbours(graph, store.t, device)
    return EventView(neighbours, visibility, store.edge_feature, store.node_feature, store.src)


def take_rows(rows_EF: NDArray[np.float32], event_X: NDArray[np.int64]) -> Tensor:
    """Gather rows of a mapped array into a tensor of its own: float32 [X, F]."""
    out = np.empty((len(event_X), rows_EF.shape[1]), dtype=np.float32)
    # mode="clip": with the default numpy buffers `out` and falls to a third of the speed. The indices are ours.
    np.take(rows_EF, event_X, axis=0, out=out, mode="clip")
    return torch.from_numpy(out)


def _pinned(batch: EventBatch) -> EventBatch:
    return _each(batch, lambda tensor: tensor.pin_memory())


def _to(batch: EventBatch, device: torch.device) -> EventBatch:
    return (
        batch if device.type == "cpu" else _each(batch, lambda tensor: tensor.to(device, non_blocking=True))
    )


def _each(batch: EventBatch, change: Callable[[Tensor], Tensor]) -> EventBatch:
    values: dict[str, Any] = {field.name: getattr(batch, field.name) for field in fields(batch)}
    for name, value in values.items():
        values[name] = change(value) if isinstance(value, Tensor) else value
    return EventBatch(**values)

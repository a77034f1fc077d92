"""From a resolved run on an event stream to what its tasks work with: store, model, views and batches.

Axes: E events, B events of a batch, N graph nodes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from stgnn.data.events.batches import EventBatch, EventStream, EventView, view_of
from stgnn.data.events.gaps import time_between_events
from stgnn.distributed import heartbeat
from stgnn.distributed.world import World
from stgnn.errors import InputError
from stgnn.models.build import build
from stgnn.models.temporal.base import EventModel, State, StreamShape
from stgnn.store.event_store import EventStore, open_event_store
from stgnn.tasks import StreamProtocol, stream_protocol
from stgnn.training.options import Training

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class StreamSetup:
    """What one run on an event stream works with, made once before its first step."""

    settings: Mapping[str, Any]
    training: Training
    world: World
    protocol: StreamProtocol
    store: EventStore
    model: EventModel

    @property
    def device(self) -> torch.device:
        """Where this worker computes."""
        return self.world.device

    @cached_property
    def train_view(self) -> EventView:
        """What training sees: training events alone."""
        return self._view(training=True)

    @cached_property
    def view(self) -> EventView:
        """What scoring sees: all events, each query those before its cut."""
        return self._view(training=False)

    def _view(self, training: bool) -> EventView:
        visibility = self.protocol.visibility.replace("-", "_")
        return view_of(self.store, visibility, self.device, training=training)

    def stream(self, *roles: int) -> EventStream:
        """The events of these roles, in batches of the run's protocol."""
        return EventStream(self.store, roles, self.protocol.batch_size, self.device)

    @torch.no_grad()
    def state_after(self, *roles: int, view: EventView, doing: str, between: Callable[[], None]) -> State:
        """The state after all events of these roles, by the weights as they are now; see `each` for the last two."""
        state = self.model.initial_state()
        if not state.tensors():
            return state
        for batch in each(self.stream(*roles), doing, between):
            state = self.model.advance(state, batch, view).detach()
        return state

    def new_B(self, batch: EventBatch) -> Tensor:
        """Has the event a graph node that training never saw? [B] bool."""
        return self._new_N[batch.src_B] | self._new_N[batch.dst_B]

    @cached_property
    def _new_N(self) -> Tensor:
        return torch.from_numpy(self.store.new_node.copy()).to(self.device)

    @property
    def megabytes(self) -> float:
        """Of the events: their ends, times and features."""
        store = self.store
        arrays = (store.src, store.dst, store.t, store.edge_feature)
        return sum(array.nbytes for array in arrays if array is not None) / 2**20


def prepare_stream(settings: Mapping[str, Any], store_path: Path, world: World) -> StreamSetup:
    """Open the store and build the model, seeded. Raises `InputError` for settings that do not fit the store."""
    training = Training.from_settings(settings["training"])
    protocol = stream_protocol(settings["batching"])
    if protocol is None:
        raise InputError(
            "batching", f"{settings['batching']!r} is for signals", "use strict-time-b200 or the like"
        )
    torch.manual_seed(settings["seed"])
    store = open_event_store(store_path)
    held = store.attributes.get("dataset", settings["dataset"])
    if held != settings["dataset"]:
        raise InputError(
            store_path, f"holds {held}, but the run is on {settings['dataset']}", "give its store"
        )
    heartbeat.progress()
    model = build(settings["model"], EventModel, shape_of(store))
    return StreamSetup(settings, training, world, protocol, store, model.to(world.device, training.dtype))


def shape_of(store: EventStore) -> StreamShape:
    """What the stream fixes for every model; what is learned from it is of training events alone."""
    unit = SECONDS[store.time_unit]
    mean, deviation = time_between_events(store.train_graph, store.t, unit)
    return StreamShape(
        num_nodes=store.num_nodes,
        num_edge_features=0 if store.edge_feature is None else store.edge_feature.shape[1],
        num_node_features=0 if store.node_feature is None else store.node_feature.shape[1],
        bipartite=store.bipartite,
        time_mean=mean,
        time_std=deviation,
        unit=unit,
        first_time=int(store.t[0]),
    )


def each(stream: EventStream, doing: str, between: Callable[[], None]) -> Iterator[EventBatch]:
    """The batches of a pass that changes no weights, with a bar on a terminal; `between` may end it."""
    for batch in tqdm(stream.batches(), total=len(stream), desc=doing, unit="batch", leave=False):
        yield batch
        heartbeat.progress()
        between()

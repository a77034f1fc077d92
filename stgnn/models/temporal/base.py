"""What every model on an event stream is: the stream's sizes, the state that it carries, what it can be asked.

An event is one timed interaction of a source with a destination. A cut is an event's number: what lies before it
may be seen. The models live in the files beside this one.

Axes: B events of a batch, N graph nodes, F edge features, V node features, Q candidates of an event, D all
destinations, R queries, C embedding channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from stgnn.data.events.batches import EventBatch, EventView
from stgnn.errors import InputError
from stgnn.nn.temporal.rows import Rows


@dataclass(frozen=True)
class StreamShape:
    """What a stream fixes for every model trained on it; all statistics are those of training events."""

    num_nodes: int  # N
    num_edge_features: int  # F, 0 where events have none
    num_node_features: int  # V, 0 where graph nodes have none
    bipartite: bool  # sources and destinations are different graph nodes
    time_mean: float = 0.0  # seconds between a graph node's events
    time_std: float = 1.0
    unit: float = 1.0  # seconds of one unit of the stream's times
    first_time: int = 0  # of the stream, in its unit: when every graph node counts as last seen

    def __post_init__(self) -> None:
        if self.num_nodes < 1:
            raise InputError("num_nodes", f"is {self.num_nodes}", "a stream has at least one graph node")
        if not self.time_std > 0 or not self.unit > 0:
            raise InputError("time_std, unit", f"are {self.time_std} and {self.unit}", "both are above 0")


@dataclass(frozen=True)
class State:
    """What a model remembers of the stream so far, as a value; this one is that of a model that remembers nothing.

    A subclass is a frozen dataclass whose fields are tensors, or `Rows` where a batch changes few rows of a table as
    long as there are graph nodes. No method changes it: a state that was kept is the same for ever.
    """

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by name, copied where a later state would write into them: what a checkpoint holds."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.tensor() if isinstance(value, Rows) else value.detach()
            for name, value in named.items()
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """The state that gave these tensors.

        Raises:
            InputError: they are not those of this model's state.
        """
        kinds = {field.name: field.type for field in fields(cls)}
        if set(kinds) != set(tensors):
            found, expected = (", ".join(sorted(names)) or "nothing" for names in (tensors, kinds))
            raise InputError("state", f"has {found}, expected {expected}", "take that of the same model")
        made = {name: Rows(tensors[name].clone()) if kinds[name] is Rows else tensors[name] for name in kinds}
        return cls(**made)

    def detach(self) -> Self:
        """The same values without the computation that led to them."""
        made = {field.name: getattr(self, field.name) for field in fields(self)}
        return type(self)(
            **{name: value.detach() if isinstance(value, Tensor) else value for name, value in made.items()}
        )


class EventModel(nn.Module):
    """Scores who meets whom next, batch of events by batch of events, and embeds graph nodes at a time.

    A subclass adds its settings as annotated keyword-only arguments, starts with `super().__init__(shape)`
    and implements what is below. Scores see the memory that earlier batches left, and of earlier events what the view
    allows; candidates never change the state. `time` is in the stream's unit, int64.
    """

    on_events: ClassVar[bool] = True  # read from the source: a study that puts it on a signal is refused
    learns: ClassVar[bool] = True  # False: nothing to train, one pass over the stream suffices
    num_channels: int = 0  # C, the width of `embed`; 0 where it has none

    def __init__(self, shape: StreamShape) -> None:
        super().__init__()
        self.shape = shape

    def initial_state(self) -> State:
        """The state before the first event, on the model's device."""
        return State()

    def step(
        self, state: State, batch: EventBatch, candidate_BQ: Tensor, view: EventView
    ) -> tuple[Tensor, State]:
        """Logits `[B, Q]` of "the source meets this candidate at the event's time", then the state after the batch.

        The order of the candidates means nothing.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def rank(self, state: State, batch: EventBatch, candidate_D: Tensor, view: EventView) -> Tensor:
        """Logits `[B, D]` of every event's source with the same candidates; memory stays bounded, D may be large."""
        raise NotImplementedError(f"{type(self).__name__} has no rank")

    def embed(self, state: State, node_R: Tensor, time_R: Tensor, cut_R: Tensor, view: EventView) -> Tensor:
        """Embeddings `[R, C]` of graph nodes at these times, from events before these cuts."""
        raise NotImplementedError(f"{type(self).__name__} has no embeddings")

    def advance(self, state: State, batch: EventBatch, view: EventView) -> State:
        """The state after the batch, as `step` returns it."""
        none = torch.empty(len(batch.src_B), 0, dtype=torch.int64, device=batch.src_B.device)
        return self.step(state, batch, none, view)[1]

"""What the baselines on event streams share: they look earlier events up and learn nothing.

Axes: B events of a batch, Q candidates of an event, D all destinations, R queries.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stgnn.models.temporal.base import EventModel, State

if TYPE_CHECKING:
    from stgnn.data.events.batches import EventBatch, EventView

LARGEST = 1 << 20  # numbers looked at together: 8 MB


class Baseline(EventModel):
    """Scores candidates by what the view shows of earlier events, so that its state is empty.

    A subclass implements `scores`.
    """

    learns = False

    def scores(
        self, src_R: Tensor, t_R: Tensor, cut_R: Tensor, candidate_RQ: Tensor, view: "EventView"
    ) -> Tensor:
        """Scores `[R, Q]`, float32, of candidates for sources at these times, from events before these cuts."""
        raise NotImplementedError(f"{type(self).__name__} has no scores")

    def step(
        self, state: State, batch: "EventBatch", candidate_BQ: Tensor, view: "EventView"
    ) -> tuple[Tensor, State]:
        """See `EventModel.step`."""
        cut_B = view.cuts(batch, batch.t_B)
        return self.scores(batch.src_B, batch.t_B, cut_B, candidate_BQ, view), state

    def rank(self, state: State, batch: "EventBatch", candidate_D: Tensor, view: "EventView") -> Tensor:
        """See `EventModel.rank`."""
        cut_B = view.cuts(batch, batch.t_B)
        rows = max(1, LARGEST // max(1, len(candidate_D)))
        parts = zip(batch.src_B.split(rows), batch.t_B.split(rows), cut_B.split(rows), strict=True)
        return torch.cat(
            [
                self.scores(src_R, t_R, cut_R, candidate_D.expand(len(src_R), -1), view)
                for src_R, t_R, cut_R in parts
            ]
        )

    def advance(self, state: State, batch: "EventBatch", view: "EventView") -> State:
        """Return the state: there is nothing to remember."""
        return state

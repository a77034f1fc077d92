"""Popularity: who has met many will meet another."""

from typing import TYPE_CHECKING

from torch import Tensor

from stgnn.models.temporal.baseline import Baseline

if TYPE_CHECKING:
    from stgnn.data.events.batches import EventView


class Popularity(Baseline):
    """Scores a candidate by its number of events before the cut, whoever the other is; a self loop is one event."""

    def scores(
        self, src_R: Tensor, t_R: Tensor, cut_R: Tensor, candidate_RQ: Tensor, view: "EventView"
    ) -> Tensor:
        """See `Baseline.scores`."""
        cut_RQ = cut_R[:, None].expand_as(candidate_RQ)
        count = view.neighbours.num_events(candidate_RQ.flatten(), cut_RQ.flatten())
        return count.view(candidate_RQ.shape).float()

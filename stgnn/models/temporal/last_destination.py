"""Last destination: whom the source met last, it meets again.

Axes: R queries, Q candidates of a query, O queries still open, K of their meetings.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stgnn.models.temporal.baseline import Baseline

if TYPE_CHECKING:
    from stgnn.data.events.batches import EventView

NOBODY = -1


class LastDestination(Baseline):
    """Scores the destination of the source's last event before the cut 1, all others 0.

    Where sources repeat their last destination and otherwise choose evenly, nothing can be better.
    """

    def scores(
        self, src_R: Tensor, t_R: Tensor, cut_R: Tensor, candidate_RQ: Tensor, view: "EventView"
    ) -> Tensor:
        """See `Baseline.scores`."""
        return (candidate_RQ == _last_destinations(src_R, cut_R, view)[:, None]).float()


def _last_destinations(src_R: Tensor, cut_R: Tensor, view: "EventView") -> Tensor:
    """Look back further and further, for a graph node's last events may be ones in which it was the destination."""
    last_R = torch.full_like(src_R, NOBODY)
    degree_R = view.neighbours.degree(src_R, cut_R)
    open_O, most = torch.nonzero(degree_R > 0).flatten(), 1
    while len(open_O):
        met = view.neighbours.recent(src_R[open_O], cut_R[open_O], most)
        began_OK = met.valid_RK & (view.source(met.event_RK) == src_R[open_O, None])
        found_O, place_O = began_OK.max(1)  # the first of the largest: the most recent one
        last_R[open_O] = torch.where(found_O, met.node_RK.gather(1, place_O[:, None])[:, 0], NOBODY)
        open_O = open_O[~found_O & (degree_R[open_O] > most)]
        most *= 8
    return last_R

"""EdgeBank: who has met before will meet again.

Axes: R queries, Q candidates of a query, P queries looked up together, K of their meetings, N graph nodes.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.models.temporal.base import StreamShape
from stgnn.models.temporal.baseline import LARGEST, Baseline

if TYPE_CHECKING:
    from stgnn.data.events.batches import EventView


class EdgeBank(Baseline):
    """Scores a candidate that the source has met 1, any other 0 (Poursafaei et al., NeurIPS 2022, arXiv:2207.10128).

    Only meetings count in which it was the source: an answer to a message is another pair.

    Args:
        shape: the stream's sizes.
        window: count the meetings among this share of the events before the cut only, the last ones, and those at the
            same time as the first of them; 0.15 is the authors': as long as the test part. None: among all.
    """

    def __init__(self, shape: StreamShape, *, window: float | None = None) -> None:
        super().__init__(shape)
        if window is not None and not 0 < window <= 1:
            raise InputError(
                "window", f"is {window}", "give a share of the earlier events, above 0, at most 1"
            )
        self._window = window

    def scores(
        self, src_R: Tensor, t_R: Tensor, cut_R: Tensor, candidate_RQ: Tensor, view: "EventView"
    ) -> Tensor:
        """See `Baseline.scores`."""
        count_R = view.neighbours.degree(src_R, cut_R)
        if self._window is not None:
            since_R = (cut_R.double() * (1 - self._window)).long()
            count_R = count_R - view.neighbours.degree(src_R, view.neighbours.first_at_time_of(since_R))
        score_RQ = torch.zeros(candidate_RQ.shape, device=candidate_RQ.device)
        many = candidate_RQ.shape[1] * 4 >= self.shape.num_nodes
        for query_P, most in _alike(count_R, self.shape.num_nodes if many else candidate_RQ.shape[1]):
            met = view.neighbours.recent(src_R[query_P], cut_R[query_P], most)
            counts_PK = torch.arange(most, device=src_R.device) < count_R[query_P, None]
            counts_PK &= view.source(met.event_RK) == src_R[query_P, None]
            look_up = self._among_many if many else self._among_few
            score_RQ[query_P] = look_up(met.node_RK, counts_PK, candidate_RQ[query_P]).float()
        return score_RQ

    def _among_few(self, node_PK: Tensor, counts_PK: Tensor, candidate_PQ: Tensor) -> Tensor:
        """Look for every candidate: one number a pair, so that one look-up serves all queries."""
        row_P1 = torch.arange(len(node_PK), device=node_PK.device)[:, None] * self.shape.num_nodes
        return torch.isin(row_P1 + candidate_PQ, (row_P1 + node_PK)[counts_PK])

    def _among_many(self, node_PK: Tensor, counts_PK: Tensor, candidate_PQ: Tensor) -> Tensor:
        """Mark everybody who was met, then read off the candidates: many times faster where most are candidates."""
        met_PN = torch.zeros(len(node_PK), self.shape.num_nodes, dtype=torch.bool, device=node_PK.device)
        row_P1 = torch.arange(len(node_PK), device=node_PK.device)[:, None].expand_as(node_PK)
        met_PN[row_P1[counts_PK], node_PK[counts_PK]] = True
        return met_PN.gather(1, candidate_PQ)


def _alike(count_R: Tensor, beside: int) -> Iterator[tuple[Tensor, int]]:
    """Queries with about as many meetings, as many as fit into memory, and the most that one of them has.

    `beside` is what a query needs besides its meetings.

    Within a factor of two, so that what is gathered is at most twice what is looked for.
    """
    size_R = torch.ceil(torch.log2(count_R.double())).long()
    for size in size_R[count_R > 0].unique().tolist():
        query = torch.nonzero((size_R == size) & (count_R > 0)).flatten()
        for query_P in query.split(max(1, LARGEST // (2**size + beside))):
            yield query_P, int(count_R[query_P].max())

"""What a graph node has met before an event: the most recent, or some at random, exact at any earlier moment.

Axes: E events, N graph nodes, H half-edges, R queries, K neighbours of a query.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stgnn.hashing import below, keyed, mix_words
from stgnn.store.temporal_csr import BLOCK, TemporalCSR


@dataclass(frozen=True)
class Neighbours:
    """K neighbours of each of R queries; entries that are not valid are 0 throughout."""

    node_RK: Tensor  # int64
    event_RK: Tensor  # int64: the event of the meeting
    time_RK: Tensor  # int64: its time
    valid_RK: Tensor  # bool


class TemporalNeighbours:
    """Queries to a `TemporalCSR`, on the device where its tensors lie; the same answers on each.

    A cut is an event index: only events before it are visible. The first event of a batch is the cut that shows earlier
    batches only; `cut_at(t)` is the one that shows every event before t and none at t.
    """

    def __init__(self, csr: TemporalCSR, t: NDArray[np.int64], device: torch.device | str = "cpu") -> None:
        self._stride = len(t) + 1
        self._indptr, self._t = as_tensor(csr.indptr, device), as_tensor(t, device)
        # Where there are none, one half-edge that no query reaches: gathering then needs no special case.
        some = len(csr.key) > 0
        self._key = as_tensor(csr.key if some else np.array([2**63 - 1]), device)
        self._neighbour = as_tensor(csr.neighbour if some else np.zeros(1, np.int32), device)

    @property
    def device(self) -> torch.device:
        """Where queries must lie and answers are given."""
        return self._key.device

    def recent(self, node_R: Tensor, cut_R: Tensor, k: int) -> Neighbours:
        """The `k` most recent neighbours before each cut, most recent first, the valid ones in front."""
        first_R, past_R = self._range(node_R, cut_R)
        place_RK = past_R[:, None] - torch.arange(1, k + 1, device=self.device)
        return self._gather(node_R, place_RK, place_RK >= first_R[:, None])

    def uniform(self, node_R: Tensor, cut_R: Tensor, k: int, seed: int) -> Neighbours:
        """`k` neighbours before each cut, each drawn uniformly and with replacement, in the order of the draws.

        A draw is a function of (seed, node, cut, its number): of no other query, and of no batch. A node without events
        before the cut has no valid entry; any other node has `k`.
        """
        first_R, past_R = self._range(node_R, cut_R)
        query_R = mix_words(node_R * self._stride + cut_R + keyed(seed))
        word_RK = mix_words(query_R[:, None] + torch.arange(k, device=self.device))
        place_RK = first_R[:, None] + below(word_RK, (past_R - first_R)[:, None])
        return self._gather(node_R, place_RK, (past_R > first_R)[:, None].expand(-1, k))

    def degree(self, node_R: Tensor, cut_R: Tensor) -> Tensor:
        """How many half-edges a node has before each cut: [R] int64."""
        first_R, past_R = self._range(node_R, cut_R)
        return past_R - first_R

    def num_events(self, node_R: Tensor, cut_R: Tensor) -> Tensor:
        """How many events a node has before each cut, where `degree` counts a self loop twice: [R] int64."""
        first_R, past_R = (
            torch.searchsorted(self._loop_key, node_R * self._stride + end) for end in (0, cut_R)
        )
        return self.degree(node_R, cut_R) - (past_R - first_R)

    @cached_property
    def _loop_key(self) -> Tensor:
        """The key of every self loop, ascending: the one that two half-edges have."""
        runs = (self._key[first : first + BLOCK + 1] for first in range(0, len(self._key), BLOCK))
        return torch.cat([key[1:][key[1:] == key[:-1]] for key in runs])

    def cut_at(self, t_R: Tensor) -> Tensor:
        """The first event with time >= t, for each t: [R] int64, E where there is none."""
        return torch.searchsorted(self._t, t_R.contiguous())

    def first_at_time_of(self, event_R: Tensor) -> Tensor:
        """The first of the events at the same time as each of these, E being taken for the last: [R] int64."""
        return self.cut_at(self._t[event_R.clamp(max=len(self._t) - 1)])

    def _range(self, node_R: Tensor, cut_R: Tensor) -> tuple[Tensor, Tensor]:
        """The half-edges of a node before the cut: from the first, up to the second."""
        return self._indptr[node_R], torch.searchsorted(self._key, node_R * self._stride + cut_R)

    def _gather(self, node_R: Tensor, place_RK: Tensor, valid_RK: Tensor) -> Neighbours:
        # One flat `gather` an array: a third of the time of indexing by a matrix.
        place = place_RK.clamp(0, len(self._key) - 1).reshape(-1)
        event_RK = self._key.gather(0, place).view_as(place_RK) - (node_R * self._stride)[:, None]
        event_RK = torch.where(valid_RK, event_RK, 0)
        node_RK = torch.where(valid_RK, self._neighbour.gather(0, place).view_as(place_RK), 0).long()
        time_RK = torch.where(valid_RK, self._t.gather(0, event_RK.view(-1)).view_as(place_RK), 0)
        return Neighbours(node_RK, event_RK, time_RK, valid_RK)


def as_tensor(values: NDArray[Any], device: torch.device | str) -> Tensor:
    """Return a tensor of `values` on `device`; on the CPU one that shares their memory, mapped files' too.

    Only to be read: a store's files are mapped read-only.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(values).to(device)

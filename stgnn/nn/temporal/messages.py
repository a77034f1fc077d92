r"""Raw messages: what an event leaves for each of its ends, kept until the memory is updated with it.

    raw_i = [s_i(t-), s_j(t-), e, phi(t - tau_i)]        and the same for j with i and j exchanged

Rossi et al., "Temporal graph networks for deep learning on dynamic graphs", 2020, sections 3.1 and 3.2. A graph
node has the messages of one batch at most, aggregated as they arrive: the `last` one is that of the greatest event
index, the `mean` is kept as a sum and a count. Whatever has an index is kept as an index and looked up when the
message is read, so that gradients reach what made it (the encoding of time, an embedded partner).

Axes: B events, M = 2 B ends of events, N graph nodes, U graph nodes with a message, D memory, F feature and T time
channels, S channels that are kept of a message.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

PENDING = ("event", "partner", "time", "cut", "count")


@dataclass(frozen=True)
class Mail:
    """The ends of a batch's events, and for each graph node among them which were its."""

    node_U: Tensor  # each once, ascending
    row_M: Tensor  # of each end, in U
    partner_M: Tensor  # the graph node at the other end
    last_U: Tensor  # the end that came last

    def pending(self, event_B: Tensor, time_B: Tensor, cut_B: Tensor) -> Tensor:
        """`[U, 5]`, columns as in PENDING, of each graph node's last event."""
        last_U = self.last_U.div(2, rounding_mode="floor")
        partner_U = self.partner_M.index_select(0, self.last_U)
        of_event = [values.index_select(0, last_U) for values in (event_B, time_B, cut_B)]
        count_U = torch.bincount(self.row_M, minlength=len(self.node_U))
        return torch.stack([of_event[0], partner_U, *of_event[1:], count_U], dim=1)

    def sums(self, values_MS: Tensor) -> Tensor:
        """Sums `[U, S]` of what the ends of each graph node have."""
        sums_US = values_MS.new_zeros(len(self.node_U), values_MS.shape[1])
        return sums_US.index_add_(0, self.row_M, values_MS)


def collect(src_B: Tensor, dst_B: Tensor) -> Mail:
    """Sort the ends of a batch's events, which are in stream order, by graph node."""
    node_M = torch.stack([src_B, dst_B], dim=1).flatten()
    partner_M = torch.stack([dst_B, src_B], dim=1).flatten()
    node_U, row_M = torch.unique(node_M, return_inverse=True)
    end_M = torch.arange(len(node_M), device=node_M.device)
    last_U = torch.zeros_like(node_U).scatter_reduce_(0, row_M, end_M, "amax")
    return Mail(node_U, row_M, partner_M, last_U)

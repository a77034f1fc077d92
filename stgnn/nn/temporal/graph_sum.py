r"""One layer of sums over the earlier events of a place.

    a_i = relu(sum_n (W_1 c_n + b_1)),    c_n = [h_n, e_n, phi(t - t_n)],    h_i' = W_2 [a_i, h_i, phi(0)] + b_2

Rossi et al., "Temporal graph networks for deep learning on dynamic graphs", 2020, section 3.1. Only events that are
there are added up (their code adds W_1 0 + b_1 and a time for each that is missing).

Axes: R places, K earlier events of each, U rows of D channels below, M time channels, X channels of a meeting, C
channels of this layer.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from stgnn.nn.temporal.meetings import Meetings


class SumLayer(nn.Module):
    """`[U, D]`, meetings -> `[R, C]`; the events of a place are added up before W_1, once a place."""

    def __init__(self, channels: int, time_channels: int, feature_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Linear(channels + feature_channels + time_channels, out_channels)
        self.second = nn.Linear(out_channels + channels + time_channels, out_channels)

    def forward(self, below_UD: Tensor, self_R: Tensor, zero_M: Tensor, met: Meetings) -> Tensor:
        """The rows of this layer; `self_R` are the places' own rows of the layer below, `zero_M` is phi(0)."""
        each_R1K = met.valid_RK.unsqueeze(1).to(below_UD.dtype)
        count_R1 = each_R1K.sum(2)
        added_RC = linear(met.mix(each_R1K).squeeze(1), self.first.weight) + count_R1 * self.first.bias
        told_RC = relu(added_RC)
        own_RD = below_UD.index_select(0, self_R)
        zero_RM = zero_M.expand(len(own_RD), -1)
        y_RC: Tensor = self.second(torch.cat([told_RC, own_RD, zero_RM], dim=1))
        return y_RC

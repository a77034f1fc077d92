r"""One layer of attention over the earlier events of a place.

    q_i = [h_i, phi(0)],    c_n = [h_n, e_n, phi(t - t_n)],    a_i = MultiHead(q_i; keys and values c_n)
    h_i' = merge(a_i, h_i)

Rossi et al., "Temporal graph networks for deep learning on dynamic graphs", 2020, section 3.1; a place without
earlier events has a_i = 0. The heads are those of `torch.nn.MultiheadAttention` (with kdim and vdim) to the last
digits, computed with the projections absorbed (see `meetings`).

Axes: R places, S rows of the layer below that they are, K earlier events of each, H heads of width W, A = H * W
channels of the query, D channels and U rows of the layer below, M time channels, X channels of a meeting, C
channels of this layer.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from stgnn.errors import InputError
from stgnn.nn.temporal.meetings import Meetings, attend
from stgnn.nn.temporal.merge import Merge


class TemporalAttention(nn.Module):
    """The heads: `[S, D]`, `[M]`, meetings -> `[R, A]`.

    A bias of the keys would add the same to all scores of a place, so there is none.

    Args:
        channels: D, of the layer below.
        time_channels: M.
        feature_channels: F, of events.
        heads: H, a divisor of A = D + M.
        dropout: share of the attention weights that training sets to zero.
    """

    def __init__(
        self, channels: int, time_channels: int, feature_channels: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        width, met = channels + time_channels, channels + feature_channels + time_channels
        if width % heads:
            todo = f"they do not divide the {width} channels of a query (layer below and time)"
            raise InputError("heads", f"are {heads}", todo)
        self.heads, self.dropout = heads, dropout
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key = nn.Linear(met, width, bias=False)
        self.value = nn.Linear(met, width)
        for projection in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(projection.weight)
        for biased in (self.query, self.value, self.out):
            nn.init.zeros_(biased.bias)

    def forward(
        self, own_SD: Tensor, row_R: Tensor, zero_M: Tensor, met: Meetings, into_CA: Tensor
    ) -> Tensor:
        """What the earlier events tell, `[R, C]`, after the product with `into` that follows the heads.

        The places' own rows are `own_SD[row_R]`; `zero_M` is phi(0).
        """
        query_RHX = self.absorbed(own_SD, zero_M).index_select(0, row_R)
        weight_RHK, mixed_RHX = attend(query_RHX, met, self.dropout if self.training else 0.0)
        value_HXW = self.value.weight.unflatten(0, (self.heads, -1)).transpose(1, 2)
        mixed_RHW = torch.bmm(mixed_RHX.transpose(0, 1), value_HXW).transpose(0, 1)
        bias_HW = self.value.bias.unflatten(0, (self.heads, -1))
        mixed_RHW = torch.addcmul(mixed_RHW, weight_RHK.sum(2, keepdim=True), bias_HW)
        told_RC = linear(mixed_RHW.flatten(1), into_CA @ self.out.weight, into_CA @ self.out.bias)
        return told_RC * met.valid_RK.any(1, keepdim=True)

    def absorbed(self, own_SD: Tensor, zero_M: Tensor) -> Tensor:
        """W_k^T q of every head, `[S, H, X]`."""
        channels = own_SD.shape[1]
        w_AD, w_AM = self.query.weight.split([channels, len(zero_M)], dim=1)
        query_SA = linear(own_SD, w_AD, linear(zero_M, w_AM, self.query.bias))
        query_HSW = query_SA.unflatten(1, (self.heads, -1)).transpose(0, 1)
        key_HWX = self.key.weight.unflatten(0, (self.heads, -1)) / math.sqrt(query_HSW.shape[2])
        return torch.bmm(query_HSW, key_HWX).transpose(0, 1)


class AttentionLayer(nn.Module):
    """Attention and the perceptron that joins it with the place's own row: `[U, D]`, meetings -> `[R, C]`."""

    def __init__(
        self,
        channels: int,
        time_channels: int,
        feature_channels: int,
        out_channels: int,
        *,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.attention = TemporalAttention(channels, time_channels, feature_channels, heads, dropout)
        self.merge = Merge(channels + time_channels, channels, out_channels, out_channels)

    def forward(self, below_UD: Tensor, self_R: Tensor, zero_M: Tensor, met: Meetings) -> Tensor:
        """The rows of this layer; `self_R` are the places' own rows of the layer below."""
        own_S, row_R = torch.unique(self_R, return_inverse=True)
        own_SD = below_UD.index_select(0, own_S)
        told_RC = self.attention(own_SD, row_R, zero_M, met, self.merge.first_weight)
        own_RC = self.merge.of_second(own_SD).index_select(0, row_R)
        return self.merge.of_hidden(told_RC + own_RC + self.merge.fc1.bias)

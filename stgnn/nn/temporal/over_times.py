r"""An attention layer for the same places at many times, without gradients: what ranking all candidates is made of.

Between its events only the time since they happened changes for a graph node. What does not depend on it is computed
once a place; the rest follows from

    cos(w (t - t_n) + b) = cos(w t + b) cos(w t_n) + sin(w t + b) sin(w t_n)

so that scores at all times are one matrix product. Matrices that follow each other with nothing between are
multiplied beforehand. The numbers are those of `attention.AttentionLayer` up to rounding.

Axes: G places, T times, K earlier events of a place, H heads of width W, D memory, F feature and M time channels,
X = D + F + M, Y = 2 M, C channels of the layer.
"""

import math

import torch
from torch import Tensor

from stgnn.nn.temporal.attention import AttentionLayer
from stgnn.nn.temporal.meetings import Meetings
from stgnn.nn.temporal.time_encoding import TimeEncoding


class OverTimes:
    """The layer as of `span_T`, whole numbers in the stream's unit after a moment that all spans are counted from."""

    def __init__(self, layer: AttentionLayer, time: TimeEncoding, span_T: Tensor) -> None:
        attention = layer.attention
        self.layer, self.time = layer, time
        into_CA = layer.merge.first_weight @ attention.out.weight
        value_HWX = attention.value.weight.unflatten(0, (attention.heads, -1))
        self.told_HCX = torch.bmm(into_CA.unflatten(1, (attention.heads, -1)).transpose(0, 1), value_HWX)
        self.bias_C = into_CA @ attention.value.bias + layer.merge.first_weight @ attention.out.bias
        self.turn_TY = self._turns(span_T, time.phase_M)

    def hidden(self, own_GD: Tensor, met: Meetings, span_GK: Tensor) -> Tensor:
        """The merge's hidden layer `[G, T, C]` before its relu.

        `met` holds what does not depend on time, the neighbours' rows and the events' features; `span_GK` are the
        times of the events, after the same moment.
        """
        turn_GKY = self._turns(span_GK)
        weight_GHKT = self._weights(own_GD, met, turn_GKY)
        known = self.told_HCX.shape[2] - len(self.time.phase_M)
        told_XHC = self.told_HCX[..., :known].permute(2, 0, 1)
        value_GKHC = (torch.cat(met.parts, dim=2) @ told_XHC.flatten(1)).unflatten(2, told_XHC.shape[1:])
        by_event = weight_GHKT.flatten(1, 2).transpose(1, 2)
        hidden_GTC = torch.bmm(by_event, value_GKHC.transpose(1, 2).flatten(1, 2))
        for head, told_CX in enumerate(self.told_HCX):
            phi_GTM = self._mixed_times(weight_GHKT[:, head], turn_GKY)
            hidden_GTC.view(-1, hidden_GTC.shape[2]).addmm_(phi_GTM.flatten(0, 1), told_CX[:, known:].t())
        hidden_GTC.add_(self.bias_C).mul_(met.valid_RK.any(1)[:, None, None])
        merge = self.layer.merge
        return hidden_GTC.add_((merge.of_second(own_GD) + merge.fc1.bias).unsqueeze(1))

    def _weights(self, own_GD: Tensor, met: Meetings, turn_GKY: Tensor) -> Tensor:
        """Attention weights `[G, H, K, T]`."""
        query_GHX = self.layer.attention.absorbed(own_GD, self.time.of_zero())
        channels = len(self.time.phase_M)
        known_GHX, query_GHM = query_GHX.split([query_GHX.shape[2] - channels, channels], dim=2)
        query_GHKY = query_GHM.repeat(1, 1, 2).unsqueeze(2) * turn_GKY.unsqueeze(1)
        score_GHKT = query_GHKY @ self.turn_TY.t() + met.products(known_GHX).unsqueeze(3)
        hidden_G1K1 = ~met.valid_RK[:, None, :, None]
        lowest = torch.finfo(score_GHKT.dtype).min
        weight_GHKT: Tensor = score_GHKT.masked_fill_(hidden_G1K1, lowest).softmax(2)
        return weight_GHKT

    def _mixed_times(self, weight_GKT: Tensor, turn_GKY: Tensor) -> Tensor:
        """The sums `[G, T, M]` of phi over events with these weights."""
        mixed_GTY = torch.bmm(weight_GKT.transpose(1, 2), turn_GKY)
        (cosine_GTM, sine_GTM), (cosine_TM, sine_TM) = mixed_GTY.chunk(2, 2), self.turn_TY.chunk(2, 1)
        return (cosine_GTM * cosine_TM).addcmul_(sine_GTM, sine_TM)

    def _turns(self, span: Tensor, phase_M: Tensor | float = 0.0) -> Tensor:
        """Cosine and sine `[..., Y]` of frequency times span plus phase, to the last digit at any span."""
        angle = span.double().unsqueeze(-1) * self.time.unit * self.time.frequency_M.double() + phase_M
        angle = angle.remainder_(2.0 * math.pi).to(self.time.frequency_M.dtype)
        return torch.cat([angle.cos(), angle.sin()], dim=-1)

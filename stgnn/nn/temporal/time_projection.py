r"""The embedding of JODIE: the memory, moved on by the time since it was written.

    z_i(t) = s_i (1 + w (t - tau_i - mu) / sigma + b),    w and b of every channel from N(0, 1) at first

Kumar, Zhang, Leskovec, "Predicting dynamic embedding trajectory in temporal interaction networks", KDD 2019,
section 3.2, as in Rossi et al., 2020. mu and sigma are the mean and deviation of the times between a graph node's
training events (their code takes those of the whole stream, test part included, and sources and destinations
apart).

Axes: R places, D memory channels.
"""

import torch
from torch import Tensor, nn


class TimeProjection(nn.Module):
    """`[R, D]` memories and `[R]` seconds since they were written -> `[R, D]`."""

    def __init__(self, channels: int, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std
        self.weight = nn.Parameter(torch.randn(channels))
        self.bias = nn.Parameter(torch.randn(channels))

    def forward(self, memory_RD: Tensor, seconds_R: Tensor) -> Tensor:
        """The memories as of now."""
        scaled_R1 = ((seconds_R - self.mean) / self.std).unsqueeze(1)
        return memory_RD * (1.0 + torch.addcmul(self.bias, scaled_R1, self.weight))

"""Torch's own LSTM, where no graph enters the gates.

Axes: T entries, R rows (samples and graph nodes), F input features, C hidden channels, L layers.
"""

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]


def run_lstm(lstm: nn.LSTM, x_TRF: Tensor, before: State | None = None) -> tuple[Tensor, State]:
    """States of the last layer `[T, R, C]` and last states of all `[L, R, C]`, in the parameters' type under autocast.

    A CPU's oneDNN has no bfloat16 LSTM that trains for many sizes ("could not create a primitive descriptor").
    """
    if not (x_TRF.device.type == "cpu" and torch.is_autocast_enabled("cpu")):
        states, after = lstm(x_TRF, before)
        return states, after
    dtype = next(lstm.parameters()).dtype
    with torch.autocast("cpu", enabled=False):
        given = None if before is None else (before[0].to(dtype), before[1].to(dtype))
        states, after = lstm(x_TRF.to(dtype), given)
    return states, after

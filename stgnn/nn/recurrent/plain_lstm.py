"""Torch's LSTM where no graph enters the gates: on a CPU through the recurrence of `lstm`, with torch's parameters.

There that takes three quarters of the time of oneDNN's (79,488 rows of 64 channels), and trains in bfloat16, for which
oneDNN has no LSTM of many sizes. On a GPU torch's own is taken.

Axes: T entries, R rows (samples and graph nodes), F input features, C hidden channels, L layers, O = 4C gate columns.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stgnn.nn.arguments import product_dtype, state_dtype
from stgnn.nn.recurrent.basis import Diffusion, Terms, basis_kernel
from stgnn.nn.recurrent.lstm import long_short_term_recurrence

State = tuple[Tensor, Tensor]
NO_GRAPH = Terms(Diffusion(), Diffusion())


def run_lstm(lstm: nn.LSTM, x_TRF: Tensor, before: State | None = None) -> tuple[Tensor, State]:
    """States of the last layer `[T, R, C]` and the last states of all `[L, R, C]`, from those before (None: zeros)."""
    if x_TRF.device.type != "cpu":
        states, after = lstm(x_TRF, before)
        return states, after
    given, precision = x_TRF.dtype, product_dtype(x_TRF)
    last: list[list[Tensor]] = []
    with torch.autocast("cpu", enabled=False):
        for layer, parameters in enumerate(lstm.all_weights):
            state = None if before is None else (before[0][layer], before[1][layer])
            x_TRF, *after = _layer(parameters, x_TRF, state, precision)
            last.append(after)
    h, c = (torch.stack(kind).to(given) for kind in zip(*last, strict=True))
    return x_TRF.to(given), (h, c)


def _layer(
    parameters: Sequence[Tensor], x_TRF: Tensor, before: State | None, precision: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    dtype = state_dtype(x_TRF)
    of_input, of_state, bias, other_bias = (_ordered(each).to(dtype) for each in parameters)
    channels = of_state.shape[1]
    kernels = of_state.t().unsqueeze(0), of_input.t().unsqueeze(0)
    kernel = basis_kernel(*kernels, bias + other_bias, channels, group=1)
    h, c = (None, None) if before is None else (state.unsqueeze(0).to(dtype) for state in before)
    x_T1RF = x_TRF.unsqueeze(1).to(dtype)
    states, *last = long_short_term_recurrence(x_T1RF, (h, c), kernel, None, NO_GRAPH, precision)
    h, c = (state[0] for state in last)
    return states[:, 0], h, c


def _ordered(gates_O: Tensor) -> Tensor:
    """Torch's gates i, f, g, o along the first axis in the recurrence's order i, f, o, g."""
    i, f, g, o = gates_O.chunk(4)
    return torch.cat([i, f, o, g])

"""Facts about the LSTM without a graph: it is torch's, gradient by gradient."""

import pytest
import torch
from torch import nn

from stgnn.nn.recurrent.plain_lstm import run_lstm


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("zero", [True, False])
def test_values_and_gradients_are_those_of_torchs_lstm(layers: int, zero: bool) -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(3, 5, layers).double()
    x = torch.randn(4, 7, 3, dtype=torch.float64, requires_grad=True)
    h, c = (torch.randn(layers, 7, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    before = None if zero else (h, c)
    wanted = [x, *([] if zero else [h, c]), *lstm.parameters()]
    gradients = []
    for states, last in (run_lstm(lstm, x, before), lstm(x, before)):
        every = [states, *last]
        loss = sum((one * (i + one.detach().flip(0))).sum() for i, one in enumerate(every))
        gradients.append([*every, *torch.autograd.grad(loss, wanted)])
    for found, truth in zip(*gradients, strict=True):
        torch.testing.assert_close(found, truth, rtol=1e-11, atol=1e-12)


def test_autocast_keeps_states_close() -> None:
    torch.manual_seed(0)
    lstm, x = nn.LSTM(3, 20), torch.randn(4, 7, 3)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = run_lstm(lstm, x)
    assert found.dtype == torch.float32
    expected, _ = lstm(x)
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)

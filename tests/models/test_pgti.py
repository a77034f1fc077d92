"""PGT-I's one-cell model: its state is its forecast."""

import pytest
import torch

from stgnn.errors import InputError
from stgnn.models.base import TaskShape
from stgnn.models.pgti import OneCellDCRNN


def test_the_state_after_each_past_entry_is_the_forecast_of_one_future_entry(shape, graph):
    model = OneCellDCRNN(shape, graph, max_diffusion_step=2).double()
    window = torch.randn(2, 3, 5, 2, dtype=torch.float64)
    forecast, state = model(window), None
    for entry in range(3):
        state = model.cell(window[:, entry], graph, state)
        torch.testing.assert_close(forecast[:, entry], state[..., :1])


def test_a_forecast_depends_on_no_later_past_entry_and_stays_below_one(shape, graph):
    model = OneCellDCRNN(shape, graph, max_diffusion_step=2)
    window = 100 * torch.randn(1, 3, 5, 2)
    later = window.clone()
    later[:, 2] += 1.0
    assert torch.equal(model(later)[:, :2], model(window)[:, :2])
    assert model(window).abs().max() <= 1


def test_it_has_as_many_hidden_as_input_channels(shape, graph):
    model = OneCellDCRNN(shape, graph, max_diffusion_step=2)
    # 5 terms x (2 + 2) channels x (4 gates' + 2 candidate's) and their biases
    assert sum(parameter.numel() for parameter in model.parameters()) == 5 * 4 * 6 + 6


def test_a_horizon_other_than_the_input_length_is_refused(graph):
    shape = TaskShape(input_len=3, horizon=2, num_nodes=5, num_inputs=2, num_outputs=1)
    with pytest.raises(InputError, match=r"input_len is 3 and horizon 2.*make them equal"):
        OneCellDCRNN(shape, graph, max_diffusion_step=2)

"""Recurrent forecasters: one linear map of what their layers make of the window."""

import pytest
import torch

from stgnn.errors import InputError
from stgnn.models.a3tgcn import A3TGCNForecaster
from stgnn.models.agcrn import AGCRNForecaster
from stgnn.models.base import TaskShape
from stgnn.models.evolvegcn import EvolveGCNHForecaster, EvolveGCNOForecaster
from stgnn.models.gclstm import GCLSTMForecaster
from stgnn.models.gconvgru import GConvGRUForecaster
from stgnn.models.gconvlstm import GConvLSTMForecaster
from stgnn.models.mpnnlstm import MPNNLSTMForecaster
from stgnn.models.tgcn import TGCNForecaster

SHAPE = TaskShape(input_len=4, horizon=3, num_nodes=5, num_inputs=2, num_outputs=2)
WINDOW = torch.randn(2, 4, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def mapped(head, encoded):
    return head(encoded).view(2, 5, 3, 2).transpose(1, 2)


@pytest.mark.parametrize("model_class", [TGCNForecaster, GConvGRUForecaster])
def test_the_state_after_the_last_entry_is_mapped_to_the_horizon(model_class, graph):
    settings = {} if model_class is TGCNForecaster else {"filter_taps": 3}
    model, state = model_class(SHAPE, graph, hidden_channels=6, **settings).double(), None
    for entry in range(4):
        state = model.cell(WINDOW[:, entry], graph, state)
    torch.testing.assert_close(model(WINDOW), mapped(model.head, state))


@pytest.mark.parametrize("model_class", [GConvLSTMForecaster, GCLSTMForecaster])
def test_of_an_lstm_the_state_is_mapped_and_not_its_cell(model_class, graph):
    model, states = model_class(SHAPE, graph, hidden_channels=6, filter_taps=3).double(), ()
    for entry in range(4):
        states = model.cell(WINDOW[:, entry], graph, *states)
    torch.testing.assert_close(model(WINDOW), mapped(model.head, states[0]))


def test_a_neighbours_entry_reaches_gclstm_with_the_next_one(graph):
    model = GCLSTMForecaster(SHAPE, graph, hidden_channels=6, filter_taps=2).double()
    last, before = WINDOW.clone(), WINDOW.clone()
    last[:, 3, 0] += 1.0
    before[:, 2, 0] += 1.0
    assert torch.equal(model(last)[:, :, 1:], model(WINDOW)[:, :, 1:])
    assert not torch.allclose(model(before)[:, :, 1], model(WINDOW)[:, :, 1])


def test_a3tgcn_maps_the_attended_states_of_all_entries_to_the_horizon(graph):
    model, state, states = A3TGCNForecaster(SHAPE, graph, hidden_channels=6).double(), None, []
    for entry in range(4):
        state = model.layer.tgcn(WINDOW[:, entry], graph, state)
        states.append(state)
    attention = torch.stack([model.layer.score(state) for state in states]).softmax(0)
    context = sum(weight * state for weight, state in zip(attention, states, strict=True))
    torch.testing.assert_close(model(WINDOW), mapped(model.head, context))


def test_the_layers_of_agcrn_see_the_states_below_them_and_one_embedding(graph):
    sizes = {"hidden_channels": 6, "num_layers": 2, "filter_taps": 2, "embedding_dimensions": 3}
    model = AGCRNForecaster(SHAPE, graph, **sizes).double()
    lower, upper = model.layers
    below, above = None, None
    for entry in range(4):
        below = lower(WINDOW[:, entry], model.embedding_ND, below)
        above = upper(below, model.embedding_ND, above)
    torch.testing.assert_close(model(WINDOW), mapped(model.head, above))


@pytest.mark.parametrize("model_class", [EvolveGCNOForecaster, EvolveGCNHForecaster])
def test_the_weights_of_evolvegcn_evolve_over_a_window_and_start_anew_with_the_next(model_class, graph):
    model = model_class(SHAPE, graph, hidden_channels=4, num_layers=2).double()
    forecast = model(WINDOW)
    torch.testing.assert_close(model(WINDOW), forecast)
    hidden = model.widen(WINDOW)
    for layer in model.layers:
        layer.reinitialize_weight()
        hidden = torch.stack([layer(hidden[:, entry], graph) for entry in range(4)], dim=1).relu()
    torch.testing.assert_close(forecast, mapped(model.head, hidden.transpose(1, 2).flatten(2)))


def test_mpnnlstm_has_a_perceptron_over_its_layer(graph):
    model = MPNNLSTMForecaster(SHAPE, graph, hidden_channels=6, dropout=0.5).double().eval()
    expected = mapped(model.head, model.hidden(model.layer(WINDOW, graph)).relu())
    torch.testing.assert_close(model(WINDOW), expected)


def test_mpnnlstm_cannot_leave_everything_out(graph):
    with pytest.raises(InputError, match=r"dropout: is 1\.0.*in \[0, 1\)"):
        MPNNLSTMForecaster(SHAPE, graph, hidden_channels=6, dropout=1.0)

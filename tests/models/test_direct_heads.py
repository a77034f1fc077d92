"""T-GCN and A3T-GCN: one linear map of what their layer makes of the window."""

import torch

from stgnn.models.a3tgcn import A3TGCNForecaster
from stgnn.models.base import TaskShape
from stgnn.models.tgcn import TGCNForecaster

SHAPE = TaskShape(input_len=4, horizon=3, num_nodes=5, num_inputs=2, num_outputs=2)


def test_tgcn_maps_the_state_after_the_last_entry_to_the_horizon(graph):
    model = TGCNForecaster(SHAPE, graph, hidden_channels=6).double()
    window, state = torch.randn(2, 4, 5, 2, dtype=torch.float64), None
    for entry in range(4):
        state = model.cell(window[:, entry], graph, state)
    expected = model.head(state).view(2, 5, 3, 2).transpose(1, 2)
    torch.testing.assert_close(model(window), expected)


def test_a3tgcn_maps_the_attended_states_of_all_entries_to_the_horizon(graph):
    model = A3TGCNForecaster(SHAPE, graph, hidden_channels=6).double()
    window, state, states = torch.randn(2, 4, 5, 2, dtype=torch.float64), None, []
    for entry in range(4):
        state = model.layer.tgcn(window[:, entry], graph, state)
        states.append(state)
    attention = torch.stack([model.layer.score(state) for state in states]).softmax(0)
    context = sum(weight * state for weight, state in zip(attention, states, strict=True))
    expected = model.head(context).view(2, 5, 3, 2).transpose(1, 2)
    torch.testing.assert_close(model(window), expected)

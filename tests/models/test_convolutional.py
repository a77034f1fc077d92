"""STGCN, ASTGCN, MSTGCN, MTGNN and AAGCN: whole windows through convolutions."""

import pytest
import torch

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.models.aagcn import AAGCNForecaster
from stgnn.models.astgcn import ASTGCNForecaster
from stgnn.models.base import TaskShape
from stgnn.models.mstgcn import MSTGCNForecaster
from stgnn.models.mtgnn import MTGNNForecaster
from stgnn.models.stgcn import STGCNForecaster

STGCN = {
    "hidden_channels": 8,
    "bottleneck_channels": 4,
    "num_blocks": 2,
    "kernel_size": 3,
    "filter_taps": 3,
}
MTGNN = {
    "learn_graph": True,
    "num_layers": 2,
    "hop_depth": 2,
    "keep": 0.05,
    "neighbours": 20,
    "embedding_dimensions": 4,
    "saturation": 3.0,
    "hidden_channels": 8,
    "skip_channels": 8,
    "end_channels": 8,
    "dropout": 0.3,
}


def task(input_len, num_outputs=1):
    return TaskShape(input_len, horizon=3, num_nodes=5, num_inputs=num_outputs + 1, num_outputs=num_outputs)


@pytest.mark.parametrize("input_len", [9, 12])
def test_stgcn_sees_every_entry_whatever_its_blocks_leave(input_len, graph):
    model = STGCNForecaster(task(input_len), graph, **STGCN).double().eval()
    window = torch.randn(1, input_len, 5, 2, dtype=torch.float64, requires_grad=True)
    forecast = model(window)
    assert forecast.shape == (1, 3, 5, 1)
    forecast.square().sum().backward()
    assert window.grad.abs().sum(dim=(0, 2, 3)).all()


def test_a_window_that_stgcn_would_use_up_is_refused_with_the_least_length(graph):
    with pytest.raises(
        InputError, match=r"input_len: is 8, but 2 blocks of kernel_size 3 need 9 entries.*set"
    ):
        STGCNForecaster(task(8), graph, **STGCN)
    STGCNForecaster(task(8), graph, **{**STGCN, "num_blocks": 1})


@pytest.mark.parametrize("model_class", [ASTGCNForecaster, MSTGCNForecaster])
def test_the_last_convolution_predicts_each_feature_of_each_entry(model_class, graph):
    model = model_class(task(4, num_outputs=2), graph, hidden_channels=8, num_blocks=2, filter_taps=3)
    window = torch.randn(2, 4, 5, 3)
    predicted = model.network(window.permute(0, 2, 3, 1), graph)
    assert torch.equal(model(window)[:, 2, :, 1], predicted[:, :, 2 * 2 + 1])


def test_mtgnn_learns_its_graph_or_takes_the_datasets(graph):
    other = Graph(graph.edge_index.flip(0), graph.edge_weight, 5)
    window = torch.randn(2, 4, 5, 2)

    def forecast(on, learn_graph):
        torch.manual_seed(0)
        return MTGNNForecaster(task(4), on, **{**MTGNN, "learn_graph": learn_graph}).eval()(window)

    assert torch.equal(forecast(graph, True), forecast(other, True))
    assert not torch.allclose(forecast(graph, False), forecast(other, False))


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"hidden_channels": 10}, "hidden_channels: is 10.*multiple of 4"),
        ({"dropout": 1.0}, r"dropout: is 1.0.*\[0, 1\)"),
        ({"keep": -0.1}, r"keep: is -0.1"),
        ({"neighbours": 0}, "neighbours: is 0"),
    ],
)
def test_mtgnn_refuses_what_cannot_work(graph, wrong, message):
    with pytest.raises(InputError, match=message):
        MTGNNForecaster(task(4), graph, **{**MTGNN, **wrong})


def test_aagcn_doubles_its_channels_and_halves_its_entries_twice(graph):
    model = AAGCNForecaster(task(11), graph, hidden_channels=4, num_blocks=8).eval()
    widths = [block.tcn1.conv.out_channels for block in model.blocks]
    assert widths == [4, 4, 4, 4, 8, 8, 8, 16]
    assert model.head.in_features == 3 * 16  # 11 entries, 6, 3
    assert model(torch.randn(2, 11, 5, 2)).shape == (2, 3, 5, 1)


def test_aagcn_needs_channels_to_embed(graph):
    with pytest.raises(InputError, match=r"hidden_channels: is 3.*at least 4"):
        AAGCNForecaster(task(4), graph, hidden_channels=3, num_blocks=2)

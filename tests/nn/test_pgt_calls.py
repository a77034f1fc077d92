"""The calls that PyTorch Geometric Temporal's own tests of its layers make, by position and by name, and their shapes.

Only what a result looks like; what is in it is compared with PGT's layers beside each layer's other facts.

Axes: N graph nodes, F input features, C output channels, B samples.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from stgnn.nn import attention, hetero, recurrent
from stgnn.nn.attention import (
    AAGCN,
    ASTGCN,
    DNNTSP,
    GMAN,
    MSTGCN,
    MTGNN,
    ChebConvAttention,
    STConv,
    TemporalConv,
)
from stgnn.nn.recurrent import (
    A3TGCN,
    A3TGCN2,
    AGCRN,
    DCRNN,
    GCLSTM,
    LRGCN,
    MPNNLSTM,
    TGCN,
    DyGrEncoder,
    EvolveGCNH,
    EvolveGCNO,
    GConvGRU,
    GConvLSTM,
)

N, F, C, B = 30, 8, 6, 3


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def edges(nodes: int = N, each: int = 4) -> Tensor:
    """Edges of a small world in one direction, as networkx lists them."""
    sources = torch.arange(nodes).repeat_interleave(each)
    targets = torch.randint(nodes, sources.shape)
    return torch.stack([sources, targets])[:, sources != targets]


def uniform(*shape: int) -> Tensor:
    return 2 * torch.rand(shape) - 1


def weights(edge_index: Tensor) -> Tensor:
    return torch.rand(edge_index.shape[1])


@pytest.mark.parametrize("layer", [GConvGRU, DCRNN, TGCN])
def test_gated_cells_step_without_weights_with_them_and_from_a_state(layer: Any) -> None:
    x, index = uniform(N, F), edges()
    for taps in [{"K": 2}, {"K": 3}] if layer is not TGCN else [{}]:
        cell = layer(in_channels=F, out_channels=C, **taps)
        for h in (cell(x, index), cell(x, index, weights(index))):
            assert h.shape == cell(x, index, weights(index), h).shape == (N, C)


@pytest.mark.parametrize("layer", [GConvLSTM, GCLSTM])
def test_lstm_cells_step_without_weights_with_them_and_from_states(layer: Any) -> None:
    x, index, cell = uniform(N, F), edges(), layer(in_channels=F, out_channels=C, K=2)
    for h, c in (cell(x, index), cell(x, index, weights(index))):
        h, c = cell(x, index, weights(index), h, c)
        assert h.shape == c.shape == (N, C)


def test_relational_cells_take_edge_types() -> None:
    x, index = uniform(N, F), edges()
    types = torch.randint(5, (index.shape[1],))
    cell = LRGCN(in_channels=F, out_channels=C, num_relations=5, num_bases=3)
    h, c = cell(x, index, types, *cell(x, index, types))
    assert h.shape == c.shape == (N, C)


def test_the_encoder_of_dynamic_graphs_returns_three_states() -> None:
    x, index = uniform(N, F), edges()
    sizes = {"conv_out_channels": 16, "conv_num_layers": 3, "conv_aggr": "add"}
    layer = DyGrEncoder(**sizes, lstm_out_channels=8, lstm_num_layers=1)
    layer(x, index)
    _, h, c = layer(x, index, weights(index))
    assert {part.shape for part in layer(x, index, weights(index), h, c)} == {(N, 8)}


def test_windows_of_one_entry_are_rows() -> None:
    x, index = uniform(N, F), edges()
    layer = MPNNLSTM(in_channels=F, hidden_size=C, num_nodes=N, window=1, dropout=0.5)
    assert layer(x, index, weights(index)).shape == (N, 2 * C + F + 1 - 1)


@pytest.mark.parametrize("lead", [(), (B,)])
def test_attention_over_periods_steps_like_a_cell(lead: tuple[int, ...]) -> None:
    x, index = uniform(*lead, N, F, 7), edges()
    sizes = {"in_channels": F, "out_channels": C, "periods": 7}
    layer = A3TGCN2(**sizes, batch_size=B) if lead else A3TGCN(**sizes)
    for h in (layer(x, index), layer(x, index, weights(index))):
        assert h.shape == layer(x, index, weights(index), h).shape == (*lead, N, C)


@pytest.mark.parametrize("taps", [2, 3])
def test_adaptive_cells_take_the_callers_embeddings(taps: int) -> None:
    x, places = uniform(N, F).view(-1, N, F), torch.nn.Parameter(torch.randn(N, 5))
    cell = AGCRN(number_of_nodes=N, in_channels=F, out_channels=C, K=taps, embedding_dimensions=5)
    assert cell(x, places, cell(x, places)).shape == (1, N, C)


@pytest.mark.parametrize("layer", [EvolveGCNO(in_channels=F), EvolveGCNH(in_channels=F, num_of_nodes=N)])
def test_evolving_layers_feed_on_their_own_result(layer: Any) -> None:
    index = edges()
    assert layer(layer(uniform(N, F), index), index, weights(index)).shape == (N, F)


def test_types_of_graph_nodes_come_and_go_as_dictionaries() -> None:
    features, index = {"author": 4, "paper": 5}, edges()
    types = [("author", "writes", "paper"), ("paper", "rev_writes", "author")]
    layer = hetero.HeteroGCLSTM(features, C, (["author", "paper"], types))
    x = {name: uniform(N, count) for name, count in features.items()}
    ends = dict(zip(types, (index, index.flip(0)), strict=True))
    for states in layer(x, ends, *layer(x, ends)):
        assert {name: state.shape for name, state in states.items()} == dict.fromkeys(features, (N, C))


def test_convolutions_over_time_shorten_the_window() -> None:
    x, index = uniform(B, 5, N, F), edges()
    assert TemporalConv(in_channels=F, out_channels=C, kernel_size=3)(x).shape == (B, 3, N, C)
    sizes = {"in_channels": F, "hidden_channels": 8, "out_channels": C, "kernel_size": 3, "K": 2}
    assert STConv(num_nodes=N, **sizes)(x, index, weights(index)).shape == (B, 1, N, C)


def test_the_attentive_filter_takes_weights_a_batch_and_an_eigenvalue() -> None:
    conv = ChebConvAttention(16, 32, K=3, normalization="sym")
    assert conv.__repr__() == "ChebConvAttention(16, 32, K=3, normalization=sym)"
    index = torch.tensor([[0, 0, 0, 1, 2, 3], [1, 2, 3, 0, 0, 0]])
    x, shares = uniform(B, 4, 16), torch.rand(B, 4, 4).softmax(1)
    calls: list[Any] = [conv(x, index, shares), conv(x, index, shares, weights(index))]
    calls.append(conv(x, index, shares, weights(index), lambda_max=3.0))
    index, batch = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]]), torch.tensor([0, 0, 1, 1])
    calls.append(conv(x, index, shares, weights(index), batch))
    calls.append(conv(x, index, shares, weights(index), batch, torch.tensor([2.0, 3.0])))
    assert {out.shape for out in calls} == {(B, 4, 32)}


@pytest.mark.parametrize("normalization, bias", [(None, True), ("sym", False), ("rw", True)])
def test_the_attention_network_takes_one_graph_or_one_for_each_entry(normalization: Any, bias: bool) -> None:
    model = ASTGCN(2, 2, 3, 8, 8, 1, 12, 12, N, normalization, bias)
    x, each = uniform(B, N, 2, 12), [edges() for _ in range(12)]
    assert model(x, each).shape == model(x, each[0]).shape == (B, N, 12)


def test_the_network_without_attention_does_too() -> None:
    model, x, each = MSTGCN(2, 2, 3, 8, 8, 1, 12, 12), uniform(B, N, 2, 12), [edges() for _ in range(12)]
    assert model(x, each).shape == model(x, each[0]).shape == (B, N, 12)


@pytest.mark.parametrize("bias, mask", [(True, False), (False, True)])
def test_the_multi_attention_network_takes_times_as_real_numbers(bias: bool, mask: bool) -> None:
    model = GMAN(1, 8, 8, 12, bn_decay=0.1, steps_per_day=288, use_bias=bias, mask=mask)
    assert model(torch.rand(B, 12, N), uniform(N, 64), uniform(B, 12 + 10, 2)).shape == (B, 10, N)


SIZES: dict[str, Any] = {
    "gcn_depth": 2,
    "num_nodes": N,
    "kernel_size": 7,
    "kernel_set": [2, 3, 6, 7],
    "dropout": 0.3,
    "subgraph_size": 20,
    "node_dim": 5,
    "conv_channels": 8,
    "residual_channels": 8,
    "skip_channels": 6,
    "end_channels": 7,
    "in_dim": 2,
    "layers": 3,
    "propalpha": 0.05,
    "tanhalpha": 3,
}


@pytest.mark.parametrize(
    "graph, learned, dilation, entries, affine, static, call",
    [
        (True, True, 1, 12, True, None, ("idx",)),
        (True, True, 1, 12, True, 8, ("FE",)),
        (True, False, 1, 12, True, 8, ("FE",)),
        (False, True, 2, 12, False, None, ()),
        (True, True, 1, 24, False, None, ("idx",)),
        (True, False, 2, 24, True, 8, ("idx", "FE")),
        (False, False, 2, 24, False, None, ()),
    ],
)
def test_the_graph_learning_network_takes_a_graph_a_choice_of_nodes_and_static_features(
    graph: bool,
    learned: bool,
    dilation: int,
    entries: int,
    affine: bool,
    static: int | None,
    call: tuple[str, ...],
) -> None:
    model = MTGNN(
        gcn_true=graph,
        build_adj=learned,
        dilation_exponential=dilation,
        seq_length=entries,
        out_dim=10,
        layer_norm_affline=affine,
        xd=static,
        **SIZES,
    )
    given = {"idx": torch.randperm(N), "FE": torch.rand(N, 8)}
    x = uniform(B, entries, N, 2).transpose(1, 3)
    out = model(x, (torch.rand(N, N) < 0.2).float(), **{name: given[name] for name in call})
    assert out.transpose(1, 3).shape == (B, 1, N, 10)


@pytest.mark.parametrize("adaptive", [True, False])
def test_the_adaptive_network_strides_over_entries(adaptive: bool) -> None:
    layer = AAGCN(num_nodes=N, edge_index=edges(), in_channels=F, out_channels=8, stride=2, adaptive=adaptive)
    assert layer(uniform(B, F, 5, N)).shape == (B, 8, 3, N)
    assert layer.A.shape == (3, N, N)


def test_the_set_network_takes_samples_side_by_side() -> None:
    index = edges(10 * N)
    model = DNNTSP(items_total=N, item_embedding_dim=16, n_heads=4)
    assert model(torch.rand(10 * N, 16), index, weights(index)).shape == (10, N, 16)


def test_packages_offer_pgts_names() -> None:
    names = (
        "ASTGCN ChebConvAttention MSTGCN GMAN SpatioTemporalEmbedding SpatioTemporalAttention MTGNN MixProp"
    )
    names += " GraphConstructor GraphAAGCN AAGCN DNNTSP STConv TemporalConv"
    assert set(names.split()) <= set(attention.__all__)
    assert {"EvolveGCNH", "BatchedDCRNN", "TGCN2"} <= set(recurrent.__all__)

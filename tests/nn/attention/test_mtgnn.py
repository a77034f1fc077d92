"""Facts about MTGNN; PyTorch Geometric Temporal's values are the oracle."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.attention import MTGNN, DilatedInception, GraphConstructor, LayerNormalization, MixProp
from tests.nn.attention.parity import assert_same, both_precisions, close, draw, needs_pgt, of_theirs, pgt
from tests.nn.dense import directed_edges

EDGES = directed_edges()
N = EDGES.num_nodes
SETTINGS: dict[str, Any] = {
    "gcn_true": True,
    "build_adj": True,
    "gcn_depth": 2,
    "num_nodes": N,
    "kernel_set": [2, 3],
    "kernel_size": 3,
    "dropout": 0.0,
    "subgraph_size": 4,
    "node_dim": 6,
    "dilation_exponential": 2,
    "conv_channels": 4,
    "residual_channels": 6,
    "skip_channels": 5,
    "end_channels": 7,
    "seq_length": 10,
    "in_dim": 2,
    "out_dim": 3,
    "layers": 2,
    "propalpha": 0.05,
    "tanhalpha": 0.7,
    "layer_norm_affline": True,
}


def signal(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


@needs_pgt
@both_precisions
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seq_length": 4},
        {"seq_length": 7, "layer_norm_affline": False},
        {"dilation_exponential": 1, "gcn_depth": 3},
        {"build_adj": False},
        {"gcn_true": False},
        {"xd": 3},
    ],
    ids=str,
)
def test_a_network_equals_pgts(changes: dict[str, Any], dtype: torch.dtype) -> None:
    settings = SETTINGS | changes
    ours, theirs = MTGNN(**settings), pgt("mtgnn").MTGNN(**settings)
    x, adjacency = signal(3, 2, N, settings["seq_length"], dtype=dtype), EDGES.adjacency.to(dtype)
    static = signal(N, 3, dtype=dtype) if "xd" in changes else None

    def run(layer: nn.Module, x: Tensor) -> Tensor:
        return layer(x, adjacency, FE=static)  # type: ignore[no-any-return]

    assert_same(ours, theirs, run, run, x)


@needs_pgt
def test_chosen_graph_nodes_equal_pgts() -> None:
    ours, theirs = MTGNN(**SETTINGS), pgt("mtgnn").MTGNN(**SETTINGS)
    chosen = torch.tensor([7, 2, 9, 4, 0])

    def run(layer: nn.Module, x: Tensor) -> Tensor:
        return layer(x, idx=chosen)  # type: ignore[no-any-return]

    assert_same(ours, theirs, run, run, signal(3, 2, 5, 10))


@needs_pgt
@both_precisions
def test_parts_equal_pgts(dtype: torch.dtype) -> None:
    x, adjacency, everyone = signal(3, 4, N, 6, dtype=dtype), EDGES.adjacency.to(dtype), torch.arange(N)
    parts: list[tuple[Any, Any, tuple[Any, ...], Any]] = [
        (MixProp, "MixProp", (4, 3, 2, 0.0, 0.3), lambda layer, x: layer(x, adjacency)),
        (DilatedInception, "DilatedInception", (4, 6, [2, 3], 2), lambda layer, x: layer(x)),
        (LayerNormalization, "LayerNormalization", ((4, N, 6),), lambda layer, x: layer(x, everyone)),
    ]
    for ours, name, settings, run in parts:
        assert_same(ours(*settings), getattr(pgt("mtgnn"), name)(*settings), run, run, x)


def graph_of(layer: nn.Module, features: Tensor, chosen: Tensor) -> Tensor:
    return layer(chosen, features if features.shape[1] == 3 else None)  # type: ignore[no-any-return]


@needs_pgt
def test_a_learned_graph_equals_pgts() -> None:
    for static in (None, 3):
        ours = GraphConstructor(N, 4, 6, 0.7, static).double()
        theirs = pgt("mtgnn").GraphConstructor(N, 4, 6, 0.7, static).double()
        ours.load_state_dict(theirs.state_dict())
        features = signal(N, static or 1)
        for chosen in (torch.arange(N), torch.tensor([3, 1, 8, 5])):
            run = partial(graph_of, chosen=chosen)
            found = run(ours, features)
            close(found, of_theirs(run, theirs, features), 1e-12)
            assert (found > 0).sum(1).max() <= 4


def test_a_graph_and_its_dense_adjacency_are_the_same() -> None:
    model = MTGNN(**SETTINGS | {"build_adj": False}).double()
    x = signal(3, 2, N, 10)
    close(model(x, EDGES.graph), model(x, EDGES.adjacency), 1e-6)
    assert isinstance(EDGES.graph, Graph)


def test_the_widest_kernel_may_stand_anywhere() -> None:
    one, other = DilatedInception(2, 4, [2, 3], 1).double(), DilatedInception(2, 4, [3, 2], 1).double()
    other._time_conv.load_state_dict(
        {f"{1 - int(k[0])}{k[1:]}": v for k, v in one._time_conv.state_dict().items()}
    )
    x = signal(2, 2, N, 5)
    close(other(x), one(x).roll(2, dims=1), 1e-12)


def test_every_parameter_counts_and_dropout_acts() -> None:
    for changes in ({}, {"build_adj": False}, {"gcn_true": False}):
        model = MTGNN(**SETTINGS | changes | {"dropout": 0.5}).double()
        draw(model)
        x = signal(3, 2, N, 10)
        first = model(x, EDGES.adjacency)
        first.square().sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        assert not torch.equal(model(x, EDGES.adjacency), first)
        model.eval()
        assert torch.equal(model(x, EDGES.adjacency), model(x, EDGES.adjacency))


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=rf"expected \[samples, 2, {N}, 10\]"):
        MTGNN(**SETTINGS)(signal(3, 2, N, 9))
    with pytest.raises(InputError, match="A_tilde: is missing"):
        MTGNN(**SETTINGS | {"build_adj": False})(signal(3, 2, N, 10).float())
    with pytest.raises(InputError, match="give the widest kernel, 3"):
        MTGNN(**SETTINGS | {"kernel_size": 2})
    with pytest.raises(InputError, match="kernels cannot share evenly"):
        MTGNN(**SETTINGS | {"conv_channels": 5})
    with pytest.raises(InputError, match="FE: is missing"):
        MTGNN(**SETTINGS | {"xd": 3})(signal(3, 2, N, 10).float())

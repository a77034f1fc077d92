"""Facts about EvolveGCN: a GRU over the columns of the weight, which PyTorch Geometric Temporal runs over its rows."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.recurrent.evolvegcn import EvolveGCNH, EvolveGCNO
from tests.nn.dense import directed_edges, gcn_matrix
from tests.nn.parity import plain_edges, signal, twins
from tests.pgt_oracle import has_pgt, load_pgt

EDGES = directed_edges(isolated=True)
GRAPH, N, F = EDGES.graph, EDGES.num_nodes, 4
LAYERS = pytest.mark.parametrize("layer", [EvolveGCNO, EvolveGCNH])
Layer = type[EvolveGCNO] | type[EvolveGCNH]


def made(layer: Layer, **options: Any) -> Any:
    torch.manual_seed(0)
    return (EvolveGCNO(F, **options) if layer is EvolveGCNO else EvolveGCNH(N, F, **options)).double()


def reference(layer: Any, x_TNF: Tensor, matrix: Tensor) -> Tensor:
    """The paper's equations, vector by vector."""
    gru, weight, result = layer.recurrent_layer, layer.initial_weight[0], []
    for x in x_TNF:
        columns = []
        for j in range(F):
            column = weight[:, j]
            entered = column if isinstance(layer, EvolveGCNO) else ranked(layer, x)[j]
            i = gru.weight_ih_l0 @ entered + gru.bias_ih_l0
            h = gru.weight_hh_l0 @ column + gru.bias_hh_l0
            r, z = torch.sigmoid(i[:F] + h[:F]), torch.sigmoid(i[F : 2 * F] + h[F : 2 * F])
            new = torch.tanh(i[2 * F :] + r * h[2 * F :])
            columns.append((1 - z) * new + z * column)
        weight = torch.stack(columns, dim=1)
        result.append(matrix @ x @ weight)
    return torch.stack(result)


def ranked(layer: EvolveGCNH, x_NF: Tensor) -> Tensor:
    """Graph nodes by their length along the unit vector p, the longest first."""
    unit = torch.nn.functional.normalize(layer.pooling_layer.select.weight[0], dim=0)
    lengths = [sum(x * p for x, p in zip(node, unit, strict=True)) for node in x_NF]
    order = sorted(range(len(x_NF)), key=lambda n: lengths[n].item(), reverse=True)
    return torch.stack([x_NF[n] * (1 - 2 / (torch.exp(2 * lengths[n]) + 1)) for n in order])


@LAYERS
@pytest.mark.parametrize("normalize", [True, False])
def test_a_sequence_is_the_papers_with_its_gradients(layer: Layer, normalize: bool) -> None:
    ours, x = made(layer, normalize=normalize), signal(3, N, F).requires_grad_()
    matrix = gcn_matrix(EDGES.adjacency) if normalize else EDGES.adjacency.t()
    found, expected = ours.unroll(x, GRAPH)[0], reference(ours, x, matrix)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    wanted = [x, *ours.parameters()]
    for gradient, truth in zip(
        torch.autograd.grad(found.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(gradient, truth, rtol=1e-9, atol=1e-11)


def test_graph_nodes_are_ranked_where_the_scores_tanh_no_longer_tells_them_apart() -> None:
    layer, x = made(EvolveGCNH), 40 * signal(1, N, F)
    assert len(layer.pooling_layer(x, N).norm(dim=-1).unique()) == N
    expected = torch.stack([ranked(layer, x[0])[:3]])
    assert expected.norm(dim=-1).gt(19).any()  # from 19 on, tanh is 1
    torch.testing.assert_close(layer.pooling_layer(x, 3), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")
@LAYERS
def test_weights_evolve_as_the_transpose_of_pgts(layer: Layer) -> None:
    edges, name = plain_edges(), layer.__name__
    theirs = getattr(load_pgt(), name)(*((F,) if layer is EvolveGCNO else (N, F)))
    ours = made(layer)
    twins(theirs, ours)
    with torch.no_grad():
        ours.initial_weight.copy_(theirs.initial_weight.transpose(1, 2))
    for x in signal(3, N, F):
        y = theirs(x, edges.index, edges.weight)
        found = ours(x, edges.index, edges.weight)
        torch.testing.assert_close(ours.weight, theirs.weight[0].t(), rtol=0, atol=1e-10)
        spread = gcn_matrix(edges.adjacency) @ x
        torch.testing.assert_close(found, spread @ theirs.weight[0].t(), rtol=0, atol=1e-10)
        torch.testing.assert_close(y, spread @ theirs.weight[0], rtol=0, atol=1e-10)


@LAYERS
def test_calls_are_steps_until_the_weight_is_reinitialised(layer: Layer) -> None:
    ours, x = made(layer), signal(3, N, F)
    whole, last = ours.unroll(x, GRAPH)
    for _ in range(2):
        for entry, expected in zip(x, whole, strict=True):
            torch.testing.assert_close(ours(entry, EDGES.index, EDGES.weight), expected, rtol=0, atol=1e-13)
        torch.testing.assert_close(ours.weight, last, rtol=0, atol=1e-13)
        ours.reinitialize_weight()
    first, weight = ours.unroll(x[:1], GRAPH)
    second, _ = ours.unroll(x[1:], GRAPH, weight)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-13)


@LAYERS
def test_a_backward_pass_after_every_step_works_and_one_after_all_reaches_the_first(layer: Layer) -> None:
    ours, x = made(layer), signal(3, N, F)
    for entry in x:
        ours(entry, GRAPH).square().sum().backward()
    alone = copy.deepcopy(ours)
    ours.zero_grad()
    ours.reinitialize_weight()
    sum(ours(entry, GRAPH).square().sum() for entry in x).backward()
    together = [parameter.grad.clone() for parameter in ours.parameters()]
    expected = torch.autograd.grad(ours.unroll(x, GRAPH)[0].square().sum(), list(ours.parameters()))
    for gradient, truth in zip(together, expected, strict=True):
        torch.testing.assert_close(gradient, truth, rtol=1e-9, atol=1e-11)
    assert alone.weight is not None and not alone.weight.requires_grad


@LAYERS
def test_every_entry_may_have_a_graph_of_its_own(layer: Layer) -> None:
    ours, x = made(layer), signal(2, N, F)
    other = Graph(EDGES.index.flip(0), None, N)
    found, _ = ours.unroll(x, [GRAPH, other])
    expected = torch.stack([ours(x[0], GRAPH), ours(x[1], other)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)
    with pytest.raises(InputError, match="graphs: are 3 for 2 entries"):
        ours.unroll(x, [GRAPH] * 3)


@LAYERS
def test_a_checkpoint_holds_the_evolved_weight_and_loads_without_one(layer: Layer) -> None:
    ours, fresh, x = made(layer), made(layer), signal(N, F)
    assert "weight" not in ours.state_dict()
    ours(x, GRAPH)
    fresh.load_state_dict(ours.state_dict())
    torch.testing.assert_close(fresh.weight, ours.weight, rtol=0, atol=0)
    fresh.load_state_dict(made(layer).state_dict())
    assert fresh.weight is None


def test_fewer_graph_nodes_than_columns_are_enough() -> None:
    layer, x = EvolveGCNH(3, 5).double(), signal(3, 5)
    y = layer(x, Graph(torch.tensor([[0, 1], [1, 2]]), None, 3))
    assert y.shape == (3, 5) and y.isfinite().all()


def test_an_evolved_weight_of_another_batch_is_refused() -> None:
    layer = made(EvolveGCNH)
    layer(signal(3, N, F), GRAPH)
    with pytest.raises(InputError, match="reinitialize_weight"):
        layer(signal(2, N, F), GRAPH)

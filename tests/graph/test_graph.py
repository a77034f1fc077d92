"""Facts about `Graph`: its operators against definitions and PyTorch Geometric, its edges, its refusals."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph, Normalization
from stgnn.graph.operators import Operator
from tests.nn.dense import Edges, directed_edges, gcn_matrix, random_walks


def every_operator(graph: Graph) -> list[Operator]:
    laplacians = [graph.scaled_laplacian(kind) for kind in ("sym", "rw", None)]
    return [
        *graph.random_walk(),
        graph.gcn(),
        graph.gcn(improved=True),
        graph.gcn(add_self_loops=False),
        *laplacians,
    ]


def dense(operator: Operator) -> Tensor:
    return torch.from_numpy(operator.to_dense())


def test_random_walks_are_the_transposed_row_normalised_weights_and_their_reverse() -> None:
    edges = directed_edges()
    for operator, expected in zip(edges.graph.random_walk(), random_walks(edges.adjacency), strict=True):
        torch.testing.assert_close(dense(operator), expected, rtol=0, atol=1e-14)


def test_a_random_walk_moves_along_the_edge_and_conserves_what_it_moves() -> None:
    forward, backward = Graph(torch.tensor([[0, 0], [1, 2]]), torch.tensor([1.0, 3.0]), 3).random_walk()
    x = torch.tensor([[8.0], [0.0], [0.0]])
    assert (forward @ x).flatten().tolist() == [0.0, 2.0, 6.0]
    assert (backward @ (forward @ x)).flatten().tolist() == [8.0, 0.0, 0.0]


@pytest.mark.parametrize("improved", [False, True])
@pytest.mark.parametrize("add_self_loops", [False, True])
def test_gcn_operator_equals_its_definition(improved: bool, add_self_loops: bool) -> None:
    edges = directed_edges(isolated=True)
    expected = gcn_matrix(edges.adjacency, improved, add_self_loops)
    operator = edges.graph.gcn(improved, add_self_loops)
    torch.testing.assert_close(dense(operator), expected, rtol=0, atol=1e-14)


def merged_edges() -> Edges:
    """Without duplicates, which PyTorch Geometric treats differently in different places."""
    adjacency = directed_edges(isolated=True).adjacency
    index = adjacency.nonzero().t()
    return Edges(index, adjacency[index[0], index[1]], len(adjacency))


@pytest.mark.parametrize("improved", [False, True])
@pytest.mark.parametrize("add_self_loops", [False, True])
def test_gcn_operator_equals_pytorch_geometrics(improved: bool, add_self_loops: bool) -> None:
    pytest.importorskip("torch_geometric")
    from torch_geometric.nn.conv.gcn_conv import gcn_norm

    edges = merged_edges()
    index, value = gcn_norm(edges.index, edges.weight, edges.num_nodes, improved, add_self_loops)
    expected = torch.zeros(edges.num_nodes, edges.num_nodes, dtype=torch.float64)
    expected[index[1], index[0]] = value
    torch.testing.assert_close(dense(edges.graph.gcn(improved, add_self_loops)), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("lambda_max", [None, 1.7])
def test_scaled_laplacian_equals_pytorch_geometrics(
    normalization: Normalization, lambda_max: float | None
) -> None:
    pytest.importorskip("torch_geometric")
    from torch_geometric.nn import ChebConv

    edges = merged_edges()
    conv = ChebConv(1, 1, K=2, normalization=normalization)
    index, value = conv.__norm__(
        edges.index, edges.num_nodes, edges.weight, normalization, lambda_max, torch.float64
    )
    expected = torch.zeros(edges.num_nodes, edges.num_nodes, dtype=torch.float64)
    expected.index_put_((index[1], index[0]), value, accumulate=True)
    found = dense(edges.graph.scaled_laplacian(normalization, lambda_max))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_duplicate_edges_add_up() -> None:
    twice = Graph(torch.tensor([[0, 0, 1, 2], [1, 1, 2, 0]]), torch.tensor([0.5, 1.5, 1.0, 1.0]), 3)
    once = Graph(torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.tensor([2.0, 1.0, 1.0]), 3)
    for found, expected in zip(every_operator(twice), every_operator(once), strict=True):
        torch.testing.assert_close(dense(found), dense(expected))


def test_edges_without_weights_weigh_one() -> None:
    index = directed_edges().index
    unweighted, ones = Graph(index, None, 11), Graph(index, torch.ones(index.shape[1]), 11)
    torch.testing.assert_close(dense(unweighted.gcn()), dense(ones.gcn()), rtol=0, atol=0)


def test_isolated_nodes_sinks_and_sources_stay_finite() -> None:
    graph = Graph(torch.tensor([[0], [1]]), torch.tensor([2.0]), 4)
    for operator in every_operator(graph):
        assert np.isfinite(operator.to_dense()).all()
    forward, backward = graph.random_walk()
    assert not forward.to_dense()[[0, 2, 3]].any()
    assert not backward.to_dense()[[1, 2, 3]].any()


def test_zero_weights_and_no_edges_are_a_graph() -> None:
    for graph in (
        Graph(torch.tensor([[0], [1]]), torch.zeros(1), 2),
        Graph(torch.zeros(2, 0).long(), None, 2),
    ):
        for operator in every_operator(graph):
            assert np.isfinite(operator.to_dense()).all()
            assert (operator @ torch.ones(2, 3)).isfinite().all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_edge_order_does_not_matter_and_relabelled_nodes_relabel_operators(seed: int) -> None:
    edges = directed_edges(seed=seed)
    shuffle = torch.randperm(edges.index.shape[1])
    label = torch.randperm(edges.num_nodes)
    relabelled = Graph(label[edges.index[:, shuffle]], edges.weight[shuffle], edges.num_nodes)
    for found, expected in zip(every_operator(relabelled), every_operator(edges.graph), strict=True):
        torch.testing.assert_close(dense(found)[label][:, label], dense(expected), rtol=0, atol=1e-13)


def test_operators_are_computed_once() -> None:
    graph = directed_edges().graph
    assert graph.random_walk()[0] is graph.random_walk()[0]
    assert graph.gcn() is graph.gcn() is not graph.gcn(improved=True)
    assert graph.scaled_laplacian() is graph.scaled_laplacian("sym")


def test_a_graph_does_not_see_later_writes_into_its_arguments() -> None:
    index, weight = torch.tensor([[0, 1], [1, 0]]), torch.ones(2)
    graph = Graph(index, weight, 2)
    index.zero_(), weight.zero_()
    assert graph.random_walk()[0].to_dense().tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert graph.edge_weight.tolist() == [1.0, 1.0]


def test_numpy_arrays_of_a_store_make_the_same_graph() -> None:
    edges = directed_edges()
    index, weight = edges.index.numpy().astype(np.int32), edges.weight.numpy()
    index.flags.writeable = False
    graph = Graph.from_numpy(index, weight, edges.num_nodes)
    torch.testing.assert_close(dense(graph.gcn()), dense(edges.graph.gcn()), rtol=0, atol=0)


def test_a_module_keeps_its_graph_out_of_the_state_dict_and_copies_share_it() -> None:
    module = nn.Linear(1, 1)
    module.graph = directed_edges().graph  # type: ignore[assignment]
    assert set(module.state_dict()) == {"weight", "bias"}
    assert copy.deepcopy(module).graph is module.graph


def test_a_pickled_graph_gives_the_same_operators() -> None:
    graph = directed_edges().graph
    expected = [dense(operator) for operator in every_operator(graph)]
    copied = pickle.loads(pickle.dumps(graph))
    for operator, matrix in zip(every_operator(copied), expected, strict=True):
        torch.testing.assert_close(dense(operator), matrix, rtol=0, atol=0)


@pytest.mark.parametrize(
    "index, weight, message",
    [
        ([[0, 3], [1, 207]], None, r"edge 1 \(3 -> 207\).*outside 0\.\.206"),
        ([[0, -1], [1, 2]], None, r"edge 1 \(-1 -> 2\).*outside"),
        ([[0, 3], [1, 4]], [1.0, -0.5], r"edge 1 \(3 -> 4\).*weight -0\.5"),
        ([[0, 3], [1, 4]], [float("nan"), 1.0], r"edge 0 \(0 -> 1\).*weight nan"),
        ([[0, 3], [1, 4]], [1.0], r"edge_weight.*\(1,\).*2 edges"),
        ([0, 3], None, r"edge_index.*\(2,\)"),
        ([[0.0], [1.0]], None, r"edge_index.*float"),
    ],
)
def test_a_wrong_edge_is_named(index: list[object], weight: list[float] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Graph(torch.tensor(index), None if weight is None else torch.tensor(weight), 207)


def test_learnable_edge_weights_are_refused() -> None:
    with pytest.raises(InputError, match="requires a gradient"):
        Graph(torch.tensor([[0], [1]]), torch.ones(1, requires_grad=True), 2)


def test_an_unknown_normalization_is_refused() -> None:
    with pytest.raises(InputError, match="'symm'"):
        directed_edges().graph.scaled_laplacian("symm")  # type: ignore[arg-type]
